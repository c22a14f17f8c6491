# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""Memory of all kinds for the checks in the guest."""

from __future__ import annotations

import ctypes
import fcntl
import mmap
import os
import struct
from collections.abc import Callable
from pathlib import Path

from tests.linux.session import DEVICE, HOST, PAGE, Work
from tests.linux.uapi import Accel

USER = 2
READ_ONLY = 1
_HANDLE_TO_FD = 0xC00C642D
_FD_TO_HANDLE = 0xC00C642E
_PRIME = "<IIi"
_UDMABUF_CREATE = 0x40187542
_UDMABUF = "<IIQQ"
_MAP_HUGETLB = 0x40000
HUGE = 2 << 20


def address_of(memory: mmap.mmap) -> int:
    """Where a writable mapping of this process begins."""
    pointer = ctypes.c_char.from_buffer(memory)
    address = ctypes.addressof(pointer)
    del pointer
    return address


def export(accel: Accel, handle: int) -> int:
    """A dma-buf's descriptor for a buffer (DRM_IOCTL_PRIME_HANDLE_TO_FD)."""
    data = bytearray(struct.pack(_PRIME, handle, os.O_CLOEXEC | os.O_RDWR, -1))
    status = accel.raw(_HANDLE_TO_FD, data)
    if status:
        raise OSError(status, "export")
    return int(struct.unpack(_PRIME, data)[2])


def attempt_import(accel: Accel, fd: int) -> tuple[int, int]:
    """(0 or errno, handle) of DRM_IOCTL_PRIME_FD_TO_HANDLE."""
    data = bytearray(struct.pack(_PRIME, 0, 0, fd))
    status = accel.raw(_FD_TO_HANDLE, data)
    return status, int(struct.unpack(_PRIME, data)[0])


def mapped_import(work: Work, fd: int) -> int:
    """Device virtual address of a dma-buf."""
    status, handle = attempt_import(work.accel, fd)
    if status:
        raise OSError(status, "import")
    return int(work.accel.do("bo_map", context_id=work.context, handle=handle).va)


def udmabuf(size: int) -> tuple[int, mmap.mmap]:
    """A dma-buf of another driver (udmabuf) and the same pages for the CPU."""
    memory = os.memfd_create("axl-check", os.MFD_ALLOW_SEALING | os.MFD_CLOEXEC)
    os.ftruncate(memory, size)
    fcntl.fcntl(memory, fcntl.F_ADD_SEALS, fcntl.F_SEAL_SHRINK)
    node = os.open("/dev/udmabuf", os.O_RDWR | os.O_CLOEXEC)
    # A bytearray: only then ioctl() gives what the system call returned.
    request = bytearray(struct.pack(_UDMABUF, memory, 1, 0, size))
    fd = fcntl.ioctl(node, _UDMABUF_CREATE, request)
    os.close(node)
    return fd, mmap.mmap(memory, size)


def pin(work: Work, memory: mmap.mmap, **fields: int) -> tuple[int, int]:
    """(0 or errno, handle) of a buffer in pages of this process."""
    status, made = work.accel.attempt(
        "bo_create",
        **({"bytes": len(memory), "memory": USER, "user_address": address_of(memory)} | fields),
    )
    return status, int(made.handle)


def anonymous(size: int) -> mmap.mmap:
    """Private pages, faulted in crosswise: no two neighbours come from one place."""
    memory = mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    memory.madvise(mmap.MADV_NOHUGEPAGE)
    for stride in range(7):
        for at in range(stride * PAGE, size, 7 * PAGE):
            memory[at] = 1
    return memory


def huge(size: int) -> mmap.mmap:
    """Private 2 MiB pages."""
    Path("/proc/sys/vm/nr_hugepages").write_text(str(2 * size // HUGE))
    return mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | _MAP_HUGETLB)


def private_file(size: int) -> mmap.mmap:
    """A private mapping of a file of which only some pages were written to."""
    fd = os.open("/tmp", os.O_RDWR | os.O_TMPFILE | os.O_CLOEXEC)
    os.pwrite(fd, b"file" * (size // 4), 0)
    memory = mmap.mmap(fd, size, flags=mmap.MAP_PRIVATE)
    memory[PAGE : PAGE + 4] = b"mine"
    os.close(fd)
    return memory


def shared(size: int) -> mmap.mmap:
    """Shared memory of no file."""
    return mmap.mmap(-1, size)


OWN_PAGES: dict[str, Callable[[int], mmap.mmap]] = {
    "anonymous": anonymous,
    "huge": huge,
    "private_file": private_file,
    "shared": shared,
}


class Area:
    """Memory of one kind, mapped for a queue, as the CPU sees it, and what it must hold."""

    def __init__(self, name: str, va: int, size: int, cpu: mmap.mmap) -> None:
        self.name = name
        self.va = va
        self.cpu = cpu
        self.expected = bytearray(size)


def areas(work: Work, size: int) -> list[Area]:
    """One area of every kind that needs no other endpoint."""
    made = []
    for name, kind in (("device", DEVICE), ("host", HOST)):
        buffer = work.buffer(size, kind)
        made.append(Area(name, buffer.va, size, buffer.cpu))
    for name, make in OWN_PAGES.items():
        memory = make(size)
        status, handle = pin(work, memory)
        if status:
            raise OSError(status, f"pin {name}")
        va = work.accel.do("bo_map", context_id=work.context, handle=handle).va
        made.append(Area(name, va, size, memory))
    fd, memory = udmabuf(size)
    made.append(Area("udmabuf", mapped_import(work, fd), size, memory))
    return made


def pinned_pages() -> int:
    """Pages that the kernel says are pinned now (/proc/vmstat)."""
    # Processors keep small changes to themselves until they are asked for them.
    Path("/proc/sys/vm/stat_refresh").read_text()
    lines = Path("/proc/vmstat").read_text().splitlines()
    counts = {name: int(value) for name, value in map(str.split, lines)}
    return counts["nr_foll_pin_acquired"] - counts["nr_foll_pin_released"]


def charged_kib() -> int:
    """What this process pays for (VmPin of /proc/self/status)."""
    text = Path("/proc/self/status").read_text()
    return int(text.partition("VmPin:")[2].split()[0])
