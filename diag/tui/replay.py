# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""Plays a recording into the same screen: any speed, to any time, to the next finding."""

from __future__ import annotations

import threading
from typing import Final

from diag.tui.collector import Tell
from diag.tui.picture import Painter, Picture
from diag.tui.recording.reader import Reader
from diag.tui.series import KEPT

SPEEDS: Final = (0.5, 1.0, 2.0, 5.0, 10.0, 60.0, 600.0)
_NS: Final = 1_000_000_000


class Player:
    """Stands in for a Collector; a seek makes the picture anew from the samples before it.

    Args:
        reader: the recording.
    """

    def __init__(self, reader: Reader) -> None:
        self.name = f"file:{reader.path}"
        self.painter = Painter()
        self.index = 0
        self.playing = True
        self.speed = 1.0
        self._reader = reader
        self._lock = threading.Lock()
        """Guards the reader's file and all of the above."""
        self._samples = reader.samples()
        self._changed = threading.Event()
        self._stopped = False
        self._tell: Tell | None = None

    def start(self, tell: Tell) -> None:
        """Show the first sample and play on."""
        self._tell = tell
        self._show(self._next())
        threading.Thread(target=self._run, name="player", daemon=True).start()

    def stop(self) -> None:
        """End."""
        self._stopped = True
        self._changed.set()

    def hurry(self) -> None:
        """The next sample at once."""
        self._show(self._next())

    def status(self) -> str:
        """Where in the recording this is."""
        state = f"{self.speed:g}x" if self.playing else "stopped"
        problem = f"; {self._reader.problem}" if self._reader.problem else ""
        return f"replay {self.index + 1}/{len(self._reader)} {state}{problem}"

    def toggle(self) -> None:
        """Stop, or play on."""
        self.playing = not self.playing
        self._changed.set()

    def faster(self, step: int) -> None:
        """The next speed, or the one before."""
        at = min(range(len(SPEEDS)), key=lambda i: abs(SPEEDS[i] - self.speed))
        self.speed = SPEEDS[max(0, min(len(SPEEDS) - 1, at + step))]
        self._changed.set()

    def skip(self, seconds: float) -> None:
        """Go some seconds of the recording forward, or back."""
        wall_ns = self._reader.wall_ns(self.index) + int(seconds * _NS)
        target = self._reader.at(wall_ns)
        if target == self.index:
            target = max(0, min(len(self._reader) - 1, target + (1 if seconds > 0 else -1)))
        self.seek(target)

    def seek(self, index: int) -> None:
        """Go to a sample."""
        with self._lock:
            self.painter = Painter()
            picture = None
            for at, sample in self._reader.samples(max(0, index - KEPT)):
                picture = self.painter.add(sample)
                self.index = at
                if at >= index:
                    break
            self._samples = self._reader.samples(self.index + 1)
        self._show(picture)
        self._changed.set()

    def next_finding(self) -> bool:
        """Go to the next sample with something wrong that is new; False if there is none."""
        with self._lock:
            found = self._reader.next_finding(self.index)
        if found is None:
            return False
        self.playing = False
        self.seek(found)
        return True

    def _run(self) -> None:
        while not self._stopped:
            self._changed.clear()
            wait_s = self._wait_s()
            if not self._changed.wait(wait_s) and wait_s is not None and self.playing:
                self._show(self._next())

    def _wait_s(self) -> float | None:
        """Until the next sample is due; None when none is."""
        following = self.index + 1
        if not self.playing or following >= len(self._reader):
            return None
        gap_ns = self._reader.wall_ns(following) - self._reader.wall_ns(self.index)
        # A clock that jumped while recording must not stop the show.
        return max(0.0, min(gap_ns / _NS, 10.0)) / self.speed

    def _next(self) -> Picture | None:
        with self._lock:
            found = next(self._samples, None)
            if found is None:
                self.playing = False
                return None
            self.index, sample = found
            return self.painter.add(sample)

    def _show(self, picture: Picture | None) -> None:
        if picture is not None and self._tell is not None:
            self._tell(picture)
