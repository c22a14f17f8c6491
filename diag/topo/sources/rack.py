# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""A running embedded rack: its topology file, and its control socket where that answers."""

from __future__ import annotations

import dataclasses
import time
from pathlib import Path
from typing import Any, Final, Self

from diag.model.rack.client import RackClient, RackUnreachableError
from diag.model.rack.control import RpcError
from diag.model.rack.placement import PlacedEndpoint, PlacedPort, Placement
from diag.model.rack.runtime_dir import (
    RackDir,
    RuntimeDirError,
    is_locked,
    list_racks,
    rack_dir,
)
from diag.model.rack.topology_file import MAX_BYTES, TopologyFileError, parse_topology
from diag.model.rack.words import LinkSpec
from diag.topo.model import HEALTHS, Address, Aer, Bar, Endpoint, Health, Link, Port, Rack
from diag.topo.protocol import SourceError
from diag.topo.rack_rows import AnswerError, rows_by_number
from diag.topo.sampling import Client, Queue, Readings, Sample, Telemetry
from diag.topo.sources.clients import program_name
from pyaccel.spec.formats import BAR0_BYTES, BAR4_BYTES

TIMEOUT_S: Final = 4.0
_TELEMETRY: Final = tuple(field.name for field in dataclasses.fields(Telemetry))
_NO_PORT_ERRORS: Final = "an embedded rack models endpoints; its ports have no registers"
_NO_COMMANDS: Final = "a rack sees slots of rings, not the commands in them"
_ASKED: Final = ("health", "generation", "address", "client_pid", "aer")
"""Members that only the control socket knows."""


class RackSource:
    """Reads a rack's folder. Works without the control socket too, and then says so.

    Args:
        directory: the rack's folder.
    """

    def __init__(self, directory: RackDir) -> None:
        self.name = f"rack:{directory.path}"
        self._directory = directory

    @classmethod
    def choose(cls, name_or_dir: str = "") -> Self:
        """The rack of that name or folder; the only running one when nothing is named."""
        try:
            if "/" in name_or_dir:
                return cls(RackDir(Path(name_or_dir).absolute()))
            if name_or_dir:
                return cls(rack_dir(name_or_dir))
            running = [directory for directory in list_racks() if is_locked(directory)]
        except RuntimeDirError as error:
            raise SourceError(str(error)) from None
        if not running:
            raise SourceError("no rack is running; start one: accel-rack up")
        if len(running) > 1:
            names = ", ".join(directory.name for directory in running)
            raise SourceError(f"several racks are running ({names}); use --source rack:NAME")
        return cls(running[0])

    def read(self) -> Rack:
        """The tree as it is now."""
        placement = read_placement(self._directory)
        rows, reason = self._status()
        return rack_of(self.name, placement, ports_of(placement), rows, reason)

    def sampler(self) -> RackSampler:
        """Takes samples of the same rack."""
        return RackSampler(self._directory)

    def registers(self, n: int, block: str) -> list[dict[str, Any]]:
        """A register block from the worker that serves the endpoint."""
        try:
            with RackClient(self._directory, TIMEOUT_S) as client:
                rows: list[dict[str, Any]] = client.call("registers.get", endpoint=n, block=block)[
                    "registers"
                ]
                return rows
        except (RackUnreachableError, RpcError) as error:
            raise SourceError(f"endpoint {n}: {error}") from None

    def _status(self) -> tuple[dict[int, dict[str, Any]], str | None]:
        try:
            with RackClient(self._directory, TIMEOUT_S) as client:
                rows = rows_by_number(client.call("topology.get"))
                counts = _aer_counts(client)
                return {n: {**row, "aer": counts.get(n)} for n, row in rows.items()}, None
        except (RackUnreachableError, RpcError, AnswerError) as error:
            return {}, str(error)


class RackSampler:
    """One request of the control socket a sample; what does not change is kept between them.

    Args:
        directory: the rack's folder.
    """

    def __init__(self, directory: RackDir) -> None:
        self.name = f"rack:{directory.path}"
        self._directory = directory
        self._client: RackClient | None = None
        self._stamp: tuple[int, int, int] | None = None
        self._placement: Placement | None = None
        self._ports: tuple[Port, ...] = ()

    def sample(self) -> Sample:
        """The rack as it is now."""
        try:
            rows = rows_by_number(self._ask())
        except (RackUnreachableError, RpcError, AnswerError) as error:
            self.close()
            raise SourceError(str(error)) from None
        rack = rack_of(self.name, self._placed(), self._ports, rows, None)
        readings = {n: _readings(row) for n, row in rows.items() if row.get("values")}
        return Sample(time.monotonic_ns(), time.time_ns(), rack, readings)

    def close(self) -> None:
        """Hang up; the next sample connects again."""
        if self._client is not None:
            self._client.close()
            self._client = None

    def _ask(self) -> Any:
        if self._client is None:
            self._client = RackClient(self._directory, TIMEOUT_S)
        return self._client.call("sample.get")

    def _placed(self) -> Placement:
        path = self._directory.topology
        try:
            status = path.stat()
        except OSError as error:
            raise _unreadable(path, error) from None
        stamp = (status.st_ino, status.st_mtime_ns, status.st_size)
        if self._placement is None or stamp != self._stamp:
            self._placement, self._stamp = read_placement(self._directory), stamp
            self._ports = ports_of(self._placement)
        return self._placement


def read_placement(directory: RackDir) -> Placement:
    """Where everything sits, as the rack's topology file says."""
    path = directory.topology
    try:
        with path.open("rb") as file:
            return parse_topology(file.read(MAX_BYTES + 1).decode("ascii"))
    except OSError as error:
        raise _unreadable(path, error) from None
    except (UnicodeError, TopologyFileError) as error:
        raise SourceError(f"{path}: {error}") from None


def _unreadable(path: Path, error: OSError) -> SourceError:
    return SourceError(f"{path}: {error.strerror}; see: accel-rack status")


def rack_of(
    name: str,
    placement: Placement,
    ports: tuple[Port, ...],
    rows: dict[int, dict[str, Any]],
    reason: str | None,
) -> Rack:
    """The tree with what the rows say of its endpoints, or the reason why there are none."""
    return Rack(
        name=placement.name,
        source=name,
        generation=placement.generation,
        live=reason is None,
        live_reason=reason,
        ports=ports,
        endpoints=tuple(
            _endpoint(placed, rows.get(placed.n, {}), reason) for placed in placement.endpoints
        ),
    )


def ports_of(placement: Placement) -> tuple[Port, ...]:
    """The ports of a placement."""
    return tuple(_port(port) for port in placement.ports)


def _aer_counts(client: RackClient) -> dict[int, dict[str, Any] | None]:
    """Error counts by endpoint; nothing from a rack of a version that does not count them."""
    try:
        rows = rows_by_number(client.call("aer.get"))
        return {n: row.get("counts") for n, row in rows.items()}
    except RpcError:
        return {}


def _port(placed: PlacedPort) -> Port:
    return Port(
        bdf=placed.bdf,
        kind=placed.kind,
        parent=placed.parent,
        slot=placed.slot,
        secondary=placed.secondary,
        subordinate=placed.subordinate,
        link=_link(placed.link),
        window_base=placed.window_base,
        window_limit=placed.window_limit,
        unavailable={"aer": _NO_PORT_ERRORS, "acs_redirects": _NO_PORT_ERRORS},
    )


def _endpoint(placed: PlacedEndpoint, row: dict[str, Any], reason: str | None) -> Endpoint:
    why = reason or row.get("reason") or "the rack said nothing of it"
    asked = {name: why for name in _ASKED if row.get(name) is None and name != "health"}
    if "generation" in row:
        asked.pop("client_pid", None)
    bars = (
        Bar(0, placed.bar0, BAR0_BYTES),
        Bar(2, placed.bar2, placed.bar2_bytes),
        Bar(4, placed.bar4, BAR4_BYTES),
    )
    return Endpoint(
        n=placed.n,
        bdf=placed.bdf,
        parent=placed.parent,
        path=placed.path,
        slot=placed.slot,
        card=placed.card,
        serial=placed.serial,
        index=placed.index,
        count=placed.count,
        link=_link(placed.link),
        bars=bars,
        irq=placed.irq,
        memory_bytes=placed.bar2_bytes,
        health=_health(row),
        health_reason=row.get("reason") if row else reason,
        generation=row.get("generation"),
        address=Address(**row["address"]) if row.get("address") else None,
        client_pid=row.get("client_pid"),
        aer=_aer(row.get("aer") or {}),
        unavailable=asked,
    )


def _aer(counts: dict[str, Any]) -> Aer:
    return Aer(counts.get("correctable"), counts.get("nonfatal"), counts.get("fatal"))


def _readings(row: dict[str, Any]) -> Readings:
    queues, pid = row.get("queues"), row.get("client_pid")
    unavailable = dict(row.get("unavailable", {}))
    if queues:
        unavailable["in_flight"] = _NO_COMMANDS
    return Readings(
        telemetry=Telemetry(**{name: row["values"].get(name) for name in _TELEMETRY}),
        queues=None if queues is None else tuple(_queue(queue) for queue in queues),
        reset_cause=row.get("reset_cause"),
        clients=() if pid is None else (Client(pid, program_name(pid)),),
        unavailable=unavailable,
    )


def _queue(row: dict[str, Any]) -> Queue:
    return Queue(
        number=row["queue"],
        state=row["state"],
        slots=row["sq_slots"],
        pending_slots=row["sq_pending_slots"],
        fetched_slots=row["sq_fetched_slots"],
        completions_count=row["completions_count"],
        interrupts_count=row["interrupts_count"],
    )


def _health(row: dict[str, Any]) -> Health:
    return next((health for health in HEALTHS if health == row.get("state")), "unknown")


def _link(spec: LinkSpec) -> Link:
    return Link(spec.speed, spec.width, spec.max_speed, spec.max_width)
