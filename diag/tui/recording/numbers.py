# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""Readings of an endpoint as one row of numbers and a tail of everything else. Pure.

What is a number is told by the types of the members, so that a new one is recorded by itself.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import Field, fields
from typing import Any, Final

from diag.topo.sampling import Client, Queue, Readings, Recovery, Telemetry

Row = list[int | None]
Tail = dict[str, Any]

_LISTS: Final[dict[str, type[Any]]] = {"queues": Queue, "clients": Client, "recoveries": Recovery}
_MAX_ITEMS: Final = 1024
_U64: Final = 1 << 64


def split(readings: Readings) -> tuple[Row, Tail]:
    """The row and the tail of some readings."""
    row: Row = [getattr(readings.telemetry, each.name) for each in fields(Telemetry)]
    tail: Tail = {"reset_cause": readings.reset_cause, "why": dict(readings.unavailable)}
    for name, kind in _LISTS.items():
        items = getattr(readings, name)
        tail[name] = None if items is None else [_words(item) for item in items]
        for item in items or ():
            row += [getattr(item, each.name) for each in _number_fields(kind)]
    return row, tail


def join(row: Row, tail: Mapping[str, Any]) -> Readings:
    """The readings back; ValueError, TypeError or KeyError for what are none."""
    values = iter(row)
    telemetry = Telemetry(*(next(values) for _ in fields(Telemetry)))
    lists = {name: _items(kind, tail[name], values) for name, kind in _LISTS.items()}
    if list(values):
        raise ValueError("more numbers than members")
    cause = tail["reset_cause"]
    return Readings(
        telemetry=telemetry,
        reset_cause=None if cause is None else str(cause),
        unavailable={str(name): str(why) for name, why in tail["why"].items()},
        **lists,
    )


def checked(row: object) -> Row:
    """The row, if it holds nothing but whole numbers of 64 bits and unknown ones."""
    if not isinstance(row, list):
        raise TypeError("a row of numbers is no list")
    for value in row:
        if value is not None and (type(value) is not int or not -_U64 < value < _U64):
            raise ValueError(f"{str(value)[:40]} is no number of 64 bits")
    return row


def _items(kind: type[Any], words: list[list[Any]] | None, values: Iterator[int | None]) -> Any:
    if words is None:
        return None
    if len(words) > _MAX_ITEMS:
        raise ValueError(f"more than {_MAX_ITEMS} of one kind")
    return tuple(_item(kind, each, values) for each in words)


def _item(kind: type[Any], words: list[Any], values: Iterator[int | None]) -> Any:
    members: dict[str, Any] = {}
    for each in _number_fields(kind):
        members[each.name] = next(values, None)
        if members[each.name] is None and "None" not in str(each.type):
            raise ValueError(f"{kind.__name__}.{each.name} is not known, which cannot be")
    for each, word in zip(_word_fields(kind), words, strict=True):
        members[each.name] = None if word is None else str(word)
    return kind(**members)


def _words(item: Any) -> list[str | None]:
    return [getattr(item, each.name) for each in _word_fields(type(item))]


def _number_fields(kind: type[Any]) -> list[Field[Any]]:
    return [each for each in fields(kind) if str(each.type).startswith("int")]


def _word_fields(kind: type[Any]) -> list[Field[Any]]:
    return [each for each in fields(kind) if not str(each.type).startswith("int")]
