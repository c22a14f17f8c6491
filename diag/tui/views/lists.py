# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""The views that are one table: links, events, findings."""

from __future__ import annotations

from collections.abc import Sequence

from textual.app import ComposeResult

from diag.tui import logs
from diag.tui.cells import Cell, Column
from diag.tui.rows import Tree
from diag.tui.views.base import View
from diag.tui.widgets.table import Table

Lines = dict[str, tuple[Cell, ...]]


class ListView(View):
    """A table that is made anew from every picture.

    Args:
        columns: of the table.
        placeholder: what an empty table says.
    """

    def __init__(
        self,
        columns: Sequence[Column],
        placeholder: str,
        *,
        id: str | None = None,  # noqa: A002
    ) -> None:
        super().__init__(id=id)
        self.table = Table(columns, placeholder)

    def compose(self) -> ComposeResult:
        """The table."""
        yield self.table

    def focus_table(self) -> None:
        """Give the keys to the table."""
        self.table.focus()

    def update_lines(self) -> None:
        """All lines that pass the filter."""
        if self.picture is None:
            return
        lines = self.lines()
        if self.filter_text:
            lines = {key: cells for key, cells in lines.items() if self._wanted(cells)}
        self.table.show(list(lines), lines.__getitem__)

    def lines(self) -> Lines:
        """The lines of the picture, by key."""
        raise NotImplementedError

    def subject_of(self, key: str) -> str:
        """The bus address that a line is about."""
        return key

    def _wanted(self, cells: tuple[Cell, ...]) -> bool:
        return any(self.filter_text in cell.text.casefold() for cell in cells)


class LinksView(ListView):
    """Every link with the errors of both its ends."""

    def __init__(self, *, id: str | None = None) -> None:  # noqa: A002 - Textual's name for it
        super().__init__(logs.LINKS, "no links are known", id=id)

    def lines(self) -> Lines:
        """One line a link."""
        assert self.picture is not None
        picture = self.picture
        minutes = (picture.sample.time_ns - picture.began_ns) / 60e9
        return {
            line.row.key: logs.link_cells(picture, line, minutes)
            for line in logs.link_lines(picture, Tree(picture.rack).rows())
        }


class EventsView(ListView):
    """What happened, newest first."""

    def __init__(self, *, id: str | None = None) -> None:  # noqa: A002 - Textual's name for it
        super().__init__(logs.EVENTS, "nothing happened yet", id=id)
        self._known: Lines = {}
        """Lines of the last picture: an event never changes."""

    def lines(self) -> Lines:
        """One line an event."""
        assert self.picture is not None
        short = self.picture.short
        found: Lines = {}
        for event in reversed(self.picture.events):
            key = f"{event.number} {event.subject}"
            found[key] = self._known.get(key) or logs.event_cells(event, short)
        self._known = found
        return found

    def subject_of(self, key: str) -> str:
        """The subject stands behind the number."""
        return key.partition(" ")[2]


class FindingsView(ListView):
    """What is wrong, and what to do about it."""

    def __init__(self, *, id: str | None = None) -> None:  # noqa: A002 - Textual's name for it
        super().__init__(logs.FINDINGS, "nothing is wrong", id=id)

    def lines(self) -> Lines:
        """One line a finding."""
        assert self.picture is not None
        short = self.picture.short
        return {
            f"{finding.rule} {finding.subject}": logs.finding_cells(finding, short)
            for finding in self.picture.findings
        }

    def subject_of(self, key: str) -> str:
        """The subject stands behind the rule."""
        return key.partition(" ")[2]
