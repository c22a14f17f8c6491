# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""What a rack's control socket says of endpoints, checked before anything believes it. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from diag.topo.model import ADDRESS_STATES

Check = Callable[[Any], bool]
_MAX_COUNT: Final = (1 << 64) - 1
_MIN_READING: Final = -(1 << 31)
_MAX_QUEUES: Final = 64


def _is_count(value: Any) -> bool:
    return type(value) is int and 0 <= value <= _MAX_COUNT


def _is_reading(value: Any) -> bool:
    return type(value) is int and _MIN_READING <= value <= _MAX_COUNT


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _or_none(check: Check) -> Check:
    return lambda value: value is None or check(value)


def _values(check: Check) -> Check:
    """An object whose members all pass."""
    return lambda value: isinstance(value, dict) and all(map(check, value.values()))


def _members(checks: Mapping[str, Check]) -> Check:
    """An object with exactly these members."""
    return lambda value: (
        isinstance(value, dict)
        and (value.keys() == checks.keys() and all(checks[name](value[name]) for name in checks))
    )


def _is_queues(value: Any) -> bool:
    return isinstance(value, list) and len(value) <= _MAX_QUEUES and all(map(_QUEUE, value))


_QUEUE: Final = _members(
    {
        "queue": _is_count,
        "state": _is_text,
        "sq_slots": _is_count,
        "sq_pending_slots": _or_none(_is_count),
        "sq_fetched_slots": _is_count,
        "completions_count": _is_count,
        "interrupts_count": _is_count,
    }
)
_ADDRESS: Final = _members(
    {
        "state": lambda value: value in ADDRESS_STATES,
        "reason": _or_none(_is_text),
        "generation": _or_none(_is_count),
    }
)
_CHECKS: Final[dict[str, Check]] = {
    "n": _is_count,
    "state": _is_text,
    "reason": _or_none(_is_text),
    "generation": _or_none(_is_count),
    "reset_cause": _or_none(_is_text),
    "address": _or_none(_ADDRESS),
    "client_pid": _or_none(_is_count),
    "aer": _or_none(_values(_is_count)),
    "counts": _or_none(_values(_is_count)),
    "values": _values(_or_none(_is_reading)),
    "unavailable": _values(_is_text),
    "queues": _or_none(_is_queues),
}
"""Members that are used; others are a later version's."""


class AnswerError(ValueError):
    """The answer makes no sense; the message says where."""


def rows_by_number(answer: Any) -> dict[int, dict[str, Any]]:
    """The rows of an answer by the number of their endpoint.

    Raises:
        AnswerError: it is not of the form that docs/guide/accel-rack.md describes.
    """
    rows = answer.get("endpoints") if isinstance(answer, dict) else None
    if not isinstance(rows, list) or not all(isinstance(row, dict) and "n" in row for row in rows):
        raise AnswerError("the rack's answer has no rows of endpoints: is it of another version?")
    for place, row in enumerate(rows):
        wrong = [name for name, check in _CHECKS.items() if name in row and not check(row[name])]
        if wrong:
            raise AnswerError(f"the rack's answer makes no sense: endpoints[{place}].{wrong[0]}")
    return {row["n"]: row for row in rows}
