# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""A table that draws the lines on screen and no others.

Textual's DataTable takes 145 to 190 ms for a frame of 64 x 10 cells whatever changed
(`make bench` has it beside ours); this one draws again what is visible and differs.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import ClassVar

from rich.segment import Segment
from textual import events
from textual.binding import Binding, BindingType
from textual.geometry import Size
from textual.message import Message
from textual.strip import Strip

from diag.tui.cells import GAP, Cell, Column, fitting, padded
from diag.tui.widgets.roles import RoleView

Cells = tuple[Cell, ...]
CellsOf = Callable[[str], Cells]
"""The cells of the line with that key; asked only for lines on screen."""


class Table(RoleView):
    """Lines under a head that stays, with one line marked.

    Args:
        columns: of the table.
        placeholder: what is shown where there are no lines.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up,k", "move(-1)", "Up", show=False),
        Binding("down,j", "move(1)", "Down", show=False),
        Binding("pageup", "page(-1)", "Page up", show=False),
        Binding("pagedown", "page(1)", "Page down", show=False),
        Binding("home,g", "edge(0)", "First", show=False),
        Binding("end,G", "edge(-1)", "Last", show=False),
        Binding("enter", "open", "Open", show=False),
    ]

    class Opened(Message):
        """A line was chosen with Enter or by a click on the marked line."""

        def __init__(self, table: Table, key: str) -> None:
            super().__init__()
            self.table = table
            self.key = key

        @property
        def control(self) -> Table:
            """The table."""
            return self.table

    class Marked(Opened):
        """Another line is marked."""

    class HeadClicked(Opened):
        """A column's title was clicked; `key` is the column's."""

    def __init__(
        self,
        columns: Sequence[Column],
        placeholder: str = "",
        *,
        id: str | None = None,  # noqa: A002
    ) -> None:
        super().__init__(id=id)
        self.columns = tuple(columns)
        self.placeholder = placeholder
        self.keys: list[str] = []
        self.cursor = 0
        self.sorted_by: str | None = None
        self.descending = True
        self._cells_of: CellsOf = lambda _key: ()
        self._drawn: dict[int, tuple[str, Cells]] = {}
        self._strips: dict[tuple[Cells, bool], Strip] = {}
        self._fit: list[tuple[int, int]] = []

    @property
    def fitted(self) -> list[int]:
        """Indices of the columns that are on screen."""
        return [index for index, _ in self._fit]

    @property
    def marked(self) -> str | None:
        """The key of the marked line."""
        return self.keys[self.cursor] if self.keys else None

    def show(self, keys: Sequence[str], cells_of: CellsOf) -> None:
        """Show these lines. The mark stays on its key, or where it was if that is gone."""
        before = self.marked
        same = self.keys == keys
        self._cells_of = cells_of
        if same:
            self._refresh_changed()
            return
        self.keys = list(keys)
        self._place_cursor(before)
        self.virtual_size = Size(0, len(self.keys) + 1)
        self._drawn.clear()
        self.refresh()
        if self.marked != before:
            self._tell_marked()

    def mark(self, key: str) -> bool:
        """Move the mark to a line; False if there is none of that key."""
        if key not in self.keys:
            return False
        self._move_to(self.keys.index(key))
        return True

    def forget_drawn(self) -> None:
        """Draw everything anew; other columns may fit now."""
        self._drawn.clear()
        self._strips.clear()
        self._fit = fitting(self.columns, max(1, self.line_width - 2))
        super().forget_drawn()

    def text_lines(self) -> list[str]:
        """All lines as text, without the head."""
        return [self._line(self._cells_of(key), marked=False).text.rstrip() for key in self.keys]

    def render_line(self, y: int) -> Strip:
        """One line on screen; the head is always the first."""
        if y == 0:
            return self._head()
        index = self.scroll_offset.y + y - 1
        if index >= len(self.keys):
            text = self.placeholder if not self.keys and y == 2 else ""
            return self._plain(f"  {text}", "dim")
        key = self.keys[index]
        if index not in self._drawn:
            self._drawn[index] = (key, self._cells_of(key))
        cells = self._drawn[index][1]
        return self._line(cells, marked=index == self.cursor)

    def on_resize(self) -> None:
        """Lines are as long as the widget is wide, and the mark stays in sight."""
        super().on_resize()
        self._keep_visible()

    def on_click(self, event: events.Click) -> None:
        """Mark a line, open the marked one, or sort by a column."""
        if event.y == 0:
            self._click_head(event.x)
            return
        index = self.scroll_offset.y + event.y - 1
        if index >= len(self.keys):
            return
        if index == self.cursor:
            self.action_open()
        else:
            self._move_to(index)

    def action_move(self, lines: int) -> None:
        """Move the mark by some lines."""
        self._move_to(self.cursor + lines)

    def action_page(self, pages: int) -> None:
        """Move the mark by pages."""
        self._move_to(self.cursor + pages * max(1, self.size.height - 2))

    def action_edge(self, index: int) -> None:
        """Move the mark to the first or the last line."""
        self._move_to(index if index >= 0 else len(self.keys) - 1)

    def action_open(self) -> None:
        """Tell that the marked line was chosen."""
        if self.marked is not None:
            self.post_message(self.Opened(self, self.marked))

    def _move_to(self, index: int) -> None:
        index = max(0, min(index, len(self.keys) - 1))
        if index == self.cursor or not self.keys:
            return
        old, self.cursor = self.cursor, index
        self._refresh_row(old)
        self._refresh_row(index)
        self._keep_visible()
        self._tell_marked()

    def _tell_marked(self) -> None:
        if self.marked is not None:
            self.post_message(self.Marked(self, self.marked))

    def _place_cursor(self, key: str | None) -> None:
        if key in self.keys:
            self.cursor = self.keys.index(key)
        else:
            self.cursor = max(0, min(self.cursor, len(self.keys) - 1))

    def _keep_visible(self) -> None:
        rows = max(1, self.size.height - 1)
        top = self.scroll_offset.y
        if self.cursor < top:
            self.scroll_to(y=self.cursor, animate=False)
        elif self.cursor >= top + rows:
            self.scroll_to(y=self.cursor - rows + 1, animate=False)

    def _refresh_changed(self) -> None:
        changed = []
        for index, (key, cells) in list(self._drawn.items()):
            if not 0 <= index - self.scroll_offset.y < self.size.height - 1:
                del self._drawn[index]
            elif (now := self._cells_of(key)) != cells:
                self._drawn[index] = (key, now)
                changed.append(index)
        # Many regions cost more than one large one.
        if len(changed) > self.size.height // 3:
            self.refresh()
        else:
            for index in changed:
                self._refresh_row(index)

    def _refresh_row(self, index: int) -> None:
        # The head takes a line of the screen, not of the content.
        self.refresh_line(index + 1)

    def _head(self) -> Strip:
        texts = []
        for index, width in self._fit:
            column = self.columns[index]
            arrow = ("▼" if self.descending else "▲") if column.key == self.sorted_by else ""
            texts.append(padded(column.title + arrow, width, right=column.right))
        return self._plain(" " + (" " * GAP).join(texts), "head")

    def _plain(self, text: str, style: str) -> Strip:
        width = self.line_width
        line = padded(text, width, right=False)
        return Strip([Segment(line, self.style_of(style))], width)

    def _line(self, cells: Cells, *, marked: bool) -> Strip:
        known = self._strips.get((cells, marked))
        if known is not None:
            return known
        base = self.style_of("plain", marked=marked)
        segments = [Segment(" ", base)]
        for position, (index, width) in enumerate(self._fit):
            cell = cells[index] if index < len(cells) else Cell("")
            gap = " " * GAP if position + 1 < len(self._fit) else " "
            if cell.lead:
                segments.append(Segment(cell.lead, self.style_of("dim", marked=marked)))
            text = padded(cell.text, width - len(cell.lead), right=self.columns[index].right)
            segments.append(Segment(text, self.style_of(cell.role, marked=marked)))
            segments.append(Segment(gap, base))
        # The pieces are as wide as their columns: nobody needs to measure them.
        width = 1 + sum(width for _, width in self._fit) + GAP * (len(self._fit) - 1) + 1
        strip = Strip(segments, width).adjust_cell_length(self.line_width, base)
        if len(self._strips) > 4096:
            self._strips.clear()
        self._strips[cells, marked] = strip
        return strip

    def _click_head(self, x: int) -> None:
        left = 1
        for index, width in self._fit:
            if left <= x < left + width:
                self.post_message(self.HeadClicked(self, self.columns[index].key))
            left += width + GAP
