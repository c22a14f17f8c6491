# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""Everything about one object, as blocks. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from diag.printable import printable
from diag.topo.model import Aer, Endpoint, Link, Port
from diag.topo.sampling import Client, Queue, Readings
from diag.topo.text import full_link, size
from diag.tui.blocks import Block, Line, field, text
from diag.tui.cells import Cell, Role, padded
from diag.tui.columns import HEALTH_ROLES, spoken
from diag.tui.journal import Event
from diag.tui.latencies import Captured, Latency
from diag.tui.logs import SEVERITY_ROLES, clock_time
from diag.tui.picture import Picture
from diag.tui.series import History
from diag.tui.units import DASH, short_time, si, sparkline, tenths

_SPARK: Final = 30
_COUNTS: Final[tuple[tuple[str, str, Role], ...]] = (
    ("correctable_count", "correctable", "warn"),
    ("nonfatal_count", "non-fatal", "bad"),
    ("fatal_count", "fatal", "bad"),
)
_FLOWS: Final = (
    ("h2d", "host→device", "B/s"), ("d2h", "device→host", "B/s"),
    ("d2d", "on device", "B/s"), ("p2p", "to peers", "B/s"), ("commands", "commands", "/s"),
)  # fmt: skip
_RECENT: Final = 8


def blocks(picture: Picture, history: History, key: str) -> list[Block]:
    """What is known of the endpoint or port at a bus address."""
    member = picture.members.get(key)
    if member is None:
        return [Block("nothing here", (text(f"{printable(key)} is no longer in the tree", "dim"),))]
    if isinstance(member, Port):
        return _port_blocks(picture, member)
    return _endpoint_blocks(picture, history, member)


def _endpoint_blocks(picture: Picture, history: History, endpoint: Endpoint) -> list[Block]:
    readings = picture.sample.readings.get(endpoint.n)
    name = endpoint.key
    found = [
        _identity(endpoint, readings),
        _flows(picture, history, endpoint.n, name),
        _telemetry(history, name, readings),
        _queues(readings, history.queue_rates(name)),
        _latencies(history.captured, name),
        *_clients(readings),
        _links(picture, endpoint),
        *_recoveries(readings),
        _recent(picture, endpoint.bdf),
    ]
    wrong = _wrong(picture, endpoint.bdf)
    return [*([wrong] if wrong else []), *found]


def _port_blocks(picture: Picture, port: Port) -> list[Block]:
    lines = [
        field("kind", Cell(f"{port.kind} port")),
        field("address", Cell(port.bdf)),
        field("slot", Cell(DASH if port.slot is None else str(port.slot))),
        field("link", Cell(full_link(port.link), _link_role(port.link))),
        field("buses below", Cell(f"{_bus(port.secondary)}..{_bus(port.subordinate)}")),
        field("window", Cell(_window(port))),
        *_aer_lines(picture, "errors here", port.bdf, port.aer),
    ]
    wrong = _wrong(picture, port.bdf)
    found = [Block(f"{port.kind} port {port.bdf}", tuple(lines)), _recent(picture, port.bdf)]
    return [*([wrong] if wrong else []), *found]


def _bus(number: int | None) -> str:
    return DASH if number is None else f"{number:02x}"


def _window(port: Port) -> str:
    if port.window_base is None or port.window_limit is None:
        return DASH
    return f"{port.window_base:#x}..{port.window_limit:#x}"


def _link_role(link: Link) -> Role:
    return "warn" if link.below_capability else "plain"


def _identity(endpoint: Endpoint, readings: Readings | None) -> Block:
    address = endpoint.address
    state = DASH if address is None else address.state
    cause = None if readings is None else readings.reset_cause
    lines = [
        field("state", Cell(spoken(endpoint.health), HEALTH_ROLES[endpoint.health]),
              Cell(f"  {printable(endpoint.health_reason)}" if endpoint.health_reason else "",
                   "dim")),
        field("identity", Cell(endpoint.identity or DASH),
              *_because(endpoint, "serial", endpoint.identity)),
        field("bus address", Cell(endpoint.bdf)),
        field("card, slot", Cell(f"card {_dash(endpoint.card)}, endpoint {_dash(endpoint.index)} of"
                                 f" {_dash(endpoint.count)}, slot {_dash(endpoint.slot)}")),
        field("generation", Cell(_dash(endpoint.generation)),
              Cell(f"  last reset: {cause}" if cause else "", "dim"),
              *_because(endpoint, "generation", endpoint.generation)),
        field("dev. address", Cell(state, "bad" if state == "rejected" else "plain"),
              Cell(f"  {address.reason}" if address is not None and address.reason else "", "dim"),
              *_because(endpoint, "address", address)),
        field("memory", Cell(size(endpoint.memory_bytes)),
              Cell(f"  interrupts {endpoint.irq or DASH}", "dim")),
        field("used by", *_client(endpoint)),
    ]  # fmt: skip
    return Block(f"endpoint {endpoint.n}", tuple(lines))


def _because(endpoint: Endpoint, member: str, value: object) -> tuple[Cell, ...]:
    """Why a figure is not there."""
    why = endpoint.unavailable.get(member) if value is None else None
    return (Cell(f"  {printable(why, 120)}", "dim"),) if why else ()


def _client(endpoint: Endpoint) -> tuple[Cell, ...]:
    if endpoint.client_pid is not None:
        return (Cell(f"pid {endpoint.client_pid}"),)
    why = endpoint.unavailable.get("client_pid")
    return (Cell(DASH, "dim"), Cell(f"  {printable(why)}", "dim")) if why else (Cell("no program"),)


def _dash(value: object) -> str:
    return DASH if value is None else str(value)


def _flows(picture: Picture, history: History, n: int, name: str) -> Block:
    values = picture.values.get(n, {})
    lines = []
    for figure, label, unit in _FLOWS:
        value = values.get(figure)
        spelled = si(value) + (unit if value is not None else "")
        spark = sparkline(history.newest(name, figure, _SPARK), _SPARK)
        lines.append(field(label, Cell(padded(spelled, 10, right=True)), Cell(f"  {spark}", "ok")))
    return Block("data moved", tuple(lines))


def _telemetry(history: History, name: str, readings: Readings | None) -> Block:
    if readings is None:
        return Block("telemetry", (text("the endpoint gave none", "dim"),))
    now = readings.telemetry
    gauges = (
        ("utilisation", "util", tenths(now.utilisation_permille, 10), "%", 1000.0),
        ("temperature", "temp", tenths(now.temperature_millicelsius, 1000), "°C", 110_000.0),
        ("power", "power", tenths(now.power_milliwatt, 1000), "W", None),
    )
    lines: list[Line] = []
    for label, figure, value, unit, top in gauges:
        spelled = value if value == DASH else f"{value} {unit}"
        spark = sparkline(history.newest(name, figure, _SPARK), _SPARK, top)
        lines.append(field(label, Cell(padded(spelled, 10, right=True)), Cell(f"  {spark}", "ok")))
    clock = DASH if now.clock_khz is None else f"{now.clock_khz / 1000:.0f} MHz"
    corrected = _dash(now.memory_corrected_count)
    uncorrected = now.memory_uncorrected_count
    lines += [
        field("clock", Cell(padded(clock, 10, right=True))),
        field("memory errors", Cell(f"{corrected} corrected, "),
              Cell(f"{_dash(uncorrected)} uncorrected", "bad" if uncorrected else "plain")),
        field("heartbeat", Cell(_dash(now.heartbeat_count)),
              Cell(f"  commands finished {_dash(now.commands_finished_count)}", "dim")),
    ]  # fmt: skip
    lines += [
        text(f"{printable(member, 40)}: {printable(why, 120)}", "dim")
        for member, why in readings.unavailable.items()
    ]
    return Block("telemetry", tuple(lines))


def _queues(readings: Readings | None, rates: Mapping[int, float | None]) -> Block:
    if readings is None or readings.queues is None:
        return Block("queues", (text("they cannot be seen from here", "dim"),))
    if not readings.queues:
        return Block("queues", (text("none in use", "dim"),))
    head = text("queue state   pending/slots in flight    done     /s interrupts", "dim")
    rows = (_queue(queue, rates.get(queue.number)) for queue in readings.queues)
    return Block("queues", (head, *rows))


def _queue(queue: Queue, rate: float | None) -> Line:
    """What waits in its ring, what has not ended, what has, how fast, and who was told."""
    halted = queue.state == "halted"
    state = "HALTED" if halted else queue.state
    fill = f"{_dash(queue.pending_slots)}/{queue.slots}"
    done = f"{si(queue.completions_count):>7} {si(rate):>6} {si(queue.interrupts_count):>10}"
    return (
        Cell(f"{queue.number:>5} "),
        Cell(padded(state, 7, right=False), "bad" if halted else "ok"),
        Cell(f" {fill:>13} {_dash(queue.in_flight):>9} {done}"),
    )


def _latencies(found: Captured | None, name: str) -> Block:
    """Of the last capture, since nothing else counts them."""
    if found is None:
        why = f"{DASH} no driver counts it; on embedded racks x captures it"
        return Block("latency by opcode", (text(why, "dim"),))
    lines = [text(f"captured at {clock_time(found.wall_ns)}", "dim")]
    rows = found.by_endpoint.get(name, ())
    if not rows:
        return Block("latency by opcode", (*lines, text("no commands in it", "dim")))
    lines.append(text("opcode      count    at work       p99      total       p99", "dim"))
    return Block("latency by opcode", (*lines, *map(_latency, rows)))


def _latency(row: Latency) -> Line:
    name = padded(printable(row.opcode, 40), 10, right=False)
    times = (row.work_p50_ns, row.work_p99_ns, row.total_p50_ns, row.total_p99_ns)
    work, slow_work, total, slow_total = (short_time(each) for each in times)
    figures = f"{si(row.count):>7}{work:>11}{slow_work:>10}{total:>11}{slow_total:>10}"
    return (Cell(f"{name}{figures}"),)


def _clients(readings: Readings | None) -> list[Block]:
    """Who has it open, where the source tells more than the tree does."""
    if readings is None or not readings.clients:
        return []
    head = text("pid      program           commands  in flight   memory", "dim")
    return [Block("programs", (head, *(_program(client) for client in readings.clients)))]


def _program(client: Client) -> Line:
    name = padded(printable(client.name or DASH, 40), 16, right=False)
    submitted, completed = client.commands_submitted_count, client.commands_completed_count
    failed = client.commands_failed_count or 0
    flying = None
    if submitted is not None and completed is not None:
        flying = max(0, submitted - completed - failed)
    memory = size(client.device_memory_bytes)
    rest = f"{si(submitted):>9}  {_dash(flying):>9}  {memory:>7}"
    return (Cell(f"{client.pid:<7}  {name} {rest}"),)


def _recoveries(readings: Readings | None) -> list[Block]:
    """What the driver did about errors, newest first."""
    if readings is None or not readings.recoveries:
        return []
    newest = list(reversed(readings.recoveries))[:_RECENT]
    lines = [
        text(f"{printable(each.event, 40)} → {printable(each.action, 40)}:"
             f" {printable(each.state, 40)}, generation {each.generation}")
        for each in newest
    ]  # fmt: skip
    return [Block("recoveries", tuple(lines))]


def _links(picture: Picture, endpoint: Endpoint) -> Block:
    lines = [field("link", Cell(full_link(endpoint.link), _link_role(endpoint.link)))]
    parent = picture.members.get(endpoint.parent) if endpoint.parent else None
    if parent is not None:
        lines += _aer_lines(picture, f"at {parent.bdf[picture.short :]}", parent.bdf, parent.aer)
    lines += _aer_lines(picture, "at endpoint", endpoint.bdf, endpoint.aer)
    path = " → ".join(bdf[picture.short :] for bdf in endpoint.path)
    return Block("link and errors", (*lines, field("path", Cell(path or DASH, "dim"))))


def _aer_lines(picture: Picture, name: str, bdf: str, aer: Aer) -> list[Line]:
    if aer == Aer():
        return [field(name, Cell(DASH, "dim"), Cell("  this end does not count", "dim"))]
    before = picture.baseline.get(bdf, Aer())
    cells = []
    for member, word, role in _COUNTS:
        now, then = getattr(aer, member), getattr(before, member)
        grown = "" if None in {now, then} or now <= then else f" (+{now - then})"
        comma = ", " if word != "fatal" else ""
        cells.append(Cell(f"{_dash(now)} {word}{grown}{comma}", role if now else "plain"))
    return [field(name, *cells)]


def _recent(picture: Picture, bdf: str) -> Block:
    lines = [_event(event) for event in _about(picture, bdf)][:_RECENT]
    return Block("what happened", tuple(lines) or (text("nothing since accel-top began", "dim"),))


def _about(picture: Picture, bdf: str) -> Iterator[Event]:
    return (event for event in reversed(picture.events) if event.subject == bdf)


def _event(event: Event) -> Line:
    when = Cell(f"{clock_time(event.wall_ns)}  ", "dim")
    return (when, Cell(event.text, SEVERITY_ROLES[event.severity]))


def _wrong(picture: Picture, bdf: str) -> Block | None:
    found = [finding for finding in picture.findings if finding.subject == bdf]
    if not found:
        return None
    lines: list[Line] = []
    for finding in found:
        said = f"{finding.severity}: {printable(finding.text)}"
        lines += [text(said, SEVERITY_ROLES[finding.severity])]
        lines += [text(f"→ {printable(finding.advice)}", "dim")]
    return Block("to look at", tuple(lines))
