# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""Tables as plain data: columns, cells, and which columns fit a width. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

from rich.cells import cell_len, set_cell_size

Role = Literal["plain", "dim", "ok", "warn", "bad", "accent"]
"""What a text means; a theme says how it looks. No role says what the words do not say too."""

ROLES: Final[tuple[Role, ...]] = ("plain", "dim", "ok", "warn", "bad", "accent")
GAP: Final = 2
"""Blank cells between columns."""


@dataclass(frozen=True, slots=True)
class Cell:
    """A text and what it means; `lead` stands before it and means nothing."""

    text: str
    role: Role = "plain"
    lead: str = ""


UNKNOWN: Final = Cell("—", "dim")
EMPTY: Final = Cell("")


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table.

    Args:
        key: what sorting and tests name it by.
        title: shown in the head.
        width: cells that it needs.
        right: whether it is aligned to the right, as numbers are.
        rank: columns of the highest rank go first where the terminal is narrow.
        ample: width that it should have before columns of rank 1 and more are there too.
        flex: whether it takes what is left over; one column of a table does.
    """

    key: str
    title: str
    width: int
    right: bool = False
    rank: int = 0
    ample: int = 0
    flex: bool = False


def fitting(columns: Sequence[Column], width: int) -> list[tuple[int, int]]:
    """Which columns fit, as (index, width); those of rank 0 are there at any rate."""
    chosen = list(range(len(columns)))
    while _needed(columns, chosen) > width:
        worst = max(columns[i].rank for i in chosen)
        if worst == 0:
            break
        chosen.remove(max(i for i in chosen if columns[i].rank == worst))
    fixed = sum(columns[i].width for i in chosen if not columns[i].flex)
    left = max(1, width - fixed - GAP * (len(chosen) - 1))
    return [(i, left if columns[i].flex else columns[i].width) for i in chosen]


def _needed(columns: Sequence[Column], chosen: Sequence[int]) -> int:
    ranked = any(columns[i].rank for i in chosen)
    widths = (max(columns[i].width, columns[i].ample if ranked else 0) for i in chosen)
    return sum(widths) + GAP * (len(chosen) - 1)


def padded(text: str, width: int, *, right: bool) -> str:
    """The text in exactly `width` cells; what does not fit ends in an ellipsis."""
    # Most figures are ASCII, and never the same for long: no table of widths is needed.
    length = len(text) if text.isascii() else cell_len(text)
    if length > width:
        return set_cell_size(text, max(0, width - 1)) + "…" if width else ""
    return " " * (width - length) + text if right else text + " " * (width - length)
