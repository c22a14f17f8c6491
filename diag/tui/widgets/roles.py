# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""What Table and Pane share: text with a meaning, drawn line by line."""

from __future__ import annotations

from typing import ClassVar

from rich.style import Style
from textual.scroll_view import ScrollView

from diag.tui.cells import ROLES


class RoleView(ScrollView, can_focus=True):
    """A scrolling widget that draws its own lines; a theme says what roles look like."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {
        "role--head", "role--cursor", *(f"role--{role}" for role in ROLES),
    }  # fmt: skip
    DEFAULT_CSS = """
    RoleView {
        height: 1fr;
        overflow-x: hidden;
        overflow-y: auto;
        scrollbar-size-vertical: 1;
        & > .role--head { color: $dim-color; text-style: bold; }
        & > .role--cursor { background: $mark-color; }
        & > .role--plain { color: $foreground; }
        & > .role--dim { color: $dim-color; }
        & > .role--ok { color: $text-success; }
        & > .role--warn { color: $text-warning; text-style: $warn-style; }
        & > .role--bad { color: $text-error; text-style: $bad-style; }
        & > .role--accent { color: $text-accent; text-style: $accent-style; }
    }
    """

    def __init__(self, *, id: str | None = None) -> None:  # noqa: A002 - Textual's name for it
        super().__init__(id=id)
        self._styles: dict[tuple[str, bool], Style] = {}
        self._width: int | None = None

    def forget_drawn(self) -> None:
        """Draw everything anew: size, colours or focus changed."""
        self._styles.clear()
        self._width = None
        self.refresh()

    def notify_style_update(self) -> None:
        """The theme changed."""
        super().notify_style_update()
        self.forget_drawn()

    def on_resize(self) -> None:
        """Lines are as long as the widget is wide."""
        self.forget_drawn()

    def watch_show_vertical_scrollbar(self) -> None:
        """A scroll bar takes a column, and no event says so."""
        self.forget_drawn()

    def on_focus(self) -> None:
        """The mark looks different."""
        self.forget_drawn()

    def on_blur(self) -> None:
        """As `on_focus`."""
        self.forget_drawn()

    @property
    def line_width(self) -> int:
        """Cells of a line."""
        if self._width is None:
            self._width = max(1, self.scrollable_content_region.width)
        return self._width

    def style_of(self, name: str, *, marked: bool = False) -> Style:
        """The style of a role, or of "head"; `marked`: on the line with the mark.

        Adding styles up takes longer than drawing with them, so each sum is made once.
        """
        known = self._styles.get((name, marked))
        if known is None:
            known = self.rich_style
            if marked:
                known += self._component("cursor")
            known += self._component(name)
            self._styles[name, marked] = known
        return known

    def _component(self, name: str) -> Style:
        return self.get_component_rich_style(f"role--{name}", partial=True)
