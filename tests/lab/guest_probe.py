# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""Drives one endpoint from user space inside the guest: `guest_probe.py BDF [--interrupt]`.

No driver is needed: registers and device memory are mapped through sysfs, and the rings lie
in locked pages whose physical addresses come from /proc/self/pagemap. The result is one
JSON object. With --interrupt the message of an MSI-X vector is looked at as well.
"""

from __future__ import annotations

import ctypes
import json
import mmap
import os
import sys
import time
from itertools import pairwise
from pathlib import Path
from typing import Any

from pyaccel.spec import regs
from pyaccel.spec.formats import (
    COMPLETION_BYTES,
    PT_LEVELS,
    PTE_LEAF_MASK,
    PTE_SPACE_SHIFT,
    PTE_VALID_MASK,
    PTE_WRITABLE_MASK,
    CmdCopy,
    CmdHeader,
    CommandFlag,
    Completion,
    CompletionFlag,
    Opcode,
    Space,
)
from pyaccel.spec.types import Register

PAGE = mmap.PAGESIZE
PATTERN = bytes(range(256)) * (PAGE // 256)
SRC_VA, DST_VA = 0x10000, 0x20000
RING_LOG2, SEQUENCE = 4, 7
_TIMEOUT_S = 20.0
_MAP_LOCKED = 0x2000
MESSAGE, MSIX_ENTRY_BYTES = 0x1234, 16
_MSIX, _MSIX_ENABLE = 0x11, 0x8000


class Pages:
    """Locked pages of this process by physical address."""

    def __init__(self) -> None:
        # Without it the kernel may move even locked pages.
        Path("/proc/sys/vm/compact_unevictable_allowed").write_text("0\n")
        self._pages: dict[int, mmap.mmap] = {}

    def alloc(self) -> int:
        """Physical address of one fresh page."""
        page = mmap.mmap(-1, PAGE, mmap.MAP_SHARED | mmap.MAP_ANONYMOUS | _MAP_LOCKED)
        page[:] = bytes(PAGE)
        address = _physical(page)
        self._pages[address] = page
        return address

    def at(self, address: int) -> memoryview:
        """The bytes of a page."""
        return memoryview(self._pages[address])


class Registers:
    """BAR0 through sysfs, with accesses of the register's width."""

    def __init__(self, device: Path) -> None:
        self._bar0 = _map(device / "resource0")

    def read(self, register: Register, *indices: int) -> int:
        """One load."""
        return int(self._word(register, indices)[0])

    def write(self, register: Register, value: int, *indices: int) -> None:
        """One store."""
        self._word(register, indices)[0] = value

    def _word(self, register: Register, indices: tuple[int, ...]) -> memoryview:
        """The register as one word."""
        at, size = register.at(*indices), register.width // 8
        return self._bar0[at : at + size].cast("I" if size == 4 else "Q")


def _map(path: Path) -> memoryview:
    """A resource file of sysfs, mapped."""
    with path.open("r+b", buffering=0) as file:
        return memoryview(mmap.mmap(file.fileno(), os.fstat(file.fileno()).st_size))


def _physical(page: mmap.mmap) -> int:
    """Physical address of a page (Documentation/admin-guide/mm/pagemap.rst)."""
    virtual = ctypes.addressof(ctypes.c_char.from_buffer(page))
    with Path("/proc/self/pagemap").open("rb", buffering=0) as pagemap:
        pagemap.seek(virtual // PAGE * 8)
        entry = int.from_bytes(pagemap.read(8), "little")
    assert entry >> 63, "the page is not present"
    return (entry & ((1 << 55) - 1)) * PAGE


def _enable(device: Path) -> None:
    """Memory decode and bus mastering, as a driver's probe does."""
    (device / "enable").write_text("1\n")
    with (device / "config").open("r+b", buffering=0) as config:
        config.seek(4)
        command = int.from_bytes(config.read(2), "little") | 6
        config.seek(4)
        config.write(command.to_bytes(2, "little"))


def _page_table(pages: Pages, leaves: dict[int, int]) -> int:
    """Root of a table that maps `leaves` (virtual address: leaf entry), all below 2 MiB."""
    tables = [pages.alloc() for _ in range(PT_LEVELS)]
    for upper, lower in pairwise(tables):
        pages.at(upper).cast("Q")[0] = lower | PTE_VALID_MASK
    for address, entry in leaves.items():
        flags = PTE_VALID_MASK | PTE_LEAF_MASK | PTE_WRITABLE_MASK
        pages.at(tables[-1]).cast("Q")[address // PAGE] = entry | flags
    return tables[0]


def _copy_to_device(pages: Pages, registers: Registers) -> Completion:
    """One page from guest memory to the start of device memory, on queue 0 with vector 1."""
    source, sq, cq = (pages.alloc() for _ in range(3))
    pages.at(source)[:] = PATTERN
    leaves = {SRC_VA: source, DST_VA: Space.DEVICE << PTE_SPACE_SHIFT}
    registers.write(regs.CTRL_QUEUE_RESET, 1)
    registers.write(regs.CONTEXT_ROOT, _page_table(pages, leaves), 0)
    registers.write(regs.CONTEXT_CONTROL, 1, 0)
    registers.write(regs.QUEUE_SQ_BASE, sq, 0)
    registers.write(regs.QUEUE_CQ_BASE, cq, 0)
    registers.write(regs.QUEUE_SIZE, RING_LOG2 | RING_LOG2 << 8, 0)
    registers.write(regs.QUEUE_INTERRUPT, 1 | 1 << 8, 0)
    registers.write(regs.QUEUE_CONTROL, 1, 0)
    registers.write(regs.CTRL_CONTROL, 1)
    command = CmdHeader(
        opcode=Opcode.COPY, flags=CommandFlag.INTERRUPT, slots=1, sequence=SEQUENCE
    ).pack()
    command += CmdCopy(SRC_VA, DST_VA, PAGE).pack()
    pages.at(sq)[: len(command)] = command
    registers.write(regs.DOORBELL_SQ_TAIL, 1, 0)
    return _wait(pages.at(cq))


def _capability(config: bytes, wanted: int) -> int:
    """Offset of a capability (PCI 3.0 s6.7)."""
    at = config[0x34]
    while at and config[at] != wanted:
        at = config[at + 1]
    assert at, f"no capability {wanted:#x}"
    return at


def _set_msix(device: Path, *, enable: bool) -> None:
    """Write MSI-X Enable."""
    with (device / "config").open("r+b", buffering=0) as config:
        at = _capability(config.read(256), _MSIX) + 2
        config.seek(at)
        control = int.from_bytes(config.read(2), "little") & ~_MSIX_ENABLE
        config.seek(at)
        config.write((control | (_MSIX_ENABLE if enable else 0)).to_bytes(2, "little"))


def probe_interrupt(bdf: str) -> dict[str, Any]:
    """What `probe` gives, and the message that vector 1 sent.

    An MSI is a memory write: here its address is a page of ours instead of the processor's.
    """
    device = Path("/sys/bus/pci/devices") / bdf
    _enable(device)
    pages = Pages()
    target = pages.alloc()
    entry = _map(device / "resource4")[MSIX_ENTRY_BYTES : 2 * MSIX_ENTRY_BYTES].cast("I")
    _set_msix(device, enable=True)
    for index, word in enumerate((target & 0xFFFF_FFFF, target >> 32, MESSAGE, 0)):
        entry[index] = word
    try:
        result = probe(bdf)
        message = _wait_word(pages.at(target).cast("I"))
    finally:
        _set_msix(device, enable=False)
    return {**result, "message": message}


def _wait_word(words: memoryview) -> int:
    """The first word once it is not zero; 0 when that takes too long."""
    deadline = time.monotonic() + _TIMEOUT_S
    while not words[0] and time.monotonic() < deadline:
        time.sleep(0.001)
    return int(words[0])


def _wait(ring: memoryview) -> Completion:
    """The first completion of a fresh ring."""
    deadline = time.monotonic() + _TIMEOUT_S
    while time.monotonic() < deadline:
        completion = Completion.unpack_from(ring[:COMPLETION_BYTES])
        if completion.flags & CompletionFlag.PHASE:
            return completion
    raise TimeoutError("no completion")


def probe(bdf: str) -> dict[str, Any]:
    """Identity of the endpoint at `bdf`, and the outcome of one copy."""
    device = Path("/sys/bus/pci/devices") / bdf
    _enable(device)
    pages, registers = Pages(), Registers(device)
    memory = _map(device / "resource2")
    resets = registers.read(regs.CTRL_GENERATION), registers.read(regs.CTRL_RESET_CAUSE)
    try:
        completion = _copy_to_device(pages, registers)
    finally:
        # The pages go with this process: nothing may be left that points at them.
        registers.write(regs.CTRL_CONTROL, 0)
        registers.write(regs.CTRL_QUEUE_RESET, 1)
        registers.write(regs.CONTEXT_CONTROL, 0, 0)
    place = registers.read(regs.IDENT_ENDPOINT)
    return {
        "magic": registers.read(regs.IDENT_MAGIC),
        "serial": registers.read(regs.IDENT_BOARD_SERIAL),
        "index": regs.IDENT_ENDPOINT.decode(place)["INDEX"],
        "generation": resets[0],
        "reset_cause": resets[1],
        "sequence": completion.sequence,
        "status": completion.status,
        "memory_matches": bytes(memory[:PAGE]) == PATTERN,
    }


if __name__ == "__main__":
    chosen = probe_interrupt if sys.argv[2:] == ["--interrupt"] else probe
    print(json.dumps(chosen(sys.argv[1])))  # noqa: T201 - the result
