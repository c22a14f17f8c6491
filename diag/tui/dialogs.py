# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""The list of actions, and the question before a dangerous one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import OptionList, Static

from diag.tui.actions import Action

_CSS = """
    {name} {{ align: center middle; }}
    {name} Vertical {{ width: 64; max-width: 90%; height: auto; background: $panel;
                       padding: 1 2; border: round $foreground 40%; }}
    {name} OptionList {{ height: auto; max-height: 12; background: $panel; border: none; }}
"""


class ActionScreen(ModalScreen[Action | None]):
    """Gives back the action that was chosen.

    Args:
        choices: what can be done.
        subject: what it would be done with.
    """

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape,q", "dismiss(None)", "Close")]
    DEFAULT_CSS = _CSS.format(name="ActionScreen")

    def __init__(self, choices: Sequence[Action], subject: str) -> None:
        super().__init__()
        self._choices = tuple(choices)
        self._subject = subject

    def compose(self) -> ComposeResult:
        """A title and a list."""
        with Vertical():
            yield Static(Content(f"Actions · {self._subject}\n"))
            yield OptionList(*(Content(choice.title) for choice in self._choices))

    def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        """This one."""
        self.dismiss(self._choices[event.option_index])


class ConfirmScreen(ModalScreen[bool]):
    """Asks; only the letter y agrees, so that nothing happens by a stray Enter.

    Args:
        warning: what would happen.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("y", "dismiss(True)", "Do it"),
        Binding("n,escape,enter,q", "dismiss(False)", "Leave it"),
    ]
    DEFAULT_CSS = _CSS.format(name="ConfirmScreen")

    def __init__(self, warning: str) -> None:
        super().__init__()
        self._warning = warning

    def compose(self) -> ComposeResult:
        """The warning and the two keys."""
        with Vertical():
            yield Static(Content(f"{self._warning}\n\ny: do it    Esc: leave it"))
