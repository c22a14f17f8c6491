# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""The tree of links with its live columns, and on a wide screen the marked object beside it."""

from __future__ import annotations

from functools import partial
from typing import ClassVar, Final

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.events import Resize

from diag.tui import detail
from diag.tui.blocks import laid_out
from diag.tui.cells import EMPTY, Cell
from diag.tui.columns import BY_KEY, COLUMNS
from diag.tui.rows import Row, Tree, shape
from diag.tui.views.base import View
from diag.tui.widgets.pane import Pane
from diag.tui.widgets.table import Table

SIDE_FROM: Final = 180
"""Columns of the terminal from which there is room for the marked object."""


class TreeView(View):
    """Root ports at the top, endpoints at the leaves; or sorted, endpoints only."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("s", "sort(1)", "Sort"),
        Binding("S", "sort(-1)", "Sort back", show=False),
        Binding("i", "reverse", "Reverse", show=False),
        Binding("t", "sort(0)", "Tree", show=False),
        Binding("left,h", "fold", "Fold", show=False),
        Binding("right,l", "unfold", "Unfold", show=False),
        Binding("minus", "fold_all", "Fold all", show=False),
        Binding("plus", "unfold_all", "Unfold all", show=False),
        Binding("f", "next_trouble", "Trouble"),
    ]
    DEFAULT_CSS = """
    TreeView { layout: horizontal; }
    TreeView #side { display: none; width: 68; border-left: solid $foreground 20%; }
    TreeView.-wide #side { display: block; }
    """

    def __init__(self, *, id: str | None = None) -> None:  # noqa: A002 - Textual's name for it
        super().__init__(id=id)
        self.table = Table([shown.column for shown in COLUMNS], "no endpoint fits", id="tree-table")
        self.side = Pane(id="side")
        self.side.can_focus = False
        self.folded: set[str] = set()
        self._tree: Tree | None = None
        self._shape: object = None
        self._rows: dict[str, Row] = {}

    def compose(self) -> ComposeResult:
        """The table, and beside it the marked object."""
        yield self.table
        yield self.side

    def on_resize(self, event: Resize) -> None:
        """Show the marked object where there is room."""
        self.set_class(event.size.width >= SIDE_FROM, "-wide")

    def focus_table(self) -> None:
        """Give the keys to the table."""
        self.table.focus()

    def update_lines(self) -> None:
        """List the rows again and draw what differs."""
        if self.picture is None:
            return
        rows = self._listed()
        self._rows = {row.key: row for row in rows}
        self.table.show([row.key for row in rows], self._cells)
        self._show_side()

    def rows_in_tree(self) -> list[Row]:
        """Every link, unfolded and unfiltered."""
        assert self.picture is not None
        now = shape(self.picture.rack)
        if self._tree is None or now != self._shape:
            self._tree, self._shape = Tree(self.picture.rack), now
        return self._tree.rows()

    def marked_address(self) -> str | None:
        """The bus address of the marked object: of the lower end where there is one."""
        row = self._rows.get(self.table.marked or "")
        return None if row is None else row.lower or row.upper

    def on_table_marked(self) -> None:
        """Another line is marked."""
        self._show_side()

    def on_table_head_clicked(self, event: Table.HeadClicked) -> None:
        """Sort by that column; again for the other direction."""
        if event.key == self.table.sorted_by:
            self.action_reverse()
        else:
            self._sort_by(None if event.key == "name" else event.key)

    def action_sort(self, step: int) -> None:
        """Sort by the next column, the one before, or not at all (0)."""
        keys: list[str | None] = [None, *(shown.column.key for shown in COLUMNS[1:])]
        at = keys.index(self.table.sorted_by)
        self._sort_by(keys[(at + step) % len(keys)] if step else None)

    def action_reverse(self) -> None:
        """The other direction."""
        self.table.descending = not self.table.descending
        self.table.forget_drawn()
        self.update_lines()

    def action_fold(self) -> None:
        """Fold the marked link, or go to the one above."""
        row = self._rows.get(self.table.marked or "")
        if row is None:
            return
        if row.has_children and not row.folded:
            self.folded.add(row.key)
            self.update_lines()
        else:
            self._mark_parent(row)

    def action_unfold(self) -> None:
        """Unfold the marked link."""
        self.folded.discard(self.table.marked or "")
        self.update_lines()

    def action_fold_all(self) -> None:
        """Fold every link with links below."""
        if self.picture is not None:
            self.folded = {row.key for row in self.rows_in_tree() if row.has_children}
            self.update_lines()

    def action_unfold_all(self) -> None:
        """Unfold everything."""
        self.folded.clear()
        self.update_lines()

    def action_next_trouble(self) -> None:
        """Mark the next line with an error or a warning."""
        if self.picture is None:
            return
        bad = self.picture.trouble.keys()
        rows = list(self._rows.values())
        start = self.table.cursor + 1
        for row in (*rows[start:], *rows[:start]):
            if {row.upper, row.lower} & bad:
                self.table.mark(row.key)
                return
        self.notify("nothing is wrong in the lines shown")

    def _mark_parent(self, row: Row) -> None:
        keys = list(self._rows)
        for key in reversed(keys[: keys.index(row.key)]):
            if self._rows[key].depth < row.depth:
                self.table.mark(key)
                return

    def _listed(self) -> list[Row]:
        everything = self.rows_in_tree()
        assert self._tree is not None
        if self.table.sorted_by is not None:
            return self._sorted([row for row in everything if row.n is not None])
        if self.filter_text:
            return self._tree.rows(wanted=self._wanted)
        return self._tree.rows(self.folded) if self.folded else everything

    def _sorted(self, rows: list[Row]) -> list[Row]:
        assert self.picture is not None
        assert self.table.sorted_by is not None
        key = partial(BY_KEY[self.table.sorted_by].sort, self.picture)
        rows = [row for row in rows if not self.filter_text or self._wanted(row)]
        known = [row for row in rows if key(row) is not None]
        unknown = [row for row in rows if key(row) is None]
        known.sort(key=lambda row: key(row) or 0, reverse=self.table.descending)
        return [*known, *unknown]

    def _wanted(self, row: Row) -> bool:
        return any(self.filter_text in cell.text.casefold() for cell in self._cells_of(row))

    def _cells(self, key: str) -> tuple[Cell, ...]:
        """What is on screen; columns that do not fit cost nothing."""
        assert self.picture is not None
        picture, row = self.picture, self._rows[key]
        cells = [EMPTY] * len(COLUMNS)
        for index in self.table.fitted:
            cells[index] = COLUMNS[index].cell(picture, row)
        return tuple(cells)

    def _cells_of(self, row: Row) -> tuple[Cell, ...]:
        assert self.picture is not None
        picture = self.picture
        return tuple(shown.cell(picture, row) for shown in COLUMNS)

    def _sort_by(self, key: str | None) -> None:
        self.table.sorted_by = key
        self.table.forget_drawn()
        self.update_lines()

    def _show_side(self) -> None:
        address = self.marked_address()
        if self.picture is None or self.history is None or not self.side.display:
            return
        found = [] if address is None else detail.blocks(self.picture, self.history, address)
        self.side.show(partial(laid_out, found))
