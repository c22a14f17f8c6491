# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""What to show of members and racks that do not answer, or are no longer there. Pure.

Nothing disappears from under the reader: what was seen once stays in the tree, as *stale* or
*gone*, without a single value of the past, until it is back or another takes its place.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from typing import Final, Literal

from diag.topo.model import LEFT, Aer, Endpoint, Link, Port, Rack
from diag.topo.sampling import Readings, Sample

_NO_LINK: Final = Link(None, None, None, None)


class Presence:
    """Remembers the members of one source, and numbers its endpoints for as long as it lives.

    A source may number them anew when something is plugged in; here a number stays with its
    endpoint.

    Args:
        source: its name, for a tree that was never seen.
    """

    def __init__(self, source: str) -> None:
        self._rack = Rack(
            source, source, None, live=False, live_reason=None, ports=(), endpoints=()
        )
        self._numbers: dict[str, int] = {}
        self._lost = False

    def answered(self, sample: Sample) -> Sample:
        """A sample as the source gave it, with those in it that have left."""
        if self._lost:
            # It was started again: what it held before is none of its business.
            self._rack, self._lost = dataclasses.replace(sample.rack, ports=(), endpoints=()), False
        now = sample.rack
        if _members(now) != _members(self._rack):
            now = _with_departed(self._rack, now)
        rack, readings = self._numbered(now, sample)
        self._rack = rack
        return dataclasses.replace(sample, rack=rack, readings=readings)

    def silent(self, reason: str, time_ns: int, wall_ns: int) -> Sample:
        """What to show while the source gives no answer."""
        return self._without_answer("stale", reason, time_ns, wall_ns)

    def failed(self, reason: str, time_ns: int, wall_ns: int) -> Sample:
        """What to show when the source is not there."""
        self._lost = True
        return self._without_answer("gone", reason, time_ns, wall_ns)

    def _without_answer(
        self, state: Literal["stale", "gone"], reason: str, time_ns: int, wall_ns: int
    ) -> Sample:
        rack = dataclasses.replace(
            self._rack,
            live=False,
            live_reason=reason,
            ports=tuple(_unknown_port(port, reason) for port in self._rack.ports),
            endpoints=tuple(_unknown(each, state, reason) for each in self._rack.endpoints),
        )
        return Sample(time_ns, wall_ns, rack, {}, state, reason)

    def _numbered(self, rack: Rack, sample: Sample) -> tuple[Rack, dict[int, Readings]]:
        """Old endpoints keep their number, new ones get theirs if it is free, else the next."""
        given: dict[int, int] = {}
        endpoints = []
        for endpoint in rack.endpoints:
            n = self._number(endpoint)
            if endpoint.health_reason != LEFT:
                given[endpoint.n] = n
            endpoints.append(endpoint if n == endpoint.n else dataclasses.replace(endpoint, n=n))
        readings = {given[n]: each for n, each in sample.readings.items() if n in given}
        return dataclasses.replace(rack, endpoints=tuple(endpoints)), readings

    def _number(self, endpoint: Endpoint) -> int:
        number = self._numbers.get(endpoint.key)
        if number is None:
            used = set(self._numbers.values())
            number = endpoint.n if endpoint.n not in used else max(used) + 1
            self._numbers[endpoint.key] = number
        return number


def _members(rack: Rack) -> list[str]:
    return [port.bdf for port in rack.ports] + [each.key for each in rack.endpoints]


def _with_departed(before: Rack, now: Rack) -> Rack:
    """The tree of now, and in it what only the one before had."""
    places = {port.bdf for port in now.ports} | {endpoint.bdf for endpoint in now.endpoints}
    names = {endpoint.key for endpoint in now.endpoints}
    ports = [_unknown_port(port, LEFT) for port in before.ports if port.bdf not in places]
    endpoints = [
        _unknown(each, "gone", LEFT)
        for each in before.endpoints
        if each.bdf not in places and each.key not in names
    ]
    # A port is worth a line only for what is known to have been below it.
    needed = {bdf for endpoint in endpoints for bdf in endpoint.path}
    ports = [port for port in ports if port.bdf in needed]
    if not endpoints:
        return now
    return _depth_first(now, [*now.ports, *ports], [*now.endpoints, *endpoints])


def _depth_first(rack: Rack, ports: Iterable[Port], endpoints: Iterable[Endpoint]) -> Rack:
    """The members in the order that a tree is drawn in; those without a parent first."""
    below: dict[str | None, list[Port]] = {}
    for port in ports:
        below.setdefault(port.parent, []).append(port)
    ordered: list[Port] = []
    waiting = below.get(None, [])[::-1]
    while waiting:
        port = waiting.pop()
        ordered.append(port)
        waiting += sorted(below.get(port.bdf, []), key=lambda each: each.bdf, reverse=True)
    place = {port.bdf: position for position, port in enumerate(ordered)}
    leaves = sorted(
        (each for each in endpoints if each.parent is None or each.parent in place),
        key=lambda each: (place.get(each.parent or "", -1), each.bdf),
    )
    return dataclasses.replace(rack, ports=tuple(ordered), endpoints=tuple(leaves))


def _unknown(endpoint: Endpoint, health: Literal["stale", "gone"], reason: str) -> Endpoint:
    """Who and where it is; how it is, nobody knows."""
    names = ("generation", "address", "client_pid", "aer", "link", "peers")
    return dataclasses.replace(
        endpoint,
        health=health,
        health_reason=reason,
        link=_NO_LINK,
        generation=None,
        address=None,
        client_pid=None,
        aer=Aer(),
        peers=None,
        unavailable=dict.fromkeys(names, reason),
    )


def _unknown_port(port: Port, reason: str) -> Port:
    return dataclasses.replace(
        port, link=_NO_LINK, aer=Aer(), unavailable=dict.fromkeys(("link", "aer"), reason)
    )
