# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""Memory that a client shares for DMA: bus addresses to bytes.

A file is mapped once and whole; every DMA_MAP of it is a slice. That keeps thousands of
mappings (a guest with an IOMMU makes them) at one descriptor and no further system call.

Truncation: touching a mapped page beyond the end of its file kills the process (SIGBUS).
Therefore a file must be a memfd with F_SEAL_SHRINK. QEMU's memory-backend-memfd has the
seal; where it is missing but allowed it is added here, and a file that cannot be sealed is
refused with EPERM. Pages punched out of a sealed file read as zero again and do no harm.

The seal is asked for before anything else: only the kernel's own memory has seals, whereas
fstat or a page fault of a file in user space (FUSE) waits for a process that may never answer.
"""

from __future__ import annotations

import bisect
import errno
import fcntl
import mmap
import os
from collections.abc import Callable
from dataclasses import dataclass

from diag.model.bus import BusError
from diag.model.vfio_user.protocol import MapFlag, RequestError

PAGE_BYTES = 4096
MAX_MAPS = 65535
"""As the protocol's default, and the most that QEMU accepts."""
MAX_FILES = 4096
MAX_FILE_BYTES = 1 << 40
"""Of all files of one client together. They are mapped whole, sparse or not: without a limit
one client could use up the 2**47 bytes of addresses that it shares with the others."""
ADDRESS_END = 1 << 64
# A plain number: the complement of a Flag has none of the unknown bits.
ALL_ACCESS = int(MapFlag.READ | MapFlag.WRITE)

PeerLookup = Callable[[int, int, bool], memoryview | None]
"""(address, length, write) to the bytes of another endpoint's BAR, None if there is none."""


class _File:
    """One shared file, mapped whole, and how many mappings use it."""

    def __init__(self, key: tuple[int, int], fd: int, *, writable: bool) -> None:
        self.key = key
        self.users = 0
        self.writable = writable
        self.size = os.fstat(fd).st_size
        prot = mmap.PROT_READ | (mmap.PROT_WRITE if writable else 0)
        self.memory = mmap.mmap(fd, self.size, mmap.MAP_SHARED, prot)
        self.view = memoryview(self.memory)

    def close(self) -> bool:
        """Unmap; False if somebody still holds a view, then the last one to go unmaps."""
        self.view.release()
        try:
            self.memory.close()
        except BufferError:
            return False
        return True


@dataclass(slots=True)
class Mapping:
    """One DMA_MAP. Without a file it is a window that this server cannot reach."""

    address: int
    size: int
    flags: MapFlag
    offset: int
    """In the file."""
    file: _File | None
    read_view: memoryview | None
    write_view: memoryview | None

    @property
    def end(self) -> int:
        """Bus address after its last byte."""
        return self.address + self.size

    def is_continued_by(self, other: Mapping) -> bool:
        """Whether the other one begins where this one ends, as bus address and in the file."""
        return (
            other.address == self.end
            and other.file is self.file
            and other.offset == self.offset + self.size
            and other.flags == self.flags
        )


class DmaMap:
    """The bus address space as one client shares it.

    Args:
        peers: asked for addresses that no mapping with a file covers.
        trust_unsealed: accept files that can be truncated. Only for clients that are
            trusted with the life of this process.
    """

    def __init__(self, peers: PeerLookup | None = None, *, trust_unsealed: bool = False) -> None:
        self._peers = peers
        self._trust_unsealed = trust_unsealed
        self._starts: list[int] = []
        self._maps: list[Mapping] = []
        self._files: dict[tuple[int, int], _File] = {}
        self._mapped_bytes = 0
        self.retained = 0
        """Unmapped files of which a view was still held: a bug of the function."""

    def __len__(self) -> int:
        """Mappings."""
        return len(self._maps)

    @property
    def mappings(self) -> tuple[Mapping, ...]:
        """All mappings by address."""
        return tuple(self._maps)

    def add(self, address: int, size: int, flags: int, offset: int, fd: int | None) -> None:
        """Make a mapping. `fd` stays the caller's; RequestError says why it is refused."""
        _check_range(address, size, flags, offset, mapped=fd is not None)
        place = bisect.bisect_right(self._starts, address)
        self._check_free(place, address, size)
        access = MapFlag(flags)
        mapping = Mapping(address, size, access, offset, None, None, None)
        if fd is not None:
            file = self._open(fd, offset + size, writable=bool(access & MapFlag.WRITE))
            file.users += 1
            view = file.view[offset : offset + size]
            mapping.file = file
            mapping.read_view = view.toreadonly() if access & MapFlag.READ else None
            mapping.write_view = view if access & MapFlag.WRITE else None
        self._starts.insert(place, address)
        self._maps.insert(place, mapping)

    def take(self, address: int, size: int) -> list[Mapping]:
        """Remove the mappings inside a range; hand them to `release()` when nobody uses them.

        As in the kernel's type 1 IOMMU a range may span several mappings but not cut one:
        EINVAL then, ENOENT if there is none.
        """
        if size <= 0 or address + size > ADDRESS_END:
            raise RequestError(errno.EINVAL, f"unmap {address:#x}+{size:#x} is no range")
        first = bisect.bisect_left(self._starts, address)
        last = bisect.bisect_left(self._starts, address + size)
        before = self._maps[first - 1] if first else None
        if before is not None and before.address + before.size > address:
            raise RequestError(errno.EINVAL, f"unmap at {address:#x} cuts a mapping")
        taken = self._maps[first:last]
        if not taken:
            raise RequestError(errno.ENOENT, f"nothing is mapped in {address:#x}+{size:#x}")
        if taken[-1].address + taken[-1].size > address + size:
            raise RequestError(errno.EINVAL, f"unmap up to {address + size:#x} cuts a mapping")
        del self._maps[first:last]
        del self._starts[first:last]
        return taken

    def take_all(self) -> list[Mapping]:
        """Remove every mapping."""
        taken, self._maps, self._starts = self._maps, [], []
        return taken

    def release(self, taken: list[Mapping]) -> None:
        """Unmap what `take()` removed, once the function has dropped its views."""
        for mapping in taken:
            for view in (mapping.read_view, mapping.write_view):
                if view is not None:
                    view.release()
            mapping.read_view = mapping.write_view = None
            file, mapping.file = mapping.file, None
            if file is not None:
                self._put(file)

    def view(self, address: int, length: int, *, write: bool) -> memoryview:
        """Bytes at a bus address; BusError unless one mapping with the right access has all."""
        place = bisect.bisect_right(self._starts, address) - 1
        if place >= 0:
            mapping = self._maps[place]
            offset = address - mapping.address
            if 0 <= length <= mapping.size - offset:
                view = mapping.write_view if write else mapping.read_view
                if view is not None:
                    return view[offset : offset + length]
                if mapping.file is not None:
                    raise BusError(address, length, "the mapping does not allow this access")
        found = self._peers(address, length, write) if self._peers is not None else None
        if found is None:
            raise BusError(address, length, "no mapping covers it")
        return found

    def views(self, address: int, length: int, *, write: bool) -> list[memoryview]:
        """As `view` of a range that may span mappings: in pieces, as few as there can be."""
        place = bisect.bisect_right(self._starts, address) - 1
        end = address + length
        pieces: list[memoryview] = []
        while 0 <= place < len(self._maps):
            mapping = self._maps[place]
            if mapping.file is None or not mapping.address <= address < mapping.end < end:
                break
            last = place
            while (
                self._maps[last].end < end
                and last + 1 < len(self._maps)
                and self._maps[last].is_continued_by(self._maps[last + 1])
            ):
                last += 1
            stop = min(end, self._maps[last].end)
            pieces.append(_part(mapping, address, stop - address, write=write))
            address, place = stop, last + 1
        # What is left lies in one mapping, belongs to a peer, or is not there.
        if address < end:
            pieces.append(self.view(address, end - address, write=write))
        return pieces

    def contains(self, address: int, length: int) -> bool:
        """Whether one mapping that can be accessed has the whole range."""
        try:
            self.view(address, length, write=False).release()
        except BusError:
            return False
        return True

    def _check_free(self, place: int, address: int, size: int) -> None:
        if len(self._maps) >= MAX_MAPS:
            raise RequestError(errno.ENOSPC, f"{MAX_MAPS} mappings exist already")
        before = self._maps[place - 1] if place else None
        after = self._maps[place] if place < len(self._maps) else None
        overlaps_before = before is not None and before.address + before.size > address
        overlaps_after = after is not None and after.address < address + size
        if overlaps_before or overlaps_after:
            raise RequestError(errno.EEXIST, f"{address:#x}+{size:#x} overlaps a mapping")

    def _open(self, fd: int, needed: int, *, writable: bool) -> _File:
        """The mapped file behind `fd`, mapped anew if it grew or becomes writable."""
        try:
            if not self._trust_unsealed:
                _seal(fd)
            stat = os.fstat(fd)
            key = (stat.st_dev, stat.st_ino)
            if needed > stat.st_size:
                reason = f"needs {needed} of a file of {stat.st_size} bytes"
                raise RequestError(errno.EINVAL, reason)
            file = self._files.get(key)
            if file is not None and file.size >= needed and (file.writable or not writable):
                return file
            if len(self._files) >= MAX_FILES:
                raise RequestError(errno.ENOSPC, f"{MAX_FILES} files are mapped already")
            if self._mapped_bytes + stat.st_size > MAX_FILE_BYTES:
                reason = f"the files of one client may have {MAX_FILE_BYTES} bytes together"
                raise RequestError(errno.ENOSPC, reason)
            # An older mapping of the same file lives on until its users are gone.
            file = _File(key, fd, writable=writable)
        except (OSError, ValueError) as error:
            code = error.errno if isinstance(error, OSError) else errno.EINVAL
            raise RequestError(code or errno.EINVAL, f"cannot map the file: {error}") from None
        self._files[key] = file
        self._mapped_bytes += file.size
        return file

    def _put(self, file: _File) -> None:
        file.users -= 1
        if file.users:
            return
        self._mapped_bytes -= file.size
        if self._files.get(file.key) is file:
            del self._files[file.key]
        if not file.close():
            self.retained += 1


def _part(mapping: Mapping, address: int, length: int, *, write: bool) -> memoryview:
    """Bytes from a mapping on, in its file; the mappings after it continue it."""
    assert mapping.file is not None
    if not mapping.flags & (MapFlag.WRITE if write else MapFlag.READ):
        raise BusError(address, length, "the mapping does not allow this access")
    at = mapping.offset + address - mapping.address
    view = mapping.file.view[at : at + length]
    return view if write else view.toreadonly()


def _check_range(address: int, size: int, flags: int, offset: int, *, mapped: bool) -> None:
    if not flags or flags & ~ALL_ACCESS:
        raise RequestError(errno.EINVAL, f"map flags {flags:#x} are not readable, writable or both")
    if size == 0 or (address | size | offset) % PAGE_BYTES:
        reason = f"map {address:#x}+{size:#x} of offset {offset:#x} is not whole pages"
        raise RequestError(errno.EINVAL, reason)
    if address + size > ADDRESS_END or offset + size > ADDRESS_END:
        raise RequestError(errno.EINVAL, f"map {address:#x}+{size:#x} wraps around")
    if not mapped and offset:
        raise RequestError(errno.EINVAL, f"map has offset {offset:#x} but no descriptor")


def _seal(fd: int) -> None:
    """Make sure that a file cannot shrink; RequestError(EPERM) if that is impossible."""
    try:
        if fcntl.fcntl(fd, fcntl.F_GET_SEALS) & fcntl.F_SEAL_SHRINK:
            return
        fcntl.fcntl(fd, fcntl.F_ADD_SEALS, fcntl.F_SEAL_SHRINK)
    except OSError as error:
        raise RequestError(
            errno.EPERM,
            f"the file can be truncated ({error}); share a memfd made with MFD_ALLOW_SEALING",
        ) from None
