# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""Lines of text with meanings, drawn one by one; scrolls with the usual keys."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from rich.segment import Segment
from textual.geometry import Size
from textual.strip import Strip

from diag.tui.cells import Cell
from diag.tui.widgets.roles import RoleView

Line = tuple[Cell, ...]
"""Pieces of a line, one behind the other."""
_STRIPS: Final = 512

LinesFor = Callable[[int], Sequence[Line]]
"""The lines for a width."""


class Pane(RoleView):
    """Shows what a function makes of the width that there is."""

    def __init__(self, *, id: str | None = None) -> None:  # noqa: A002 - Textual's name for it
        super().__init__(id=id)
        self._lines_for: LinesFor = lambda _width: ()
        self._lines: Sequence[Line] = ()
        self._strips: dict[Line, Strip] = {}
        """Of the lines that were drawn last."""

    def show(self, lines_for: LinesFor) -> None:
        """Show other lines; only those that differ are drawn again."""
        self._lines_for = lines_for
        before, self._lines = self._lines, tuple(lines_for(self.line_width))
        if len(before) != len(self._lines):
            self.virtual_size = Size(0, len(self._lines))
            self.refresh()
            return
        for index, (old, new) in enumerate(zip(before, self._lines, strict=True)):
            if old != new:
                self.refresh_line(index)

    def forget_drawn(self) -> None:
        """Lay the lines out for the width that there is now."""
        super().forget_drawn()
        self._strips.clear()
        self.show(self._lines_for)

    def text_lines(self) -> list[str]:
        """All lines as text."""
        return ["".join(cell.text for cell in line).rstrip() for line in self._lines]

    def render_line(self, y: int) -> Strip:
        """One line on screen."""
        index = self.scroll_offset.y + y
        line = self._lines[index] if index < len(self._lines) else ()
        if line not in self._strips:
            if len(self._strips) > _STRIPS:
                self._strips.clear()
            self._strips[line] = self._strip(line)
        return self._strips[line]

    def _strip(self, line: Line) -> Strip:
        segments = [Segment(cell.text, self.style_of(cell.role)) for cell in line]
        return Strip(segments).adjust_cell_length(self.line_width, self.style_of("plain"))
