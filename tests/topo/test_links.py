# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""Links and their two ends."""

from __future__ import annotations

from diag.topo.links import links
from diag.topo.model import Aer, Link
from tests.build.topologies import endpoint, link, port, rack


def test_a_link_has_the_port_above_and_what_is_below() -> None:
    """Both count errors of their own; an upstream port's own link is that of the port above."""
    upper = port(aer=Aer(1, 0, 0))
    lower = port(bdf="0000:01:00.0", kind="upstream", parent=upper.bdf, aer=Aer(2, 0, 0))
    leg = port(bdf="0000:02:00.0", kind="downstream", parent=lower.bdf, link=link(width=4))
    leaf = endpoint(bdf="0000:03:00.0", parent=leg.bdf)
    first, second = links(rack(leaf, ports=(upper, lower, leg)))
    assert (first.upper, first.lower) == (upper, lower)
    assert first.errors == (Aer(1, 0, 0), Aer(2, 0, 0))
    assert (second.upper, second.lower) == (leg, leaf)
    assert (second.below_capability, second.best) == (True, Link(4, 16, None, None))


def test_nothing_below_is_told() -> None:
    """An empty slot has one end."""
    (only,) = links(rack(endpoint(parent=None, path=()), ports=(port(),)))
    assert (only.lower, only.errors[1]) == (None, Aer())


def test_the_first_function_is_the_end_of_the_link() -> None:
    """A device of several functions has one link."""
    functions = [endpoint(n=n, bdf=f"0000:01:00.{n}", index=n) for n in (1, 0)]
    (only,) = links(rack(*functions))
    assert only.lower == functions[1]
