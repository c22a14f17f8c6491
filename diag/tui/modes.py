# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""accel-top without a screen: one sample, a line for each, or metrics."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator

from diag.topo.sampling import Sampler
from diag.tui import machine
from diag.tui.collector import Keeper
from diag.tui.picture import Painter, Picture

Say = Callable[[str], None]


def pictures(
    sampler: Sampler, interval_s: float, keeper: Keeper | None = None
) -> Iterator[Picture]:
    """One picture after the other, at a steady rhythm."""
    painter = Painter()
    due = time.monotonic()
    while True:
        sample = sampler.sample()
        if keeper is not None:
            keeper.add(sample)
        yield painter.add(sample)
        due = max(due + interval_s, time.monotonic())
        time.sleep(max(0.0, due - time.monotonic()))


def once(sampler: Sampler, interval_s: float, say: Say, *, as_json: bool) -> bool:
    """Two samples, for the sake of rates, and what they show; False if nobody answered."""
    found = pictures(sampler, interval_s)
    picture = next(found)
    if picture.lost is None:
        picture = next(found)
    if as_json:
        say(json.dumps(machine.document(picture), indent=2))
    else:
        for line in machine.table(picture):
            say(line)
    return picture.lost is None


def loop(found: Iterator[Picture], count: int | None, say: Say, *, as_json: bool) -> None:
    """A line for each sample."""
    for number, picture in enumerate(found, start=1):
        if as_json:
            say(json.dumps(machine.document(picture), separators=(",", ":")))
        else:
            say(machine.one_line(picture))
        if number == count:
            return
