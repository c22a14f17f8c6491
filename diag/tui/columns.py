# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""The columns of the tree: what each shows of a link and what is below it. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from diag.printable import printable
from diag.topo.model import GIGATRANSFERS, Aer, Endpoint, Health, Link, Port
from diag.tui.cells import EMPTY, UNKNOWN, Cell, Column, Role
from diag.tui.picture import Picture
from diag.tui.rows import Row
from diag.tui.units import DASH, si, tenths

SortKey = float | str | None
"""None sorts behind everything: unknown is neither most nor least."""


@dataclass(frozen=True, slots=True)
class Shown:
    """A column, how its cell is made, and what it sorts by."""

    column: Column
    cell: Callable[[Picture, Row], Cell]
    sort: Callable[[Picture, Row], SortKey]


HEALTH_ROLES: Final[dict[Health, Role]] = {
    "online": "ok", "resetting": "warn", "wedged": "bad", "gone": "bad", "stale": "warn",
    "unknown": "dim",
}  # fmt: skip
_WORST: Final[tuple[Health, ...]] = (
    "gone", "wedged", "stale", "resetting", "unknown", "online",
)  # fmt: skip
_FLOW_MIN: Final = 0.5


def spoken(health: Health) -> str:
    """The word for a state; what is not well is in capitals, whatever the colours."""
    return health if health in {"online", "unknown"} else health.upper()


def link_text(link: Link) -> str:
    """16G x16: GT/s and lanes."""
    if link.speed is None and link.width is None:
        return DASH
    speed = DASH if link.speed is None else f"{GIGATRANSFERS.get(link.speed, '?')}G"
    return f"{speed} x{DASH if link.width is None else link.width}"


@lru_cache(1024)  # most counters of most links are zero
def aer_text(aer: Aer) -> str:
    """Correctable/non-fatal/fatal."""
    counts = (aer.correctable_count, aer.nonfatal_count, aer.fatal_count)
    if all(count is None for count in counts):
        return DASH
    return "/".join(DASH if count is None else si(count) for count in counts)


def aer_role(aer: Aer) -> Role:
    """Errors that were not corrected are worse than those that were."""
    if aer.nonfatal_count or aer.fatal_count:
        return "bad"
    return "warn" if aer.correctable_count else "dim"


def label(picture: Picture, row: Row) -> str:
    """What the row is, without its guides: addresses, then what is there."""
    upper, lower = _member(picture, row.upper), _member(picture, row.lower)
    parts = [member.bdf[picture.short :] for member in (upper, lower) if member is not None]
    return f"{'→'.join(parts)} {_what(picture, row, upper, lower)}".rstrip()


def _what(
    picture: Picture, row: Row, upper: Port | Endpoint | None, lower: Port | Endpoint | None
) -> str:
    slot = f" slot {upper.slot}" if isinstance(upper, Port) and upper.slot is not None else ""
    if isinstance(lower, Endpoint):
        if lower.serial is None and lower.pci.vendor_id is not None:
            return f"{lower.pci.vendor_id:04x}:{lower.pci.device_id or 0:04x}{slot}"
        return f"ep{lower.n}{slot if row.depth == 0 else ''}"
    if lower is None:
        return f"empty{slot}" if not row.has_children else slot.strip()
    cards = {picture.endpoints[n].card for n in row.below if n in picture.endpoints}
    deepest = all(lower.bdf == picture.endpoints[n].path[-2] for n in row.below if n in
                  picture.endpoints and len(picture.endpoints[n].path) > 1)  # fmt: skip
    if len(cards) == 1 and None not in cards and deepest and row.below:
        return f"card {cards.pop()}{slot}"
    return f"switch{slot}"


def _member(picture: Picture, bdf: str | None) -> Port | Endpoint | None:
    return None if bdf is None else picture.members.get(bdf)


def _endpoint(picture: Picture, row: Row) -> Endpoint | None:
    return None if row.n is None else picture.endpoints.get(row.n)


def _name(picture: Picture, row: Row) -> Cell:
    sign = "▸ " if row.folded else "▾ " if row.has_children else ""
    text = printable(f"{sign}{label(picture, row)}", 120)
    found = [picture.trouble.get(bdf or "") for bdf in (row.upper, row.lower)]
    mark = " !" if any(found) else ""
    role: Role = "plain" if row.n is not None else "accent"
    return Cell(f"{text}{mark}", "bad" if "error" in found else role, row.guides)


def _healths(picture: Picture, row: Row) -> list[Health]:
    return [picture.endpoints[n].health for n in row.below if n in picture.endpoints]


def _state(picture: Picture, row: Row) -> Cell:
    healths = _healths(picture, row)
    if not healths:
        return EMPTY
    worst = min(healths, key=_WORST.index)
    role: Role = "dim" if picture.lost else HEALTH_ROLES[worst]
    if row.n is not None:
        return Cell(("was " if picture.lost else "") + spoken(worst), role)
    same = sum(health == worst for health in healths)
    share = f"{same}" if same == len(healths) else f"{same}/{len(healths)}"
    return Cell(f"{share} {spoken(worst)}", role)


def _state_rank(picture: Picture, row: Row) -> SortKey:
    healths = _healths(picture, row)
    return float(len(_WORST) - min(map(_WORST.index, healths))) if healths else None


def _link_of(picture: Picture, row: Row) -> Link | None:
    member = _member(picture, row.upper) or _member(picture, row.lower)
    return None if member is None else member.link


def _link(picture: Picture, row: Row) -> Cell:
    link = _link_of(picture, row)
    if link is None or row.lower is None:
        return EMPTY
    slow = link.below_capability
    return Cell(link_text(link) + (" !" if slow else "  "), "warn" if slow else "plain")


def _best(picture: Picture, row: Row) -> Cell:
    link = _link_of(picture, row)
    if link is None or row.lower is None:
        return EMPTY
    return Cell(link_text(Link(link.max_speed, link.max_width, None, None)), "dim")


def _link_rank(picture: Picture, row: Row) -> SortKey:
    link = _link_of(picture, row)
    if link is None or link.speed is None or link.width is None:
        return None
    return float(link.speed * 100 + link.width)


def _errors(end: str) -> Callable[[Picture, Row], Cell]:
    def cell(picture: Picture, row: Row) -> Cell:
        member = _member(picture, getattr(row, end))
        if member is None:
            return EMPTY
        return Cell(aer_text(member.aer), aer_role(member.aer))

    return cell


def _errors_rank(end: str) -> Callable[[Picture, Row], SortKey]:
    def rank(picture: Picture, row: Row) -> SortKey:
        member = _member(picture, getattr(row, end))
        aer = Aer() if member is None else member.aer
        if aer == Aer():
            return None
        weights = (1, 1e6, 1e12)
        counts = (aer.correctable_count, aer.nonfatal_count, aer.fatal_count)
        return sum(w * (c or 0) for w, c in zip(weights, counts, strict=True))

    return rank


def total(values: Iterable[float | None]) -> float | None:
    """The sum of what is known; None when nothing is."""
    known = [value for value in values if value is not None]
    return sum(known) if known else None


def _figure(picture: Picture, row: Row, name: str) -> float | None:
    if row.n is not None:
        return picture.values[row.n].get(name) if row.n in picture.values else None
    return total(picture.values[n].get(name) for n in row.below if n in picture.values)


def _sum(name: str) -> tuple[Callable[[Picture, Row], Cell], Callable[[Picture, Row], SortKey]]:
    """A figure that adds up over the endpoints below."""

    def cell(picture: Picture, row: Row) -> Cell:
        value = _figure(picture, row, name)
        if value is None:
            return UNKNOWN
        quiet = value < _FLOW_MIN or picture.lost is not None
        return Cell(si(value), "dim" if quiet else "plain")

    return cell, lambda picture, row: _figure(picture, row, name)


def _most(
    name: str, per_unit: int, warn: float | None = None
) -> tuple[Callable[[Picture, Row], Cell], Callable[[Picture, Row], SortKey]]:
    """A reading of which the highest below counts."""

    def value(picture: Picture, row: Row) -> float | None:
        if row.n is not None:
            return _figure(picture, row, name)
        known = [picture.values[n].get(name) for n in row.below if n in picture.values]
        return max((each for each in known if each is not None), default=None)

    def cell(picture: Picture, row: Row) -> Cell:
        highest = value(picture, row)
        if highest is None:
            return UNKNOWN
        hot = warn is not None and highest >= warn
        role: Role = "warn" if hot else "dim" if row.n is None or not highest else "plain"
        return Cell(tenths(int(highest), per_unit), role)

    return cell, value


def _queues(picture: Picture, row: Row) -> Cell:
    if row.n is None:
        return EMPTY
    readings = picture.sample.readings.get(row.n)
    if readings is None or readings.queues is None:
        return UNKNOWN
    halted = sum(queue.state == "halted" for queue in readings.queues)
    text = str(len(readings.queues)) + (f" {halted} HALTED" if halted else "")
    return Cell(text, "bad" if halted else "plain" if readings.queues else "dim")


def _queue_count(picture: Picture, row: Row) -> SortKey:
    readings = None if row.n is None else picture.sample.readings.get(row.n)
    return None if readings is None or readings.queues is None else float(len(readings.queues))


def _address(picture: Picture, row: Row) -> Cell:
    endpoint = _endpoint(picture, row)
    if endpoint is None:
        return EMPTY
    if endpoint.address is None:
        return UNKNOWN
    state = endpoint.address.state
    roles: dict[str, Role] = {"committed": "ok", "stale": "dim", "rejected": "bad"}
    return Cell(state.upper() if state == "rejected" else state, roles[state])


def _generation(picture: Picture, row: Row) -> Cell:
    endpoint = _endpoint(picture, row)
    if endpoint is None:
        return EMPTY
    return UNKNOWN if endpoint.generation is None else Cell(str(endpoint.generation), "dim")


def _client(picture: Picture, row: Row) -> Cell:
    endpoint = _endpoint(picture, row)
    if endpoint is None:
        return EMPTY
    if endpoint.client_pid is None:
        return UNKNOWN if "client_pid" in endpoint.unavailable else Cell("none", "dim")
    return Cell(str(endpoint.client_pid))


def _identity(picture: Picture, row: Row) -> Cell:
    endpoint = _endpoint(picture, row)
    return (
        EMPTY if endpoint is None or endpoint.identity is None else Cell(endpoint.identity, "dim")
    )


def _of_endpoint(member: str) -> Callable[[Picture, Row], SortKey]:
    def rank(picture: Picture, row: Row) -> SortKey:
        endpoint = _endpoint(picture, row)
        value = None if endpoint is None else getattr(endpoint, member)
        return value if isinstance(value, str) or value is None else float(value)

    return rank


def _address_word(picture: Picture, row: Row) -> SortKey:
    endpoint = _endpoint(picture, row)
    return None if endpoint is None or endpoint.address is None else endpoint.address.state


COLUMNS: Final[tuple[Shown, ...]] = (
    Shown(Column("name", "LINK → DEVICE", 31, ample=40, flex=True), _name, lambda _p, row: row.key),
    Shown(Column("state", "STATE", 10), _state, _state_rank),
    Shown(Column("link", "LINK", 9, right=True), _link, _link_rank),
    Shown(Column("best", "BEST", 7, right=True, rank=4), _best, _link_rank),
    Shown(Column("upper", "ERR ABOVE", 9, right=True, rank=3),
          _errors("upper"), _errors_rank("upper")),
    Shown(Column("lower", "ERR", 6, right=True), _errors("lower"), _errors_rank("lower")),
    Shown(Column("queues", "QUE", 3, right=True, rank=1), _queues, _queue_count),
    Shown(Column("pending", "PEND", 5, right=True, rank=2), *_sum("pending")),
    Shown(Column("h2d", "H2D/s", 6, right=True), *_sum("h2d")),
    Shown(Column("d2h", "D2H/s", 6, right=True), *_sum("d2h")),
    Shown(Column("d2d", "D2D/s", 6, right=True, rank=6), *_sum("d2d")),
    Shown(Column("p2p", "P2P/s", 6, right=True, rank=5), *_sum("p2p")),
    Shown(Column("commands", "CMD/s", 6, right=True, rank=3), *_sum("commands")),
    Shown(Column("util", "UTIL%", 5, right=True, rank=2), *_most("util", 10)),
    Shown(Column("temp", "°C", 5, right=True, rank=4), *_most("temp", 1000, 90_000)),
    Shown(Column("power", "W", 5, right=True, rank=5), *_most("power", 1000)),
    Shown(Column("address", "ADDRESS", 9, rank=4), _address, _address_word),
    Shown(Column("generation", "GEN", 3, right=True, rank=4), _generation,
          _of_endpoint("generation")),
    Shown(Column("client", "PID", 7, right=True, rank=5), _client, _of_endpoint("client_pid")),
    Shown(Column("identity", "IDENTITY", 25, rank=7), _identity, _of_endpoint("identity")),
)  # fmt: skip
"""In the order of the screen."""

BY_KEY: Final = {shown.column.key: shown for shown in COLUMNS}
