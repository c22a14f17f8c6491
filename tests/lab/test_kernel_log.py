# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""What counts as unexpected in a kernel log."""

from __future__ import annotations

import pytest

from diag.lab.kernel_log import unexpected_lines


@pytest.mark.parametrize(
    "line",
    [
        "[    1.2] WARNING: CPU: 1 PID: 77 at drivers/pci/msi.c:12 foo+0x1/0x2",
        "[    1.2] BUG: kernel NULL pointer dereference, address: 0000000000000008",
        "[    1.2] Oops: 0000 [#1] PREEMPT SMP",
        "[    1.2] WARNING: possible circular locking dependency detected",
        "[    1.2] INFO: task kworker/0:1 blocked for more than 120 seconds.",
        "[    1.2] rcu: INFO: rcu_preempt self-detected stall on CPU",
        "[    1.2] pcieport 0000:00:01.0: AER: Uncorrectable (Fatal) error message received",
        "[    1.2] pci 0000:05:00.0: BAR 2 [mem size 0x10000000 64bit pref]: failed to assign",
        "[    1.2] DMAR: [DMA Write NO_PASID] Request device [05:00.0] fault addr 0x0",
        "[    1.2] BUG: KASAN: slab-use-after-free in axl_probe",
        "[    1.2] irq 16: nobody cared",
    ],
)
def test_a_bad_line_is_found(line: str) -> None:
    """Every kind of kernel complaint is reported as it stands."""
    assert unexpected_lines(f"[ 0.1] Linux version 6.12\n{line}\n") == [line]


@pytest.mark.parametrize(
    "line",
    [
        "[    1.2] pcieport 0000:00:01.0: AER: enabled with IRQ 24",
        "[    1.2] pci 0000:02:00.0: bridge window [io size 0x1000]: failed to assign",
        "[    1.2] clocksource: Switched to clocksource tsc",
        "[    1.2] debug: BUGGY firmware is not a bug",
        "[    1.2] DMA-API: preallocated 65536 debug entries",
        "[    1.2] kmemleak: Kernel memory leak detector initialized (mem pool available: 38945)",
    ],
)
def test_a_normal_line_is_not(line: str) -> None:
    """What every healthy boot says is accepted."""
    assert unexpected_lines(line) == []


def test_what_a_test_provokes_can_be_allowed() -> None:
    """A drill names the lines that it causes; others still count."""
    text = "pcieport x: AER: Correctable error\nBUG: bad page\n"

    assert unexpected_lines(text, [r"AER: Correctable"]) == ["BUG: bad page"]


_UNPLUG = """\
[   34.7] WARNING: possible circular locking dependency detected
[   34.7] irq/28-pciehp/47 is trying to acquire lock:
[   34.7] ffff8881046a8300 (&ctrl->reset_lock/2){.+.+}, at: pciehp_unconfigure_device+0x95/0x140
[   34.7]        pciehp_disable_slot+0x5f/0x110
[   34.7] Call Trace:
[   34.7]  <TASK>
[   34.7]  pciehp_unconfigure_device+0x95/0x140
[   34.7]  </TASK>
"""


def test_the_kernel_s_own_report_at_an_unplug_is_known() -> None:
    """It is left out alone; one beside it, and one in which a module takes part, are not."""
    bad = "[   34.8] BUG: KASAN: slab-use-after-free in axl_probe"

    assert unexpected_lines(_UNPLUG) == []
    assert unexpected_lines(_UNPLUG.replace("\n", "\r\n")) == []
    assert unexpected_lines(f"{_UNPLUG}{bad}\n") == [bad]
    ours = _UNPLUG.replace("pciehp_disable_slot+0x5f/0x110", "axl_drv_remove+0x5f/0x110 [axl]")
    assert len(unexpected_lines(ours)) == 2
    assert len(unexpected_lines(ours.replace("\n", "\r\n"))) == 2
    other = _UNPLUG.replace("at: pciehp_unconfigure_device", "at: pci_reset_bus")
    assert len(unexpected_lines(other)) == 2
