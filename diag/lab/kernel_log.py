# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""What a guest's kernel log must not contain: warnings, oopses, lockdep, errors of PCI."""

from __future__ import annotations

import re
from collections.abc import Iterable

UNEXPECTED = (
    r"\bWARNING: ",
    r"\bBUG: ",
    r"\bBUG at ",
    r"\bOops\b",
    r"\bgeneral protection fault",
    r"\bunable to handle",
    r"\bKernel panic\b",
    r"\bINFO: (task|rcu)",
    r"\bINFO: possible ",
    r"\bpossible (circular|recursive) locking",
    r"\bsoft lockup\b",
    r"\bhard LOCKUP\b",
    r"\bself-detected stall\b",
    r"\brefcount_t: ",
    r"\b(UBSAN|KASAN|KCSAN|KMSAN|KFENCE): ",
    r"\bkmemleak: ",
    r"\bDMA-API: ",
    r"\bDMAR: .*\bfault\b",
    r"\bAER: ",
    r"\bDPC: .*\bcontainment event\b",
    r"\bBAR \d+\b.*(can't assign|failed to assign|not claimed|can't claim)",
    r"\bNMI: .*(error|unknown)",
    r"\bnobody cared\b",
    r"\bCall Trace:",
    r"axl-lab: cannot start",
)
"""Patterns (searched, not matched) of lines that make a run fail."""

EXPECTED = (
    # The root port announces its AER interrupt.
    r"\bAER: enabled with IRQ\b",
    # Devices under test are not in the distribution: their modules are not signed.
    r"module verification failed: signature",
    # What a debug kernel says of itself.
    r"\bDMA-API: (preallocated \d+ debug entries|debugging enabled by kernel config)$",
    r"\bkmemleak: Kernel memory leak detector initialized\b",
)

_UNEXPECTED = re.compile("|".join(UNEXPECTED))

_LOCKDEP = re.compile(r"^.*possible circular locking.*\n(?:.*\n)*?.*</TASK>.*$", re.MULTILINE)
_OF_A_MODULE = re.compile(r"\[\w+\]$", re.MULTILINE)
_PCIEHP_UNPLUG = re.compile(r"is trying to acquire lock:\n.*at: pciehp_unconfigure_device\+")


def _without_the_kernel_s_own(text: str) -> str:
    """Without the report that 6.12 makes when a card is unplugged by request.

    pciehp takes its reset lock and the lock of rescanning in both orders, also where no driver
    is bound. A report with a function of a module in it stays.
    """

    def kept(report: re.Match[str]) -> str:
        own = _PCIEHP_UNPLUG.search(report[0]) and not _OF_A_MODULE.search(report[0])
        return "" if own else report[0]

    return _LOCKDEP.sub(kept, text)


def unexpected_lines(text: str, allowed: Iterable[str] = ()) -> list[str]:
    """The lines of a kernel log that should not be there.

    Args:
        text: the log.
        allowed: further patterns of lines that the caller provoked.
    """
    expected = re.compile("|".join((*EXPECTED, *allowed)))
    text = text.replace("\r\n", "\n")  # as a serial console sends it
    lines = (line.strip() for line in _without_the_kernel_s_own(text).splitlines())
    return [line for line in lines if _UNEXPECTED.search(line) and not expected.search(line)]
