# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""What an endpoint is doing, as text: telemetry, queues, clients, steps of recovery. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Final, TypeVar

from diag.printable import printable
from diag.topo.sampling import Client, Queue, Readings, Recovery
from diag.topo.text import UNKNOWN, columns, dash, pairs, size

_READINGS: Final = (
    ("temperature", "temperature_millicelsius", 1000, "°C"),
    ("power", "power_milliwatt", 1000, "W"),
    ("clock", "clock_khz", 1000, "MHz"),
    ("utilisation", "utilisation_permille", 10, "%"),
)
_COUNTERS: Final = (
    ("to device", "bytes_host_to_device"),
    ("from device", "bytes_device_to_host"),
    ("inside", "bytes_device_to_device"),
    ("from peers", "bytes_peer"),
    ("commands", "commands_finished_count"),
    ("corrected", "memory_corrected_count"),
    ("uncorrected", "memory_uncorrected_count"),
    ("heartbeat", "heartbeat_count"),
)


def render_readings(readings: Readings | str) -> Iterator[str]:
    """Everything that is known, and why the rest is not.

    Args:
        readings: of one endpoint, or why there are none.
    """
    if isinstance(readings, str):
        yield f"telemetry  {UNKNOWN} ({printable(readings)})"
        return
    yield "telemetry"
    yield from pairs(list(_telemetry(readings)))
    if readings.reset_cause is not None:
        yield from pairs([("last reset", printable(readings.reset_cause))])
    yield from _part("queues", readings.queues, readings, _QUEUE_HEAD, _queue)
    yield from _part("clients", readings.clients, readings, _CLIENT_HEAD, _client)
    if readings.recoveries:
        yield from _part("recoveries", readings.recoveries, readings, _STEP_HEAD, _step)


def _telemetry(readings: Readings) -> Iterator[tuple[str, str]]:
    for name, member, unit, sign in _READINGS:
        value = getattr(readings.telemetry, member)
        text = UNKNOWN if value is None else f"{value / unit:.1f} {sign}"
        yield name, text + _why(readings, member, value)
    for name, member in _COUNTERS:
        value = getattr(readings.telemetry, member)
        counts_bytes = value is not None and member.startswith("bytes_")
        yield name, dash(value) + " bytes" * counts_bytes + _why(readings, member, value)


def _why(readings: Readings, member: str, value: object) -> str:
    reason = readings.unavailable.get(member)
    return f" ({printable(reason)})" if value is None and reason else ""


_QUEUE_HEAD: Final = ("QUEUE", "STATE", "SLOTS", "WAITING", "FETCHED", "COMPLETED", "IN FLIGHT")
_CLIENT_HEAD: Final = ("PID", "NAME", "QUEUES", "COMMANDS", "FAILED", "DEVICE MEM", "HOST MEM")
_STEP_HEAD: Final = ("STEP", "EVENT", "ACTION", "STATE", "GENERATION")
_Row = tuple[str, ...]
_T = TypeVar("_T")


def _part(
    name: str,
    rows: Sequence[_T] | None,
    readings: Readings,
    head: _Row,
    describe: Callable[[_T], _Row],
) -> Iterator[str]:
    reason = readings.unavailable.get(name)
    more = f" ({printable(reason)})" if reason else ""
    if not rows:
        yield f"{name}  {UNKNOWN if rows is None else 'none'}{more}"
        return
    yield name + more
    for line in columns([head, *(describe(row) for row in rows)]):
        yield f"  {line}"


def _queue(queue: Queue) -> _Row:
    counts = (queue.pending_slots, queue.fetched_slots, queue.completions_count, queue.in_flight)
    return str(queue.number), printable(queue.state), str(queue.slots), *map(dash, counts)


def _client(client: Client) -> _Row:
    return (
        str(client.pid),
        dash(client.name),
        dash(client.queues),
        dash(client.commands_completed_count),
        dash(client.commands_failed_count),
        size(client.device_memory_bytes),
        size(client.host_memory_bytes),
    )


def _step(step: Recovery) -> _Row:
    words = (step.event, step.action, step.state)
    return str(step.step), *map(printable, words), str(step.generation)
