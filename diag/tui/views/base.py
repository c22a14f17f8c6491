# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""What the application asks of a view."""

from __future__ import annotations

from textual.containers import Vertical

from diag.tui.picture import Picture
from diag.tui.series import History


class View(Vertical):
    """Shows one side of a picture. Only the view on screen gets pictures."""

    DEFAULT_CSS = """
    View { height: 1fr; width: 1fr; }
    """

    picture: Picture | None = None
    history: History | None = None
    filter_text: str = ""

    def show(self, picture: Picture, history: History) -> None:
        """The next picture."""
        self.picture, self.history = picture, history
        self.update_lines()

    def set_filter(self, text: str) -> None:
        """Show only lines that hold the text."""
        self.filter_text = text.casefold()
        self.update_lines()

    def update_lines(self) -> None:
        """Bring the widgets up to date with `picture` and `filter_text`."""

    def focus_table(self) -> None:
        """Give the keys to what takes them here."""
