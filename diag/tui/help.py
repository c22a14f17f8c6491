# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""The help screen: every key, and what the columns mean."""

from __future__ import annotations

from typing import ClassVar, Final

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.screen import ModalScreen

from diag.tui.blocks import Block, field, laid_out
from diag.tui.cells import Cell
from diag.tui.widgets.pane import Pane

KEYS: Final = (
    ("1 … 5, Tab", "views: tree, detail, links, events, findings"),
    ("↑ ↓ j k", "move; PgUp PgDn Home End too"),
    ("Enter, Esc", "the marked object in depth; back"),
    ("← → h l", "fold and unfold; - + for all"),
    ("s S", "sort endpoints by the next, the previous column"),
    ("i, t", "other direction; back to the tree"),
    ("/", "show only lines that hold a text; Esc clears it"),
    ("f", "next line with an error or a warning"),
    ("space, n", "hold the screen; take a sample at once"),
    ("x", "snapshot, capture; reset an endpoint, restart a card"),
    ("[ ] { }", "of a recording: a minute, ten minutes back and on"),
    (", . < >", "one sample back and on; slower, faster"),
    ("F", "the next time that something new was wrong"),
    ("Ctrl+P", "command palette: themes and more"),
    ("q, Ctrl+Q", "quit"),
)
MEANINGS: Final = (
    ("LINK, BEST", "GT/s and lanes now, and what both ends can do"),
    ("ERR ABOVE", "errors counted by the port above, C/N/F"),
    ("ERR", "by the device below: correctable/non-fatal/fatal"),
    ("QUE, PEND", "queues in use; ring slots waiting for the device"),
    ("H2D D2H", "bytes/s host to device, device to host"),
    ("D2D P2P", "bytes/s on the device, and to its peers"),
    ("UTIL% °C W", "of a group: its highest"),
    ("GEN", "resets since power-on"),
    ("—", "not known; never shown as 0"),
    ("!", "slower than both ends can, or something to look at"),
)


class HelpScreen(ModalScreen[None]):
    """Closes with any of the usual keys."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q,question_mark,f1,enter,space", "app.pop_screen", "Close"),
    ]
    DEFAULT_CSS = """
    HelpScreen { align: center middle; }
    HelpScreen Pane { width: 90%; max-width: 136; height: auto; max-height: 90%;
                      min-height: 18; background: $panel; padding: 1 1; }
    """

    def compose(self) -> ComposeResult:
        """Two blocks."""
        yield Pane(id="help")

    def on_mount(self) -> None:
        """Lay them out."""
        keys = Block("keys", tuple(field(key, Cell(does)) for key, does in KEYS))
        meanings = Block("columns", tuple(field(key, Cell(does)) for key, does in MEANINGS))
        self.query_one(Pane).show(lambda width: laid_out([keys, meanings], width))
