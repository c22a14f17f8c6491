# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""What libaxl tells about endpoints, as frozen records. Unknown is None, never 0."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pyaccel import errors
from pyaccel._native import check, decode, ffi, lib
from pyaccel.spec.formats import Opcode
from pyaccel.spec.regs import AddressReason, AddressState, ErrorCode

_BACKENDS = {lib.AXL_BACKEND_KERNEL: "kernel", lib.AXL_BACKEND_RACK: "rack"}
_STATES = {
    lib.AXL_DEVICE_ONLINE: "online",
    lib.AXL_DEVICE_RESETTING: "resetting",
    lib.AXL_DEVICE_WEDGED: "wedged",
    lib.AXL_DEVICE_GONE: "gone",
}


def bdf_text(bdf: int) -> str:
    """AXL_BDF() as segment:bus:device.function."""
    return f"{bdf >> 16:04x}:{bdf >> 8 & 0xFF:02x}:{bdf >> 3 & 0x1F:02x}.{bdf & 7}"


@dataclass(frozen=True, slots=True)
class EndpointInfo:
    """Where an endpoint is. `id` is its identity; `bdf` and `ordinal` only locate it."""

    uri: str
    """Opens exactly this endpoint."""
    id: str
    """Stable: "card:SERIAL/INDEX"."""
    board_serial: int
    endpoint_index: int
    endpoint_count: int
    bdf: str
    slot: int | None
    ordinal: int
    backend: str
    """"rack" or "kernel"."""
    path: tuple[str, ...]
    """Ports above it, root port first."""
    memory_bytes: int
    memory_address: int
    """Bus address of its device memory."""


@dataclass(frozen=True, slots=True)
class DeviceInfo:
    """An open endpoint: identity, versions, limits and state."""

    endpoint: EndpointInfo
    hw_version: int
    fw_version: int
    spec_version: int
    features: int
    """IDENT.FEATURES."""
    queue_count: int
    context_count: int
    max_ring_entries: int
    generation: int
    state: str
    """"online", "resetting", "wedged" or "gone"."""
    address_state: AddressState
    address_reason: AddressReason
    vectors: int
    """Interrupt vectors granted."""
    link_speed: int | None
    """As in the Link Status register: 4 is 16 GT/s."""
    link_width: int | None
    peer_count: int
    memory_bytes: int
    memory_free_bytes: int


@dataclass(frozen=True, slots=True)
class Telemetry:
    """One sample. A sensor that does not work is None."""

    temperature_millicelsius: int | None
    power_milliwatt: int | None
    clock_khz: int | None
    utilisation_permille: int | None
    memory_corrected: int
    memory_uncorrected: int
    heartbeat: int
    progress: int
    """Commands finished."""
    bytes_host_to_device: int
    bytes_device_to_host: int
    bytes_device_to_device: int
    bytes_peer: int
    device_ticks: int
    host_ns: int
    """CLOCK_MONOTONIC at `device_ticks`."""
    clock_uncertainty_ns: int


@dataclass(frozen=True, slots=True)
class ErrorRecord:
    """The first error of an endpoint since the last clear."""

    code: ErrorCode | int
    count: int
    queue: int | None
    opcode: str | None
    context: int | None
    sequence: int | None
    address: int | None
    time_ns: int


def make_endpoint(raw: Any) -> EndpointInfo:
    """EndpointInfo from struct axl_endpoint_info."""
    depth = min(int(raw.path_depth), int(lib.AXL_MAX_PATH))
    return EndpointInfo(
        uri=decode(raw.uri),
        id=decode(raw.id),
        board_serial=raw.board_serial,
        endpoint_index=raw.endpoint_index,
        endpoint_count=raw.endpoint_count,
        bdf=bdf_text(raw.bdf),
        slot=None if raw.slot == lib.AXL_SLOT_UNKNOWN else raw.slot,
        ordinal=raw.ordinal,
        backend=_BACKENDS.get(raw.backend, f"backend {raw.backend}"),
        path=tuple(bdf_text(raw.path[i]) for i in range(depth)),
        memory_bytes=raw.memory_bytes,
        memory_address=raw.memory_address,
    )


def make_device(raw: Any) -> DeviceInfo:
    """DeviceInfo from struct axl_device_info."""
    return DeviceInfo(
        endpoint=make_endpoint(raw.endpoint),
        hw_version=raw.hw_version,
        fw_version=raw.fw_version,
        spec_version=raw.spec_version,
        features=raw.features,
        queue_count=raw.queue_count,
        context_count=raw.context_count,
        max_ring_entries=raw.max_ring_entries,
        generation=raw.generation,
        state=_STATES.get(raw.state, f"state {raw.state}"),
        address_state=AddressState(raw.address_state),
        address_reason=AddressReason(raw.address_reason),
        vectors=raw.vectors,
        link_speed=raw.link_speed or None,
        link_width=raw.link_width or None,
        peer_count=raw.peer_count,
        memory_bytes=raw.memory_bytes,
        memory_free_bytes=raw.memory_free_bytes,
    )


def make_telemetry(raw: Any) -> Telemetry:
    """Telemetry from struct axl_telemetry."""

    def sensor(name: str, valid: int) -> int | None:
        return int(getattr(raw, name)) if raw.valid & valid else None

    plain = ("memory_corrected", "memory_uncorrected", "heartbeat", "progress",
             "bytes_host_to_device", "bytes_device_to_host", "bytes_device_to_device",
             "bytes_peer", "device_ticks", "host_ns", "clock_uncertainty_ns")  # fmt: skip
    return Telemetry(
        temperature_millicelsius=sensor(
            "temperature_millicelsius", lib.AXL_TELEMETRY_VALID_TEMPERATURE
        ),
        power_milliwatt=sensor("power_milliwatt", lib.AXL_TELEMETRY_VALID_POWER),
        clock_khz=sensor("clock_khz", lib.AXL_TELEMETRY_VALID_CLOCK),
        utilisation_permille=sensor("utilisation_permille", lib.AXL_TELEMETRY_VALID_UTILISATION),
        **{name: int(getattr(raw, name)) for name in plain},
    )


def make_error(raw: Any) -> ErrorRecord | None:
    """ErrorRecord from struct axl_device_error; None if nothing is recorded."""
    if not raw.code:
        return None
    known = raw.code in ErrorCode._value2member_map_
    command = bool(raw.has_command)
    return ErrorRecord(
        code=ErrorCode(raw.code) if known else int(raw.code),
        count=raw.count,
        queue=raw.queue if command else None,
        opcode=opcode_name(raw.opcode) if command else None,
        context=raw.context if command else None,
        sequence=raw.sequence if command else None,
        address=raw.address if raw.has_address else None,
        time_ns=raw.time_ns,
    )


def opcode_name(opcode: int) -> str:
    """A command's name in lower case, "opcode 77" for none."""
    known = opcode in Opcode._value2member_map_
    return Opcode(opcode).name.lower() if known else f"opcode {opcode}"


def devices(source: str | None = None) -> list[EndpointInfo]:
    """The endpoints of a source, in stable order; none is opened.

    Args:
        source: None or "auto" (the kernel driver, else the embedded rack), "kernel", "rack",
            "rack:NAME" or "rack:/run/dir". AXL_VISIBLE_DEVICES filters and orders.

    Raises:
        DeviceNotFoundError: there is neither a driver nor a rack.
        InvalidArgumentError: the source or the filter is malformed.
    """
    capacity = 64
    text = ffi.NULL if source is None else c_text(source)
    count = ffi.new("size_t *")
    while True:
        infos = ffi.new("struct axl_endpoint_info[]", capacity)
        size = ffi.sizeof("struct axl_endpoint_info")
        check("axl_enumerate", lib.axl_enumerate(text, infos, size, capacity, count))
        if count[0] <= capacity:
            return [make_endpoint(infos[i]) for i in range(count[0])]
        capacity = int(count[0])  # more appeared, or there are many


def c_text(text: str) -> bytes:
    """A C string; InvalidArgumentError if it holds a zero byte."""
    if "\0" in text:
        raise errors.InvalidArgumentError(f"{text!r} holds a zero byte")
    return text.encode()
