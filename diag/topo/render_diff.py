# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""A difference between two pictures of a rack as text. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby
from typing import Any, Final

from diag.printable import printable
from diag.topo.diff import Change, Difference
from diag.topo.findings import Finding
from diag.topo.render import Paint, plain
from diag.topo.text import UNKNOWN

_MEMBER_WIDTH: Final = 22
_VALUE_WIDTH: Final = 80


def render_difference(difference: Difference, paint: Paint = plain) -> Iterator[str]:
    """What changed, object by object, then what became wrong and what right."""
    for subject, changes in groupby(difference.changes, lambda change: change.subject):
        yield from _object(subject, list(changes), paint)
    yield from _findings("new", difference.new_findings, paint)
    yield from _findings("no longer", difference.gone_findings, plain)
    if difference == Difference((), (), ()):
        yield "nothing has changed"


def _object(subject: str, changes: list[Change], paint: Paint) -> Iterator[str]:
    name = printable(subject)
    first = changes[0]
    if first.kind == "disappeared":
        yield paint(f"- {name}: not there any more{_was_at(subject, first.before)}", "error")
    elif first.kind == "appeared":
        yield paint(f"+ {name}: new{_was_at(subject, first.after)}", "note")
    else:
        yield f"~ {name}"
        yield from map(_line, changes)


def _was_at(subject: str, bdf: str) -> str:
    return "" if subject == bdf else f" ({bdf})"


def _line(change: Change) -> str:
    grown = f" (+{change.growth})" if change.growth is not None and change.growth > 0 else ""
    values = f"{_value(change.before)} -> {_value(change.after)}{grown}"
    return f"    {printable(change.member or ''):{_MEMBER_WIDTH}}  {values}"


def _value(value: Any) -> str:
    if value is None:
        return UNKNOWN
    text = "/".join(map(str, value)) if isinstance(value, list) else str(value)
    return printable(text, _VALUE_WIDTH)


def _findings(word: str, findings: tuple[Finding, ...], paint: Paint) -> Iterator[str]:
    for each in findings:
        text = f"{word}: {each.severity}: {printable(each.subject)}: {printable(each.text, 400)}"
        yield paint(text, each.severity)
        if word == "new":
            yield f"    {printable(each.advice, 400)}"
