# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""The links of a rack, each with both its ends. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from diag.topo.model import Aer, Endpoint, Link, Port, Rack


@dataclass(frozen=True, slots=True)
class LinkEnds:
    """A link: the port that it hangs on, and what is at its other end.

    Args:
        upper: a root port or a downstream port.
        lower: an upstream port or the first function of a device; None if nothing is there.
    """

    upper: Port
    lower: Port | Endpoint | None

    @property
    def below_capability(self) -> bool | None:
        """Whether it trained below what both ends can do; None when that is not known."""
        return self.upper.link.below_capability

    @property
    def best(self) -> Link:
        """What both ends can do."""
        return Link(self.upper.link.max_speed, self.upper.link.max_width, None, None)

    @property
    def errors(self) -> tuple[Aer, Aer]:
        """Counters of the upper end and of the lower end: each counts what it has received."""
        return self.upper.aer, Aer() if self.lower is None else self.lower.aer


def links(rack: Rack) -> tuple[LinkEnds, ...]:
    """Every link, in the order of its ports."""
    below: dict[str | None, Port | Endpoint] = {}
    for endpoint in rack.endpoints:
        first = below.setdefault(endpoint.parent, endpoint)
        if endpoint.bdf < first.bdf:
            below[endpoint.parent] = endpoint
    below |= {port.parent: port for port in rack.ports if port.kind == "upstream"}
    return tuple(
        LinkEnds(port, below.get(port.bdf))
        for port in rack.ports
        if port.kind in {"root", "downstream"}
    )
