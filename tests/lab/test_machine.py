# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""QEMU's command line."""

from __future__ import annotations

from pathlib import Path

import pytest

from diag.lab.config import LabConfig
from diag.lab.errors import LabError
from diag.lab.kernel import Kernel
from diag.lab.machine import MachineOptions, SessionFiles, machine_arguments
from diag.lab.tsc import tsc_khz
from diag.model.rack.enumerate import enumerate_rack
from diag.model.rack.spec import load_rack

KERNEL = Kernel("6.12.1-test", Path("/k/vmlinuz"), Path("/k/modules"))


def arguments(options: MachineOptions, folder: str = "/run/lab", work: str = "/src") -> list[str]:
    """The arguments of a 1x1 rack."""
    placement = enumerate_rack(load_rack("1x1"))
    return machine_arguments(options, KERNEL, SessionFiles(Path(folder)), placement, Path(work))


def value(found: list[str], option: str) -> str:
    """What follows an option that occurs once."""
    assert found.count(option) == 1
    return found[found.index(option) + 1]


def test_guest_memory_is_shared() -> None:
    """The endpoints' process maps guest memory, so it must be a shared memfd."""
    memory = value(arguments(MachineOptions(memory_mib=512)), "-object")

    assert memory == "memory-backend-memfd,id=ram,size=512M,share=on"


def test_the_debug_kernel_gets_memory_for_its_checks() -> None:
    """What is given counts; else the kernel decides: with 1 GiB the debug kernel panics."""
    assert LabConfig("8x4").machine("tcg").memory_mib == 1024
    assert LabConfig("8x4", kernel="debug").machine("tcg").memory_mib == 3072
    assert LabConfig("8x4", kernel="debug", memory_mib=512).machine("tcg").memory_mib == 512


def test_host_and_checkout_are_shared_read_only() -> None:
    """Only the session's own folder can be written from the guest."""
    found = arguments(MachineOptions())
    shares = {at.split(",")[1]: at for at in found if at.startswith("local,")}

    assert "readonly=on" in shares["id=host"]
    assert "readonly=on" in shares["id=work"]
    assert "readonly" not in shares["id=share"]


def test_iommu_brings_device_and_kernel_options() -> None:
    """With an IOMMU the device is there and the kernel translates; else neither is."""
    with_iommu, without = arguments(MachineOptions(iommu=True)), arguments(MachineOptions())

    assert any(at.startswith("intel-iommu") for at in with_iommu)
    assert "intel_iommu=on" in value(with_iommu, "-append")
    assert "kernel-irqchip=off" in value(with_iommu, "-machine")
    assert not any("iommu" in at for at in without)


def test_an_emulated_processor_is_told_how_fast_it_counts() -> None:
    """Measured twice the same to within a percent; under KVM the kernel knows by itself."""
    first = tsc_khz()
    tsc_khz.cache_clear()
    second = tsc_khz()

    if first is None or second is None:
        pytest.skip("no time-stamp counter that can be read on this machine")
    assert abs(first - second) < first / 100
    assert f"tsc_early_khz={second}" in value(arguments(MachineOptions(accel="tcg")), "-append")
    assert "tsc_early" not in value(arguments(MachineOptions(accel="kvm")), "-append")


def test_kvm_uses_the_hosts_processor() -> None:
    """TCG emulates the richest processor it can, KVM passes the host's on."""
    kvm, tcg = arguments(MachineOptions(accel="kvm")), arguments(MachineOptions())

    assert (value(kvm, "-accel"), value(kvm, "-cpu")) == ("kvm", "host")
    assert value(tcg, "-accel") == "tcg,thread=multi"
    assert value(tcg, "-cpu") == "max,vendor=GenuineIntel"


def test_a_counted_clock_needs_no_time_stamp_counter() -> None:
    """With icount a nanosecond is an instruction, so the counter runs at 1 GHz."""
    counted = arguments(MachineOptions(accel="icount"))

    assert value(counted, "-icount") == "shift=0"
    assert "tsc_early_khz=1000000" in value(counted, "-append")


def test_folders_that_qemu_cannot_use_are_named() -> None:
    """A socket path beyond 107 bytes and a comma in a path end with what to change."""
    with pytest.raises(LabError, match="set AXL_RUNTIME_DIR"):
        arguments(MachineOptions(), folder="/run/" + "x" * 100)
    with pytest.raises(LabError, match="/src,2: QEMU cannot use"):
        arguments(MachineOptions(), work="/src,2")
