# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""What a connected client may ask: every command of vfio-user; no sockets here.

A `Session` turns one request into one reply. Everything that arrives is checked before it
reaches the function, and a refused request changes nothing.
"""

from __future__ import annotations

import errno
import logging
import os
from collections.abc import Callable
from dataclasses import dataclass, field

from diag.model.bus import BusError, IrqKind, PciFunction, Region, RegionSpec, ResetKind
from diag.model.vfio_user import protocol as wire
from diag.model.vfio_user import version
from diag.model.vfio_user.descriptors import close_all
from diag.model.vfio_user.dma_map import DmaMap, PeerLookup
from diag.model.vfio_user.irqs import InterruptSet
from diag.model.vfio_user.protocol import Command, Request, RequestError, unpack

LOG = logging.getLogger(__name__)
ABSENT = RegionSpec(0, readable=False, writable=False)
WITH_FDS = (Command.DMA_MAP, Command.DEVICE_SET_IRQS)
UNSUPPORTED = (16, 17, 18)
"""DEVICE_FEATURE and migration: known, but optional and absent."""


@dataclass(frozen=True, slots=True)
class Reply:
    """Bytes to send and the descriptors (still the function's) that go with them."""

    data: bytes
    fds: list[int] = field(default_factory=list)
    close: bool = False
    """Whether the connection must end after this."""


class ClientBus:
    """`HostBus` of one client."""

    def __init__(self, dma: DmaMap, irqs: InterruptSet) -> None:
        self.dma = dma
        self.irqs = irqs
        self.raise_interrupt = irqs.raise_vector
        self.dma_contains = dma.contains

    def dma_view(self, address: int, length: int, *, write: bool) -> memoryview:
        """Zero-copy bytes at a bus address; BusError if the client shares no such memory."""
        return self.dma.view(address, length, write=write)

    def dma_views(self, address: int, length: int, *, write: bool) -> list[memoryview]:
        """As `dma_view` for a range that may span mappings."""
        return self.dma.views(address, length, write=write)


class Session:
    """One client of a function, from its VERSION to its disconnect.

    Args:
        function: what is served; attached after the version is agreed.
        peers: resolves bus addresses of other endpoints' BARs.
        trust_unsealed: see `DmaMap`.
    """

    def __init__(
        self,
        function: PciFunction,
        peers: PeerLookup | None = None,
        *,
        trust_unsealed: bool = False,
    ) -> None:
        self._function = function
        self._dma = DmaMap(peers, trust_unsealed=trust_unsealed)
        self._irqs = InterruptSet(function.spec.irq_counts)
        self._client = version.Capabilities()
        self.is_attached = False
        self.doorbell_fd: int | None = None
        """Eventfd of the shadow doorbells while attached, None without.

        A new one for every client: an earlier one may still hold its own, and could take
        signals away or leave the counter full. Never read, because a client can make a read
        block: the non-blocking flag belongs to the file description that both share.
        """
        self._handlers: dict[int, Callable[[Request], tuple[bytes, list[int]]]] = {
            Command.VERSION: self._version,
            Command.DMA_MAP: self._dma_map,
            Command.DMA_UNMAP: self._dma_unmap,
            Command.DEVICE_GET_INFO: self._device_info,
            Command.DEVICE_GET_REGION_INFO: self._region_info,
            Command.DEVICE_GET_REGION_IO_FDS: self._region_io_fds,
            Command.DEVICE_GET_IRQ_INFO: self._irq_info,
            Command.DEVICE_SET_IRQS: self._set_irqs,
            Command.REGION_READ: self._region_read,
            Command.REGION_WRITE: self._region_write,
            Command.REGION_WRITE_MULTI: self._write_multi,
            Command.DEVICE_RESET: self._reset,
        }

    def handle(self, request: Request, *, fds_lost: bool = False) -> Reply | None:
        """Carry out a request; None if no reply is wanted.

        `fds_lost`: descriptors came that could not be received; the request is refused.
        Every descriptor of the request is closed or owned by the session on return.
        """
        try:
            payload, fds = self._dispatch(request, fds_lost)
            reply = Reply(wire.encode_reply(request, payload), fds)
        except RequestError as error:
            LOG.info("client=%s command=%d refused: %s", self._name, request.command, error)
            # Without an agreed version nothing later in the stream means anything.
            close = not self.is_attached
            reply = Reply(wire.encode_error(request, error.code), close=close)
        finally:
            close_all(request.take_fds())
        return reply if request.wants_reply or reply.close else None

    def close(self) -> None:
        """The client is gone: detach the function and give everything back."""
        try:
            if self.is_attached:
                self.is_attached = False
                self._function.detach()
        except Exception:
            LOG.exception("function=%s detach failed", self._name)
        finally:
            self._dma.release(self._dma.take_all())
            self._irqs.close()
            if self.doorbell_fd is not None:
                os.close(self.doorbell_fd)
                self.doorbell_fd = None

    @property
    def retained_views(self) -> int:
        """Files that the function did not let go of in time."""
        return self._dma.retained

    @property
    def _name(self) -> str:
        return self._function.spec.name

    def _dispatch(self, request: Request, fds_lost: bool) -> tuple[bytes, list[int]]:
        command = request.command
        if request.flags & ~wire.NO_REPLY:
            raise RequestError(errno.EINVAL, f"flags {request.flags:#x} of a command")
        if fds_lost:
            raise RequestError(errno.EINVAL, f"more than {wire.MAX_MESSAGE_FDS} descriptors")
        if request.fds and command not in WITH_FDS:
            raise RequestError(errno.EINVAL, f"command {command} takes no descriptors")
        if (command == Command.VERSION) is self.is_attached:
            raise RequestError(errno.EINVAL, "VERSION comes first and once")
        handler = self._handlers.get(command)
        if handler is None:
            code = errno.EOPNOTSUPP if command in UNSUPPORTED else errno.EINVAL
            raise RequestError(code, f"command {command} is not served")
        try:
            return handler(request)
        except BusError as error:
            raise RequestError(errno.EFAULT, str(error)) from error
        except RequestError:
            raise
        except Exception as error:
            # A bug of one function may not take the others of this process along.
            LOG.exception("function=%s command=%d failed", self._name, command)
            raise RequestError(errno.EIO, f"the function failed: {error}") from error

    def _version(self, request: Request) -> tuple[bytes, list[int]]:
        self._client = version.parse(request.payload)
        self._function.attach(ClientBus(self._dma, self._irqs))
        self.is_attached = True
        if self._function.spec.shadow_doorbells is not None:
            self.doorbell_fd = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        return version.encode(version.answer(self._client)), []

    def _dma_map(self, request: Request) -> tuple[bytes, list[int]]:
        argsz, flags, offset, address, size = unpack(wire.DMA_MAP, request.payload)
        _check_argsz(argsz, wire.DMA_MAP.size)
        if len(request.fds) > 1:
            raise RequestError(errno.EINVAL, f"{len(request.fds)} descriptors for one mapping")
        fd = request.fds[0] if request.fds else None
        self._dma.add(address, size, flags, offset, fd)
        return b"", []

    def _dma_unmap(self, request: Request) -> tuple[bytes, list[int]]:
        argsz, flags, address, size = unpack(wire.DMA_UNMAP, request.payload)
        _check_argsz(argsz, wire.DMA_UNMAP.size)
        if flags & ~wire.UNMAP_ALL:
            raise RequestError(errno.EOPNOTSUPP, f"unmap flags {flags:#x}")
        if flags and (address or size):
            raise RequestError(errno.EINVAL, "unmap of everything has no address and size")
        taken = self._dma.take_all() if flags else self._dma.take(address, size)
        try:
            # The function lets go of its views before the memory goes.
            self._function.dma_changed()
        finally:
            self._dma.release(taken)
        return request.payload, []

    def _device_info(self, request: Request) -> tuple[bytes, list[int]]:
        argsz, *rest = unpack(wire.DEVICE_INFO, request.payload)
        _check_argsz(argsz, wire.DEVICE_INFO.size)
        _check_zero(*rest)
        flags = wire.DeviceFlag.PCI
        if self._function.spec.pci_reset:
            flags |= wire.DeviceFlag.RESET
        layout = wire.DEVICE_INFO
        return layout.pack(layout.size, flags, len(Region), len(IrqKind)), []

    def _region_info(self, request: Request) -> tuple[bytes, list[int]]:
        argsz, flags, index, *rest = unpack(wire.REGION_INFO, request.payload)
        _check_argsz(argsz, wire.REGION_INFO.size)
        _check_zero(flags, *rest)
        spec = self._region(index)
        access = wire.RegionFlag.READ if spec.readable else wire.RegionFlag(0)
        access |= wire.RegionFlag.WRITE if spec.writable else wire.RegionFlag(0)
        fds = [spec.fd] if spec.fd is not None and self._client.max_msg_fds else []
        if fds:
            access |= wire.RegionFlag.MMAP
        layout = wire.REGION_INFO
        return layout.pack(layout.size, access, index, 0, spec.size, 0), fds

    def _region_io_fds(self, request: Request) -> tuple[bytes, list[int]]:
        argsz, flags, index, count = unpack(wire.REGION_IO_FDS, request.payload)
        head = wire.REGION_IO_FDS
        _check_argsz(argsz, head.size)
        _check_zero(flags, count)
        self._region(index)
        shadow = self._function.spec.shadow_doorbells
        # Both descriptors or none: a client that takes fewer writes by messages.
        event_fd = self.doorbell_fd
        unable = self._client.max_msg_fds < 2
        if shadow is None or event_fd is None or unable or index != Region.BAR0:
            return head.pack(head.size, 0, index, 0), []
        needed = head.size + wire.SUB_REGION.size
        reply = head.pack(needed, 0, index, 1)
        if argsz < needed:
            return reply, []
        sub_region = wire.SUB_REGION.pack(
            shadow.offset, shadow.size, 0, wire.IO_FD_SHADOW, 0, 1, 0, 0
        )
        return reply + sub_region, [event_fd, shadow.memory_fd]

    def _irq_info(self, request: Request) -> tuple[bytes, list[int]]:
        argsz, flags, index, count = unpack(wire.IRQ_INFO, request.payload)
        _check_argsz(argsz, wire.IRQ_INFO.size)
        _check_zero(flags, count)
        known, count = self._irqs.info(index)
        return wire.IRQ_INFO.pack(wire.IRQ_INFO.size, known, index, count), []

    def _set_irqs(self, request: Request) -> tuple[bytes, list[int]]:
        self._irqs.set(request)
        return b"", []

    def _region_read(self, request: Request) -> tuple[bytes, list[int]]:
        offset, index, count = unpack(wire.REGION_ACCESS, request.payload)
        region = self._check_access(offset, index, count, write=False)
        data = self._function.region_read(region, offset, count)
        if len(data) != count:
            raise RequestError(errno.EIO, f"the function gave {len(data)} of {count} bytes")
        return request.payload + data, []

    def _region_write(self, request: Request) -> tuple[bytes, list[int]]:
        layout = wire.REGION_ACCESS
        offset, index, count = unpack(layout, request.payload, exact=False)
        data = request.payload[layout.size :]
        if len(data) != count:
            raise RequestError(errno.EINVAL, f"{len(data)} bytes of data, count {count}")
        region = self._check_access(offset, index, count, write=True)
        self._function.region_write(region, offset, data)
        return layout.pack(offset, index, count), []

    def _write_multi(self, request: Request) -> tuple[bytes, list[int]]:
        if not self._client.write_multiple:
            raise RequestError(errno.EOPNOTSUPP, "write_multiple was not negotiated")
        (count,) = unpack(wire.WRITE_COUNT, request.payload, exact=False)
        body = request.payload[wire.WRITE_COUNT.size :]
        if not 1 <= count <= wire.MAX_WRITES or len(body) != count * wire.MULTI_WRITE.size:
            raise RequestError(errno.EINVAL, f"{len(body)} bytes of data for {count} writes")
        writes = []
        for offset, index, size, data in wire.MULTI_WRITE.iter_unpack(body):
            if size > len(data):
                raise RequestError(errno.EINVAL, f"a write of {size} bytes is above 8")
            region = self._check_access(offset, index, size, write=True)
            writes.append((region, offset, data[:size]))
        for region, offset, data in writes:
            self._function.region_write(region, offset, data)
        return wire.WRITE_COUNT.pack(count), []

    def _reset(self, request: Request) -> tuple[bytes, list[int]]:
        if request.payload:
            raise RequestError(errno.EINVAL, "DEVICE_RESET has no payload")
        if not self._function.spec.pci_reset:
            raise RequestError(errno.EOPNOTSUPP, "the function has no reset")
        self._function.reset(ResetKind.SECONDARY_BUS)
        return b"", []

    def _region(self, index: int) -> RegionSpec:
        if index not in Region._value2member_map_:
            raise RequestError(errno.EINVAL, f"region {index} does not exist")
        return self._function.spec.regions.get(Region(index), ABSENT)

    def _check_access(self, offset: int, index: int, count: int, *, write: bool) -> Region:
        spec = self._region(index)
        most = (
            wire.MAX_DATA_BYTES
            if write
            else min(wire.MAX_DATA_BYTES, self._client.max_data_xfer_size)
        )
        if not 1 <= count <= most:
            raise RequestError(errno.EINVAL, f"count {count} is not 1..{most}")
        if offset + count > spec.size:
            reason = f"region {index} has {spec.size} bytes, not {offset:#x}+{count:#x}"
            raise RequestError(errno.EINVAL, reason)
        if not (spec.writable if write else spec.readable):
            raise RequestError(errno.EINVAL, f"region {index} does not allow this access")
        return Region(index)


def _check_argsz(argsz: int, least: int) -> None:
    if argsz < least:
        raise RequestError(errno.EINVAL, f"argsz {argsz} is below {least}")


def _check_zero(*fields: int) -> None:
    if any(fields):
        raise RequestError(errno.EINVAL, "fields that must be zero are not")
