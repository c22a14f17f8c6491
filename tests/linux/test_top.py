# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""accel-top in the guest, in a terminal (tmux): the real driver's endpoints, seen and reset."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator

import pytest

from diag.lab.supervisor import CHECKOUT
from tests.linux.conftest import ENDPOINTS, FOURTH, Driver

# Textual takes half a minute to start in an emulated guest on a busy machine.
pytestmark = [pytest.mark.guest, pytest.mark.timeout(1200)]

TRIES = 40
"""Of ten seconds or more."""


class Terminal:
    """What is on the screen of a program in tmux, and the keys that it is sent.

    Args:
        driver: of the guest that it runs in.
        command: the program and its arguments.
    """

    def __init__(self, driver: Driver, command: str) -> None:
        self._driver = driver
        driver.shell(
            "export TERM=xterm-256color LC_ALL=C.UTF-8 HOME=/tmp; "
            f"tmux -u new-session -d -x 132 -y 40 -s top 'cd /tmp; {command}'"
        )

    def press(self, *keys: str) -> None:
        """As tmux names them."""
        self._driver.shell(f"tmux send-keys -t top {' '.join(keys)}")

    def wait(self, text: str) -> str:
        """The screen, once it has the text; what it has instead is shown when that fails."""
        for _ in range(TRIES):
            screen = self._driver.shell(
                f"for i in $(seq 20); do tmux capture-pane -p -t top >/tmp/screen; "
                f"if grep -qF -e '{text}' /tmp/screen; then break; fi; sleep 0.5; done; "
                "cat /tmp/screen"
            )
            if text in screen:
                return screen
        raise AssertionError(f"{text!r} is not on the screen:\n{screen}")

    @property
    def is_open(self) -> bool:
        """Whether the program still runs."""
        return "top" in self._driver.shell("tmux has-session -t top 2>/dev/null && echo top || :")

    def close(self) -> None:
        """End it, whatever it does."""
        self._driver.shell("tmux kill-server 2>/dev/null || :")


@pytest.fixture
def terminal(driver: Driver) -> Iterator[Terminal]:
    """accel-top on the driver's endpoints."""
    if shutil.which("tmux") is None:
        pytest.skip("tmux is not installed")
    opened = Terminal(driver, f"PYTHONPATH={CHECKOUT} {sys.executable} -m diag.tui.cli")
    yield opened
    opened.close()


def generation(driver: Driver) -> int:
    """Of the fourth endpoint."""
    return int(driver.shell(f"cat /sys/bus/pci/devices/{FOURTH}/axl/generation"))


def test_an_endpoint_is_watched_and_reset(driver: Driver, terminal: Terminal) -> None:
    """The tree, one endpoint in depth, a reset that is agreed to, its event, and the end."""
    before = generation(driver)
    tree = terminal.wait(ENDPOINTS[-1].bdf.removeprefix("0000:"))
    lines = [line for line in tree.splitlines() if "online" in line]
    for placed in ENDPOINTS:
        assert any(placed.bdf.removeprefix("0000:") in line for line in lines), tree

    # The first line below the head is marked.
    rows = [line.split("→")[-1] for line in tree.splitlines() if "→" in line]
    terminal.press(*["j"] * (rows.index(next(row for row in rows if "ep3" in row)) - 1))
    terminal.press("Enter")
    detail = terminal.wait(f"card:0x{ENDPOINTS[-1].serial:016x}/{ENDPOINTS[-1].index}")
    assert "committed" in detail

    terminal.press("x")
    terminal.wait("reset endpoint 3")
    terminal.press("Down", "Enter")
    terminal.wait("y: do it")
    assert generation(driver) == before
    terminal.press("y")
    terminal.press("4")
    terminal.wait(f"generation {before} → {before + 1}")
    assert generation(driver) == before + 1

    terminal.press("q")
    driver.shell(
        "for i in $(seq 100); do tmux has-session -t top 2>/dev/null || exit 0;"
        " sleep 0.5; done; exit 1"
    )
    assert not terminal.is_open
