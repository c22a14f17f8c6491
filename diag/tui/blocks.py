# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""Titled blocks of lines, and how they share the width of a pane. Pure."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from rich.cells import cell_len

from diag.tui.cells import Cell, Role, padded

Line = tuple[Cell, ...]

BLOCK_WIDTH: Final = 64
"""Cells that a block is laid out for; wider panes hold several side by side."""
_GUTTER: Final = 2
_LABEL: Final = 14


@dataclass(frozen=True, slots=True)
class Block:
    """Lines under a title."""

    title: str
    lines: tuple[Line, ...]


def field(name: str, *values: Cell) -> Line:
    """A name and what follows it."""
    return (Cell(padded(name, _LABEL, right=False), "dim"), *values)


def text(value: str, role: Role = "plain") -> Line:
    """A line of one piece."""
    return (Cell(value, role),)


def laid_out(blocks: Sequence[Block], width: int) -> list[Line]:
    """The blocks in as many columns as fit, filled so that they end at about the same height."""
    count = max(1, min(len(blocks), (width + _GUTTER) // (BLOCK_WIDTH + _GUTTER)))
    each = (width - _GUTTER * (count - 1)) // count - 2
    columns: list[list[Line]] = [[] for _ in range(count)]
    total = sum(len(block.lines) + 2 for block in blocks)
    at = 0
    for block in blocks:
        tall = len(block.lines) + 2
        here = len(columns[at])
        if here and at + 1 < count and here + tall / 2 > total / count:
            at += 1
        columns[at] += _drawn(block, each)
    return _side_by_side(columns, each)


def _drawn(block: Block, width: int) -> list[Line]:
    rule = "─" * max(0, width - cell_len(block.title) - 1)
    head = (Cell(block.title, "accent"), Cell(f" {rule}", "dim"))
    lines = [piece for line in block.lines for piece in _wrapped(line, width)]
    return [head, *lines, ()]


def _wrapped(line: Line, width: int) -> list[Line]:
    """Sentences go on in the next line; lines of several pieces are cut instead."""
    if len(line) != 1 or cell_len(line[0].text) <= width:
        return [line]
    parts = textwrap.wrap(line[0].text, max(8, width), subsequent_indent="  ")
    return [(Cell(part, line[0].role),) for part in parts]


def _side_by_side(columns: list[list[Line]], width: int) -> list[Line]:
    lines = []
    for y in range(max(map(len, columns))):
        line: list[Cell] = [Cell(" ")]
        for x, column in enumerate(columns):
            cells = column[y] if y < len(column) else ()
            last = x == len(columns) - 1
            line += _fitted(cells, width, pad=not last)
            if not last:
                line.append(Cell(" " * (_GUTTER + 2)))
        lines.append(tuple(line))
    return lines


def _fitted(cells: Line, width: int, *, pad: bool) -> list[Cell]:
    fitted, left = [], width
    for cell in cells:
        length = cell_len(cell.text)
        if length > left:
            fitted.append(Cell(padded(cell.text, left, right=False), cell.role))
            return fitted
        fitted.append(cell)
        left -= length
    if pad and left:
        fitted.append(Cell(" " * left))
    return fitted
