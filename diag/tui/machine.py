# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""One picture as a JSON document or as text lines, for programs and pipes. Pure.

docs/reference/top.schema.json is the schema of the document.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Sequence
from typing import Any, Final

from diag.json_schema import DIALECT, INTEGER, NUMBER, TEXT, U32, U64, array, members, or_null
from diag.printable import printable
from diag.topo.model import HEALTHS, Aer, Endpoint
from diag.topo.sampling import Client, Queue, Readings, Recovery, Telemetry
from diag.tui.columns import aer_text, link_text, spoken
from diag.tui.picture import Picture
from diag.tui.series import COUNTERS
from diag.tui.units import DASH, si, tenths

FORMAT: Final = "axl-top"
VERSION: Final = 2
RATES: Final = {
    name: "commands_per_s" if name == "commands" else f"{member}_per_s"
    for name, member in COUNTERS.items()
}
"""Names of the rates in a document, by those in a picture."""


def document(picture: Picture) -> dict[str, Any]:
    """The document; null is what is not known, as every rate of a first sample."""
    sample, rack = picture.sample, picture.rack
    moment = dt.datetime.fromtimestamp(sample.wall_ns // 1_000_000_000, tz=dt.UTC)
    return {
        "format": FORMAT,
        "version": VERSION,
        "time": moment.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "wall_ns": sample.wall_ns,
        "monotonic_ns": sample.time_ns,
        "name": rack.name,
        "source": rack.source,
        "state": sample.state,
        "reason": sample.reason,
        "generation": rack.generation,
        "endpoints": [_endpoint(picture, endpoint) for endpoint in rack.endpoints],
        "findings": [dataclasses.asdict(finding) for finding in picture.findings],
    }


def _endpoint(picture: Picture, endpoint: Endpoint) -> dict[str, Any]:
    readings = picture.sample.readings.get(endpoint.n) or Readings()
    values = picture.values.get(endpoint.n, {})
    above = picture.members.get(endpoint.parent) if endpoint.parent else None
    return {
        "n": endpoint.n,
        "bdf": endpoint.bdf,
        "identity": endpoint.identity,
        "health": endpoint.health,
        "health_reason": endpoint.health_reason,
        "generation": endpoint.generation,
        "address_state": None if endpoint.address is None else endpoint.address.state,
        "client_pid": endpoint.client_pid,
        "link": dataclasses.asdict(endpoint.link),
        "errors_above": dataclasses.asdict(Aer() if above is None else above.aer),
        "errors": dataclasses.asdict(endpoint.aer),
        "telemetry": dataclasses.asdict(readings.telemetry),
        "rates": {spelled: values.get(name) for name, spelled in RATES.items()},
        "queues": _rows(readings.queues),
        "clients": _rows(readings.clients),
        "recoveries": _rows(readings.recoveries),
        "reset_cause": readings.reset_cause,
        "unavailable": dict(endpoint.unavailable) | dict(readings.unavailable),
    }


def _rows(items: Sequence[Queue | Client | Recovery] | None) -> list[dict[str, Any]] | None:
    return None if items is None else [dataclasses.asdict(item) for item in items]


def _table_of(kind: type[Queue | Client | Recovery], description: str) -> dict[str, Any]:
    """A list of such objects, or null where they cannot be seen."""
    types = {each.name: str(each.type) for each in dataclasses.fields(kind)}
    plain: dict[str, dict[str, Any]] = {"int": INTEGER, "str": TEXT}
    kinds = {
        name: plain[word] if word in plain else or_null(plain[word.removesuffix(" | None")])
        for name, word in types.items()
    }
    return or_null(array(members(kinds, description)))


_COUNT: Final = or_null(U64)
_AER: Final = members({each.name: _COUNT for each in dataclasses.fields(Aer)}, "Error counters.")
_ENDPOINT: Final = members(
    {
        "n": U32,
        "bdf": TEXT,
        "identity": or_null(TEXT),
        "health": {"enum": list(HEALTHS)},
        "health_reason": or_null(TEXT),
        "generation": or_null(U32),
        "address_state": or_null(TEXT),
        "client_pid": or_null(U32),
        "link": members(
            dict.fromkeys(("speed", "width", "max_speed", "max_width"), _COUNT),
            "Speed as in the Link Speed field, width in lanes.",
        ),
        "errors_above": _AER,
        "errors": _AER,
        "telemetry": members(
            {each.name: or_null(INTEGER) for each in dataclasses.fields(Telemetry)},
            "Readings of this moment, and counters since power-on.",
        ),
        "rates": members(dict.fromkeys(RATES.values(), or_null(NUMBER)), "Since the last sample."),
        "queues": _table_of(Queue, "A queue in use."),
        "clients": _table_of(Client, "An open file of the endpoint; `name` is its program's own."),
        "recoveries": _table_of(Recovery, "A step of the driver's recovery, oldest first."),
        "reset_cause": or_null(TEXT),
        "unavailable": {
            "type": "object",
            "description": "Why something is null, by its name.",
            "additionalProperties": TEXT,
        },
    },
    "An endpoint; what is not known is null.",
)
_FINDING: Final = members(
    dict.fromkeys(("severity", "rule", "subject", "text", "advice"), TEXT), "Something to look at."
)
SCHEMA: Final[dict[str, Any]] = {
    "$schema": DIALECT,
    "title": "A sample of accel-top",
    **members(
        {
            "format": {"const": FORMAT},
            "version": {"const": VERSION},
            "time": TEXT,
            "wall_ns": INTEGER,
            "monotonic_ns": U64,
            "name": TEXT,
            "source": TEXT,
            "state": {"enum": ["live", "stale", "gone"]},
            "reason": or_null(TEXT),
            "generation": or_null(U32),
            "endpoints": array(_ENDPOINT, 4096),
            "findings": array(_FINDING, 65536),
        },
        "What accel-top --json prints once, and --loop --json as one line a sample.",
    ),
}


def table(picture: Picture) -> list[str]:
    """A line for each endpoint, under a head."""
    lines = [_HEAD]
    lines += [_line(picture, endpoint) for endpoint in picture.rack.endpoints]
    lines += [
        f"{finding.severity}: {printable(finding.subject)}: {printable(finding.text)}"
        for finding in picture.findings
    ]
    if picture.lost:
        lines.append(f"{picture.sample.state}: {printable(picture.lost)}")
    return lines


_HEAD: Final = (
    f"{'EP':>4} {'ADDRESS':<12} {'STATE':<9} {'LINK':>9} {'ERR ABOVE':>9} {'ERR':>9}"
    f" {'QUE':>3} {'H2D/s':>6} {'D2H/s':>6} {'CMD/s':>6} {'UTIL%':>5} {'°C':>5} {'W':>5}"
)


def _line(picture: Picture, endpoint: Endpoint) -> str:
    readings = picture.sample.readings.get(endpoint.n) or Readings()
    values = picture.values.get(endpoint.n, {})
    above = picture.members.get(endpoint.parent) if endpoint.parent else None
    now = readings.telemetry
    queues = DASH if readings.queues is None else str(len(readings.queues))
    return (
        f"{endpoint.n:>4} {endpoint.bdf:<12} {spoken(endpoint.health):<9}"
        f" {link_text(endpoint.link):>9} {aer_text(Aer() if above is None else above.aer):>9}"
        f" {aer_text(endpoint.aer):>9} {queues:>3} {si(values.get('h2d')):>6}"
        f" {si(values.get('d2h')):>6} {si(values.get('commands')):>6}"
        f" {tenths(now.utilisation_permille, 10):>5}"
        f" {tenths(now.temperature_millicelsius, 1000):>5} {tenths(now.power_milliwatt, 1000):>5}"
    )


def one_line(picture: Picture) -> str:
    """A whole rack in one line, for a loop that a person reads."""
    sample = picture.sample
    moment = dt.datetime.fromtimestamp(sample.wall_ns // 1_000_000_000, tz=dt.UTC)
    healths = [endpoint.health for endpoint in picture.rack.endpoints]
    figures = {name: _sum(picture, name) for name in ("h2d", "d2h", "p2p", "commands")}
    moved = " ".join(f"{name}={si(value)}/s" for name, value in figures.items())
    wrong = sum(finding.severity != "note" for finding in picture.findings)
    state = sample.state if picture.lost is None else f"{sample.state} ({printable(picture.lost)})"
    return (
        f"{moment:%Y-%m-%dT%H:%M:%SZ} {state} online={healths.count('online')}/{len(healths)}"
        f" {moved} findings={wrong}"
    )


def _sum(picture: Picture, name: str) -> float | None:
    known = [v[name] for v in picture.values.values() if v.get(name) is not None]
    return sum(value for value in known if value is not None) if known else None
