# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""Telemetry of endpoints of the kernel driver, asked through libaxl."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import suppress
from functools import partial
from typing import Final, Protocol

import pyaccel
from diag.topo.sampling import Telemetry
from diag.topo.sources.deadline import run_all

NO_ANSWER: Final = "no answer in time"


class Opened(Protocol):
    """What is used of pyaccel.Device."""

    def telemetry(self) -> pyaccel.Telemetry:
        """One sample of the sensors and counters."""

    def close(self) -> None:
        """Let it go."""


def _open(uri: str) -> Opened:
    """pyaccel.open, which is slow to import: libaxl is loaded by the first question."""
    return pyaccel.open(uri)


class LibraryTelemetry:
    """Holds endpoints open and asks them; one that hangs is not asked again until it answers.

    Args:
        open_uri: opens an endpoint.
    """

    def __init__(self, open_uri: Callable[[str], Opened] = _open) -> None:
        self._open_uri = open_uri
        self._opened: dict[str, Opened] = {}
        self._busy: set[str] = set()
        self._answers: dict[str, Telemetry | str] = {}

    def ask(self, identities: Iterable[str], patience_s: float) -> dict[str, Telemetry | str]:
        """Telemetry by identity, or why there is none."""
        wanted = list(identities)
        for identity in [each for each in self._opened if each not in wanted]:
            if identity not in self._busy:
                self._let_go(identity)
        self._answers = dict.fromkeys(wanted, NO_ANSWER)
        idle = [each for each in wanted if each not in self._busy]
        run_all([partial(self._ask_one, each, self._answers) for each in idle], patience_s)
        return dict(self._answers)

    def _ask_one(self, identity: str, answers: dict[str, Telemetry | str]) -> None:
        self._busy.add(identity)
        try:
            if identity not in self._opened:
                self._opened[identity] = self._open_uri(f"kernel#{identity}")
            answers[identity] = _telemetry(self._opened[identity].telemetry())
        except pyaccel.AxlError as error:
            # A handle from before a reset is of no use; the next question opens a new one.
            self._let_go(identity)
            answers[identity] = str(error)
        finally:
            self._busy.discard(identity)

    def _let_go(self, identity: str) -> None:
        opened = self._opened.pop(identity, None)
        if opened is not None:
            with suppress(pyaccel.AxlError):
                opened.close()


def _telemetry(seen: pyaccel.Telemetry) -> Telemetry:
    return Telemetry(
        temperature_millicelsius=seen.temperature_millicelsius,
        power_milliwatt=seen.power_milliwatt,
        clock_khz=seen.clock_khz,
        utilisation_permille=seen.utilisation_permille,
        memory_corrected_count=seen.memory_corrected,
        memory_uncorrected_count=seen.memory_uncorrected,
        bytes_host_to_device=seen.bytes_host_to_device,
        bytes_device_to_host=seen.bytes_device_to_host,
        bytes_device_to_device=seen.bytes_device_to_device,
        bytes_peer=seen.bytes_peer,
        heartbeat_count=seen.heartbeat,
        commands_finished_count=seen.progress,
    )
