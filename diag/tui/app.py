# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""The application: views over one picture at a time, which a collector brings."""

from __future__ import annotations

import asyncio
import gc
import os
import threading
from collections.abc import Iterable, Sequence
from functools import partial
from typing import TYPE_CHECKING, ClassVar, Final

from textual import work
from textual.app import App, ComposeResult, SystemCommand
from textual.binding import Binding, BindingType
from textual.filter import ANSIToTruecolor, LineFilter
from textual.message import Message
from textual.screen import Screen
from textual.widgets import ContentSwitcher, Footer, Input

from diag.printable import printable
from diag.tui import header
from diag.tui.cells import Cell
from diag.tui.collector import Collector
from diag.tui.cost import CostMeter
from diag.tui.header import Cost
from diag.tui.picture import Picture
from diag.tui.themes import DARK, MONO, STYLES, THEMES
from diag.tui.views.base import View
from diag.tui.views.detail import DetailView
from diag.tui.views.lists import EventsView, FindingsView, LinksView, ListView
from diag.tui.views.tree import TreeView
from diag.tui.widgets.bars import Bar, TabBar
from diag.tui.widgets.table import Table

if TYPE_CHECKING:
    from diag.tui.replay import Player

# What the first frame does not show is imported when it is asked for.

VIEWS: Final = (
    ("tree", "Tree"), ("detail", "Detail"), ("links", "Links"), ("events", "Events"),
    ("findings", "Findings"),
)  # fmt: skip


class Arrived(Message):
    """There is a new picture; several that came at once are one."""


class TopApp(App[None]):
    """accel-top.

    Args:
        collector: brings the pictures; of a recording it is a Player.
        readonly: offer no actions.
    """

    TITLE = "accel-top"
    ENABLE_COMMAND_PALETTE = True
    CSS = """
    Screen { layout: vertical; }
    ContentSwitcher { height: 1fr; }
    #filter { display: none; height: 1; border: none; padding: 0 1; background: $panel; }
    Footer { background: $panel; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("q", "quit", "Quit"),
        Binding("question_mark,f1", "help", "Help", key_display="?"),
        Binding("space", "pause", "Pause"),
        # Before the focused widget sees it, so that keys of the same burst go to the filter.
        Binding("slash", "filter", "Filter", key_display="/", priority=True),
        Binding("escape", "leave", "Back", show=False),
        Binding("tab", "next_view(1)", "Next view", show=False),
        Binding("shift+tab", "next_view(-1)", "Previous view", show=False),
        Binding("x", "choose", "Actions"),
        Binding("n", "refresh_now", "Sample now", show=False),
        Binding("left_square_bracket", "skip(-60)", "Back a minute", key_display="["),
        Binding("right_square_bracket", "skip(60)", "On a minute", key_display="]"),
        Binding("left_curly_bracket", "skip(-600)", "Back ten minutes", show=False),
        Binding("right_curly_bracket", "skip(600)", "On ten minutes", show=False),
        Binding("comma", "skip(-0.5)", "Back one sample", show=False),
        Binding("full_stop", "skip(0.5)", "On one sample", show=False),
        Binding("less_than_sign", "speed(-1)", "Slower", show=False),
        Binding("greater_than_sign", "speed(1)", "Faster", key_display=">"),
        Binding("F", "next_finding", "Next finding"),
        *(Binding(str(i), f"view('{name}')", title, show=False)
          for i, (name, title) in enumerate(VIEWS, start=1)),
    ]  # fmt: skip

    def __init__(self, collector: Collector | Player, *, readonly: bool = False) -> None:
        super().__init__()
        self.collector = collector
        self._player = None if isinstance(collector, Collector) else collector
        self.readonly = readonly
        self.paused = False
        self.picture: Picture | None = None
        self._newest: Picture | Exception | None = None
        self._lock = threading.Lock()
        """Guards `_newest`, which the collector's thread writes."""
        self._meter = CostMeter()
        self._cost = Cost()
        self._before = "tree"
        self._header = Bar(id="header")
        self._tabs = TabBar(VIEWS, id="tabs")
        self._detail = DetailView(id="detail")
        views = (
            TreeView(id="tree"),
            self._detail,
            LinksView(id="links"),
            EventsView(id="events"),
            FindingsView(id="findings"),
        )
        self._views: dict[str, View] = {str(view.id): view for view in views}
        self._switcher = ContentSwitcher(*views, initial="tree")
        self._filter = Input(
            placeholder="show only lines with … (Enter keeps it, Esc clears it)",
            id="filter",
            compact=True,
        )
        for theme in THEMES:
            self.register_theme(theme)
        self.theme = (MONO if os.environ.get("NO_COLOR") else DARK).name

    def get_theme_variable_defaults(self) -> dict[str, str]:
        """Text styles of our own, for themes that do not say."""
        return STYLES

    def compose(self) -> ComposeResult:
        """Two bars, the views, and the keys."""
        yield self._header
        yield self._tabs
        yield self._switcher
        yield self._filter
        yield Footer(show_command_palette=False, compact=True)

    def on_mount(self) -> None:
        """Start collecting."""
        self.view.focus_table()
        self._show_bars()
        self.collector.start(self._receive)
        self.set_interval(1.0, self._show_bars)

    def on_unmount(self) -> None:
        """Stop collecting."""
        self.collector.stop()

    @property
    def view(self) -> View:
        """The view on screen."""
        return self._views[self.view_name]

    @property
    def view_name(self) -> str:
        """Its name."""
        return self._switcher.current or "tree"

    def _receive(self, told: Picture | Exception) -> None:
        """In the collector's thread: hand the newest picture over."""
        with self._lock:
            waiting, self._newest = self._newest is not None, told
        if not waiting:
            self.post_message(Arrived())

    def on_arrived(self) -> None:
        """Show the newest picture, unless the user holds the screen."""
        with self._lock:
            told, self._newest = self._newest, None
        if isinstance(told, Exception):
            raise told
        if told is not None and not self.paused:
            self.show_picture(told)

    def show_picture(self, picture: Picture) -> None:
        """Show one picture."""
        self.picture = picture
        self._cost = self._meter.look()
        self._meter.frame_begins()
        with self.batch_update():
            self.view.show(picture, self.collector.painter.history)
            self._show_bars()
        self.call_after_refresh(self._frame_ends)

    def _frame_ends(self) -> None:
        self._meter.frame_ends()
        if not gc.isenabled():
            # What there is by now stays: it need not be searched for garbage again and again.
            gc.freeze()
            gc.enable()

    def get_line_filters(self) -> Sequence[LineFilter]:
        """Without the one that replaces the terminal's own colours: our themes use none.

        It would look at every piece of every line of every frame, for a tenth of its time.
        """
        return [each for each in super().get_line_filters()
                if not isinstance(each, ANSIToTruecolor)]  # fmt: skip

    def action_view(self, name: str) -> None:
        """Go to a view."""
        if name == self.view_name:
            return
        if name == "detail":
            self._before = self.view_name
            self._detail.subject = self._marked_address()
        self._switcher.current = name
        self._close_filter()
        if self.picture is not None:
            self.view.show(self.picture, self.collector.painter.history)
        self.view.focus_table()
        self._show_bars()

    def action_next_view(self, step: int) -> None:
        """Go to the view beside."""
        names = [name for name, _ in VIEWS]
        self.action_view(names[(names.index(self.view_name) + step) % len(names)])

    def action_leave(self) -> None:
        """Clear the filter, or leave the detail."""
        if self._filter.display or self.view.filter_text:
            self._close_filter(clear=True)
        elif self.view_name == "detail":
            self.action_view(self._before)
        elif self.view_name != "tree":
            self.action_view("tree")

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Travelling in time needs a recording; actions need leave; a text may hold a slash."""
        del parameters
        if action == "filter":
            return self.screen is self.screen_stack[0] and not isinstance(self.focused, Input)
        if action == "choose":
            return not self.readonly
        if action in {"skip", "speed", "next_finding"}:
            return self._player is not None
        return True

    def action_pause(self) -> None:
        """Hold the screen; samples are taken and kept all the same. Of a recording: stop it."""
        if self._player is None:
            self.paused = not self.paused
        else:
            self._player.toggle()
        self._show_bars()

    def action_skip(self, seconds: float) -> None:
        """Travel in time."""
        if self._player is not None:
            self._player.skip(seconds)

    def action_speed(self, step: int) -> None:
        """Play faster, or slower."""
        if self._player is not None:
            self._player.faster(step)
            self._show_bars()

    def action_next_finding(self) -> None:
        """Travel to the next time that something new was wrong."""
        if self._player is not None and not self._player.next_finding():
            self.notify("nothing new is wrong in the rest of the recording")

    def action_refresh_now(self) -> None:
        """Take a sample at once."""
        self.paused = False
        self.collector.hurry()

    @work
    async def action_choose(self) -> None:
        """Choose something to do, agree to it where it is dangerous, and have it done."""
        from diag.tui.actions import ActionError, actions  # noqa: PLC0415
        from diag.tui.dialogs import ActionScreen, ConfirmScreen  # noqa: PLC0415

        if self.picture is None:
            return
        address = self._marked_address()
        choices = actions(self.picture, address)
        chosen = await self.push_screen_wait(ActionScreen(choices, printable(address or "rack")))
        if chosen is None:
            return
        if chosen.warning is not None:
            agreed = await self.push_screen_wait(ConfirmScreen(chosen.warning))
            if not agreed:
                return
        try:
            done = await asyncio.to_thread(chosen.run)
        except ActionError as error:
            self.notify(str(error), title=f"{chosen.title}: not done", severity="error",
                        timeout=15, markup=False)  # fmt: skip
        else:
            self.notify(done.text, markup=False)
            if done.captured is not None:
                self.collector.painter.history.captured = done.captured

    def get_system_commands(self, screen: Screen[object]) -> Iterable[SystemCommand]:
        """The command palette: what Textual offers, the views, and what has a key here."""
        yield from super().get_system_commands(screen)
        for name, title in VIEWS:
            yield SystemCommand(f"View: {title}", "Go there", partial(self.action_view, name))
        yield SystemCommand("Pause", "Hold the screen, or go on", self.action_pause)
        yield SystemCommand("Filter", "Show only lines with a text", self.action_filter)
        if not self.readonly:
            about = "Do something with the marked object"
            yield SystemCommand("Actions", about, self.action_choose)

    def action_help(self) -> None:
        """All keys."""
        from diag.tui.help import HelpScreen  # noqa: PLC0415

        self.push_screen(HelpScreen())

    def action_filter(self) -> None:
        """Ask for a text that lines must hold."""
        self._filter.value = self.view.filter_text
        # Not focus(), which comes after the keys that are waiting.
        self._filter.display = True
        self.screen.set_focus(self._filter)

    def on_input_changed(self, event: Input.Changed) -> None:
        """Filter while it is typed."""
        if event.input is self._filter and self._filter.display:
            self.view.set_filter(event.value)

    def on_input_submitted(self) -> None:
        """Keep the filter and go back to the lines."""
        self._close_filter()

    def on_tab_bar_chosen(self, event: TabBar.Chosen) -> None:
        """A view was clicked."""
        self.action_view(event.name)

    def on_table_opened(self, event: Table.Opened) -> None:
        """Show the object of a line in depth."""
        if type(event) is not Table.Opened:
            return
        self.action_view("detail")

    def _marked_address(self) -> str | None:
        view = self.view
        if isinstance(view, DetailView):
            return view.subject
        if isinstance(view, TreeView):
            return view.marked_address()
        if isinstance(view, ListView) and view.table.marked is not None:
            return view.subject_of(view.table.marked)
        return None

    def _close_filter(self, *, clear: bool = False) -> None:
        self._filter.display = False
        if clear:
            self.view.set_filter("")
        self.view.focus_table()
        self._show_bars()

    def _show_bars(self) -> None:
        picture = self.picture
        replay = None if self._player is None else self._player.status()
        held = header.Held(self.paused, replay)
        self._header.show(*header.cells(self.collector.name, picture, held, self._cost))
        counts = {} if picture is None else header.counts(picture)
        note = f"filter: {self.view.filter_text}" if self.view.filter_text else ""
        self._tabs.show_tabs(self.view_name, counts, (Cell(note, "warn"),))
