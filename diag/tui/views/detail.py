# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""One endpoint or port in depth."""

from __future__ import annotations

from functools import partial

from textual.app import ComposeResult

from diag.tui import detail
from diag.tui.blocks import laid_out
from diag.tui.views.base import View
from diag.tui.widgets.pane import Pane


class DetailView(View):
    """Everything that is known of one object."""

    def __init__(self, *, id: str | None = None) -> None:  # noqa: A002 - Textual's name for it
        super().__init__(id=id)
        self.pane = Pane(id="detail-pane")
        self.subject: str | None = None

    def compose(self) -> ComposeResult:
        """One pane."""
        yield self.pane

    def focus_table(self) -> None:
        """Give the keys to the pane."""
        self.pane.focus()

    def update_lines(self) -> None:
        """Lay out what the picture has of the object."""
        if self.picture is None or self.history is None:
            return
        if self.subject is None:
            first = next(iter(self.picture.rack.endpoints), None)
            self.subject = None if first is None else first.bdf
        if self.subject is not None:
            found = detail.blocks(self.picture, self.history, self.subject)
            self.pane.show(partial(laid_out, found))
