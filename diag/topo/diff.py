# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""What is different between two pictures of a rack. Pure.

Endpoints are the same if their identity is (card and index), wherever they are plugged in;
devices that have none, and ports, if their bus address is.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

from diag.topo.document import to_document
from diag.topo.findings import Finding, find
from diag.topo.model import Rack

FORMAT: Final = "axl-topology-diff"
VERSION: Final = 1

Kind = Literal["appeared", "disappeared", "changed"]
KINDS: Final[tuple[Kind, ...]] = ("appeared", "disappeared", "changed")

_ABOUT_THE_READER: Final = ("format", "version", "source", "ports", "endpoints", "findings")
_ORDINALS: Final = ("n", "card", "identity", "unavailable")
"""Numbers that others shift, and what is told otherwise."""
_KEYS: Final = {"bars": "number", "peers": "identity", "queues": "index", "clients": "pid"}
"""Lists of objects, by what tells their items apart."""


@dataclass(frozen=True, slots=True)
class Change:
    """One difference. `subject` is an identity, a bus address, or "rack".

    `member` is a path as in the JSON document ("link.width"), None for a whole object.
    """

    kind: Kind
    subject: str
    member: str | None = None
    before: Any = None
    after: Any = None

    @property
    def growth(self) -> int | None:
        """By how much a counter grew."""
        counts = type(self.before) is int and type(self.after) is int
        if not counts or not (self.member or "").endswith("_count"):
            return None
        growth: int = self.after - self.before
        return growth


@dataclass(frozen=True, slots=True)
class Difference:
    """All that is different, in the order of the tree, and what became right or wrong."""

    changes: tuple[Change, ...]
    new_findings: tuple[Finding, ...]
    gone_findings: tuple[Finding, ...]


def compare(before: Rack, after: Rack) -> Difference:
    """What has changed from one picture to a later one."""
    old, new = to_document(before), to_document(after)
    then, now = find(before), find(after, before)
    return Difference(
        changes=(*_rack(old, new), *_members(_ports(old), _ports(new)), *_endpoints(old, new)),
        new_findings=_without(now, then),
        gone_findings=_without(then, now),
    )


def difference_document(difference: Difference, before: Rack, after: Rack) -> dict[str, Any]:
    """The same for programs; docs/reference/topology-diff.schema.json is its schema."""
    return {
        "format": FORMAT,
        "version": VERSION,
        "before": before.source,
        "after": after.source,
        "changes": [dataclasses.asdict(change) for change in difference.changes],
        "new_findings": [dataclasses.asdict(each) for each in difference.new_findings],
        "gone_findings": [dataclasses.asdict(each) for each in difference.gone_findings],
    }


def _without(findings: Sequence[Finding], others: Sequence[Finding]) -> tuple[Finding, ...]:
    """Findings whose rule and subject others do not have: numbers in their text may differ."""
    known = {(each.rule, each.subject) for each in others}
    return tuple(each for each in findings if (each.rule, each.subject) not in known)


def _rack(old: dict[str, Any], new: dict[str, Any]) -> Iterator[Change]:
    own = [{k: v for k, v in each.items() if k not in _ABOUT_THE_READER} for each in (old, new)]
    yield from _changed("rack", *own)


def _ports(document: dict[str, Any]) -> dict[str, Any]:
    return {item["bdf"]: item for item in document["ports"]}


def _endpoints(old: dict[str, Any], new: dict[str, Any]) -> Iterator[Change]:
    named = [{_name(item): item for item in each["endpoints"]} for each in (old, new)]
    yield from _members(*named)


def _name(item: dict[str, Any]) -> str:
    name: str = item["identity"] or item["bdf"]
    return name


def _members(old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[Change]:
    for subject in [*old, *(name for name in new if name not in old)]:
        if subject not in new:
            yield Change("disappeared", subject, None, old[subject]["bdf"])
        elif subject not in old:
            yield Change("appeared", subject, None, None, new[subject]["bdf"])
        else:
            yield from _changed(subject, old[subject], new[subject])


def _changed(subject: str, old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[Change]:
    before, after = dict(_leaves(old)), dict(_leaves(new))
    for member in [*before, *(name for name in after if name not in before)]:
        values = before.get(member), after.get(member)
        if values[0] != values[1]:
            yield Change("changed", subject, member, *values)


def _leaves(item: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Every value by its path; lists of plain values are one value."""
    for name, value in item.items():
        path = f"{prefix}{name}"
        if not prefix and name in _ORDINALS:
            continue
        if isinstance(value, Mapping):
            yield from _leaves(value, f"{path}.")
        elif name in _KEYS and value is not None:
            for row in value:
                rest = {key: part for key, part in row.items() if key != _KEYS[name]}
                yield from _leaves(rest, f"{path}[{row[_KEYS[name]]}].")
        else:
            yield path, value
