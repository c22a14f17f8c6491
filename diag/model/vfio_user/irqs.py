# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""Interrupts of one client: eventfds, masks and what is pending.

The client decides with DEVICE_SET_IRQS which kind is in use; a function that raises vector
`n` gets MSI-X vector `n`, else MSI vector `n` folded to those granted, else INTx.
"""

from __future__ import annotations

import errno
import fcntl
import logging
import os
from dataclasses import dataclass, field
from pathlib import Path

from diag.model.bus import IrqKind
from diag.model.vfio_user.protocol import (
    ACTION_FLAGS,
    DATA_FLAGS,
    IRQ_SET,
    IrqFlag,
    IrqSetFlag,
    Request,
    RequestError,
)

LOG = logging.getLogger(__name__)
EVENTFD_LINK = "anon_inode:[eventfd]"
SINGLE_ACTIONS = (IrqSetFlag.ACTION_MASK, IrqSetFlag.ACTION_UNMASK, IrqSetFlag.ACTION_TRIGGER)
SINGLE_DATA = (IrqSetFlag.DATA_NONE, IrqSetFlag.DATA_BOOL, IrqSetFlag.DATA_EVENTFD)
# A plain number: the complement of a Flag has none of the unknown bits.
KNOWN_FLAGS = int(ACTION_FLAGS | DATA_FLAGS)
# Every PCI Express function in the vfio interface has ERR and REQ; QEMU warns without ERR.
DEFAULT_COUNTS = {kind: int(kind in (IrqKind.ERR, IrqKind.REQ)) for kind in IrqKind}
MASKABLE = (IrqKind.INTX, IrqKind.MSI, IrqKind.MSIX)


@dataclass(slots=True)
class _Kind:
    """Eventfds by action and sub-index, and the state of the sub-indexes."""

    count: int
    fds: dict[IrqSetFlag, dict[int, int]] = field(
        default_factory=lambda: {action: {} for action in SINGLE_ACTIONS}
    )
    masked: set[int] = field(default_factory=set)
    pending: set[int] = field(default_factory=set)

    @property
    def triggers(self) -> dict[int, int]:
        """Eventfds that interrupts go to."""
        return self.fds[IrqSetFlag.ACTION_TRIGGER]


@dataclass(frozen=True, slots=True)
class _IrqSet:
    """A checked DEVICE_SET_IRQS."""

    kind: IrqKind
    action: IrqSetFlag
    data: IrqSetFlag
    start: int
    count: int
    chosen: list[int]
    """Sub-indexes that NONE and BOOL data select."""


class InterruptSet:
    """The interrupts of a function as one client set them up. Owns its eventfds.

    Args:
        counts: sub-indexes of each kind, see `DEFAULT_COUNTS` for those not named.
    """

    def __init__(self, counts: dict[IrqKind, int]) -> None:
        self._kinds = {kind: _Kind(counts.get(kind, DEFAULT_COUNTS[kind])) for kind in IrqKind}
        self._msix = self._kinds[IrqKind.MSIX]
        self._msi = self._kinds[IrqKind.MSI]
        self._intx = self._kinds[IrqKind.INTX]
        self.is_hostile = False
        """Whether the client made a signal block: it gets none any more."""

    def info(self, index: int) -> tuple[IrqFlag, int]:
        """Flags and count of an interrupt kind; RequestError(EINVAL) if there is none."""
        kind = self._kind(index)
        flags = IrqFlag.EVENTFD
        if kind in MASKABLE:
            flags |= IrqFlag.MASKABLE
        if kind is IrqKind.INTX:
            flags |= IrqFlag.AUTOMASKED
        return flags, self._kinds[kind].count

    def set(self, request: Request) -> None:
        """Carry out DEVICE_SET_IRQS; RequestError(EINVAL) leaves everything as it was."""
        wanted = self._parse(request)
        state = self._kinds[wanted.kind]
        if wanted.count == 0:
            self._disable(state)
        elif wanted.data is IrqSetFlag.DATA_EVENTFD:
            self._assign(state, wanted, request)
        elif wanted.action is IrqSetFlag.ACTION_TRIGGER:
            for index in wanted.chosen:
                self._signal(wanted.kind, index)
        else:
            self._set_masked(state, wanted)

    def raise_vector(self, vector: int) -> bool:
        """Signal a vector; False if no kind is enabled or the vector has no eventfd.

        A masked vector is remembered and signalled when it is unmasked.
        """
        if self._msix.triggers:
            return self._signal(IrqKind.MSIX, vector)
        if self._msi.triggers:
            return self._signal(IrqKind.MSI, vector % self._msi_granted())
        if self._intx.triggers:
            return self._signal(IrqKind.INTX, 0)
        return False

    def active_kind(self) -> IrqKind | None:
        """The kind that `raise_vector` uses, None if none is enabled."""
        for kind in (IrqKind.MSIX, IrqKind.MSI, IrqKind.INTX):
            if self._kinds[kind].triggers:
                return kind
        return None

    def close(self) -> None:
        """Close every eventfd and forget masks."""
        for state in self._kinds.values():
            self._disable(state)

    def _msi_granted(self) -> int:
        """Vectors that the host granted: MSI grants a power of two from 0 on."""
        return 1 << max(self._msi.triggers).bit_length()

    def _signal(self, kind: IrqKind, index: int) -> bool:
        state = self._kinds[kind]
        fd = state.triggers.get(index)
        if fd is None:
            return False
        if index in state.masked:
            state.pending.add(index)
            return True
        self._write(fd)
        if kind is IrqKind.INTX:
            state.masked.add(index)
        return True

    def _write(self, fd: int) -> None:
        if not _write(fd):
            LOG.warning("a client made its interrupt eventfd block; it gets no interrupt any more")
            self.close()
            self.is_hostile = True

    def _kind(self, index: int) -> IrqKind:
        if index not in IrqKind._value2member_map_:
            raise RequestError(errno.EINVAL, f"interrupt index {index} does not exist")
        return IrqKind(index)

    def _parse(self, request: Request) -> _IrqSet:
        payload = request.payload
        if len(payload) < IRQ_SET.size:
            raise RequestError(errno.EINVAL, f"payload of {len(payload)} bytes is too short")
        argsz, flags, index, start, count = IRQ_SET.unpack_from(payload)
        if argsz < IRQ_SET.size:
            raise RequestError(errno.EINVAL, f"argsz {argsz} is below {IRQ_SET.size}")
        kind = self._kind(index)
        action, data = _split_flags(flags)
        _check_span(start, count, self._kinds[kind].count)
        if kind not in MASKABLE and action is not IrqSetFlag.ACTION_TRIGGER:
            raise RequestError(errno.EINVAL, f"{kind.name} can only be triggered")
        disabling = action is IrqSetFlag.ACTION_TRIGGER and data is IrqSetFlag.DATA_NONE
        if count == 0 and not disabling:
            raise RequestError(errno.EINVAL, "count 0 goes with DATA_NONE and ACTION_TRIGGER")
        chosen = _chosen(payload[IRQ_SET.size :], data, start, count)
        if request.fds and (data is not IrqSetFlag.DATA_EVENTFD or len(request.fds) != count):
            raise RequestError(errno.EINVAL, f"{len(request.fds)} descriptors for {count}")
        if request.fds and self.is_hostile:
            raise RequestError(errno.EPERM, "an eventfd of this client blocked")
        if not all(_is_eventfd(fd) for fd in request.fds):
            raise RequestError(errno.EINVAL, "a descriptor is not an eventfd")
        return _IrqSet(kind, action, data, start, count, chosen)

    def _assign(self, state: _Kind, wanted: _IrqSet, request: Request) -> None:
        fds = state.fds[wanted.action]
        new = request.take_fds()
        for number, index in enumerate(range(wanted.start, wanted.start + wanted.count)):
            old = fds.pop(index, None)
            if old is not None:
                os.close(old)
            if new:
                # A full counter must not stop the device; see `_write`.
                os.set_blocking(new[number], False)
                fds[index] = new[number]
            elif wanted.action is IrqSetFlag.ACTION_TRIGGER:
                state.pending.discard(index)

    def _set_masked(self, state: _Kind, wanted: _IrqSet) -> None:
        masking = wanted.action is IrqSetFlag.ACTION_MASK
        for index in wanted.chosen:
            if masking:
                state.masked.add(index)
            else:
                state.masked.discard(index)
            told = state.fds[wanted.action].get(index)
            if told is not None:
                self._write(told)
            if not masking and index in state.pending:
                state.pending.discard(index)
                self._signal(wanted.kind, index)

    @staticmethod
    def _disable(state: _Kind) -> None:
        for fds in state.fds.values():
            while fds:
                os.close(fds.popitem()[1])
        state.masked.clear()
        state.pending.clear()


def _split_flags(flags: int) -> tuple[IrqSetFlag, IrqSetFlag]:
    """Action and data of a flags word; exactly one of each."""
    action, data = flags & ACTION_FLAGS, flags & DATA_FLAGS
    unknown = flags & ~KNOWN_FLAGS
    if unknown or action not in SINGLE_ACTIONS or data not in SINGLE_DATA:
        raise RequestError(errno.EINVAL, f"flags {flags:#x} are not one action and one data kind")
    return IrqSetFlag(action), IrqSetFlag(data)


def _check_span(start: int, count: int, available: int) -> None:
    if start + count > available or (count == 0 and start != 0):
        raise RequestError(errno.EINVAL, f"interrupts {start}+{count} of {available}")


def _chosen(data: bytes, kind: IrqSetFlag, start: int, count: int) -> list[int]:
    """Sub-indexes that the data selects."""
    if len(data) != (count if kind is IrqSetFlag.DATA_BOOL else 0):
        raise RequestError(errno.EINVAL, f"{len(data)} bytes of data for {count} interrupts")
    if kind is IrqSetFlag.DATA_BOOL:
        return [index for index, on in enumerate(data, start) if on]
    return list(range(start, start + count))


def _is_eventfd(fd: int) -> bool:
    """Whether `fd` is an eventfd: anything else could block or misread our writes.

    The name cannot be made up: that of a file is a path, which begins with a slash.
    """
    try:
        return str(Path(f"/proc/self/fd/{fd}").readlink()) == EVENTFD_LINK
    except OSError:
        return False


def _write(fd: int) -> bool:
    """Signal an eventfd; False if that blocked until a signal came.

    A full counter means that the interrupt is pending anyway. The descriptor was made
    non-blocking when it came, but the client shares that flag and may have undone it. One
    that undoes it between the look and the write makes the write block: a worker has a
    timer whose signal ends that (see `Worker`).
    """
    if not fcntl.fcntl(fd, fcntl.F_GETFL) & os.O_NONBLOCK:
        os.set_blocking(fd, False)
    try:
        os.eventfd_write(fd, 1)
    except BlockingIOError:
        return True
    except InterruptedError:
        return False
    return True
