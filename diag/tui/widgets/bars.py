# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""The two lines above a view: where we look, and which view it is."""

from __future__ import annotations

from collections.abc import Sequence

from rich.cells import cell_len
from rich.segment import Segment
from textual import events
from textual.message import Message
from textual.strip import Strip

from diag.tui.cells import Cell, padded
from diag.tui.widgets.roles import RoleView


class Bar(RoleView, can_focus=False):
    """One line: something at the left, something at the right."""

    DEFAULT_CSS = """
    Bar { height: 1; overflow-y: hidden; background: $panel; }
    """

    def __init__(self, *, id: str | None = None) -> None:  # noqa: A002 - Textual's name for it
        super().__init__(id=id)
        self._left: tuple[Cell, ...] = ()
        self._right: tuple[Cell, ...] = ()

    def show(self, left: Sequence[Cell], right: Sequence[Cell] = ()) -> None:
        """Show other text; what stands at the right goes first where both do not fit."""
        if (tuple(left), tuple(right)) != (self._left, self._right):
            self._left, self._right = tuple(left), tuple(right)
            self.refresh()

    @property
    def text(self) -> str:
        """What is on the line."""
        return "".join(cell.text for cell in (*self._left, *self._right))

    def render_line(self, y: int) -> Strip:
        """The line."""
        base, width = self.style_of("plain"), self.line_width
        if y:
            return Strip.blank(width, base)
        free = width - 2 - sum(cell_len(cell.text) for cell in self._left)
        right = list(self._right)
        while right and sum(cell_len(cell.text) for cell in right) + 1 > free:
            right.pop(0)
        gap = free - sum(cell_len(cell.text) for cell in right)
        cells = (*self._left, Cell(" " * max(0, gap)), *right)
        segments = [Segment(" ", base)]
        segments += [Segment(cell.text, self.style_of(cell.role)) for cell in cells]
        return Strip(segments).adjust_cell_length(width, base)


class TabBar(Bar):
    """The names of the views; a click chooses one."""

    DEFAULT_CSS = """
    TabBar { background: $surface; }
    """

    class Chosen(Message):
        """A view was chosen."""

        def __init__(self, name: str) -> None:
            super().__init__()
            self.name = name

    def __init__(self, names: Sequence[tuple[str, str]], *, id: str | None = None) -> None:  # noqa: A002
        super().__init__(id=id)
        self._names = tuple(names)
        self._places: list[tuple[int, int, str]] = []

    def show_tabs(self, current: str, counts: dict[str, Cell], note: Sequence[Cell] = ()) -> None:
        """Mark a view; `counts` stand behind the names."""
        cells: list[Cell] = []
        self._places = []
        at = 1
        for number, (name, title) in enumerate(self._names, start=1):
            label = f"[{number} {title}]" if name == current else f" {number} {title} "
            pieces = [Cell(label, "accent" if name == current else "dim")]
            if name in counts:
                pieces.append(counts[name])
            pieces.append(Cell(" "))
            length = sum(cell_len(piece.text) for piece in pieces)
            self._places.append((at, at + length, name))
            at += length
            cells += pieces
        self.show(cells, note)

    def on_click(self, event: events.Click) -> None:
        """Choose the view whose name is there."""
        for left, right, name in self._places:
            if left <= event.x < right:
                self.post_message(self.Chosen(name))


def shortened(text: str, width: int) -> str:
    """The text, at most that wide."""
    return padded(text, width, right=False).rstrip() if cell_len(text) > width else text
