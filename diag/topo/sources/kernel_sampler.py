# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""Samples of a machine with the axl driver: its tree, telemetry, queues and clients."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Final, TypeVar

from diag.topo import driver_text
from diag.topo.model import Endpoint
from diag.topo.sampling import Client, Readings, Sample, Telemetry
from diag.topo.sources.attributes import Attributes, fetch_all
from diag.topo.sources.clients import PROC, Clients
from diag.topo.sources.kernel_tree import NAME
from diag.topo.sources.library_telemetry import LibraryTelemetry
from diag.topo.sources.machine import Machine

PATIENCE_S: Final = 0.4
"""How long one kind of question may take; all of them together take less than a second."""
ASLEEP: Final = "it is asleep, and asking would wake it"
MAY_SLEEP: Final = "it may fall asleep (power/control is auto), and asking would keep it awake"
_SENSORS: Final = ("temp1_input", "power1_input")
_POWER: Final = ("power/control",)
_STATUS: Final = ("power/runtime_status",)
_TELEMETRY: Final = tuple(field.name for field in dataclasses.fields(Telemetry))
_DEBUG: Final = ("queues", "recoveries")
_HWMON_MAX: Final = (1 << 31) - 1
_T = TypeVar("_T")


class KernelSampler:
    """Looks at a machine again and again; it wakes no endpoint and keeps none awake.

    Args:
        root: where sysfs is mounted.
        proc: where procfs is.
        telemetry: asks libaxl.
    """

    name = NAME

    def __init__(
        self, root: Path, proc: Path = PROC, telemetry: LibraryTelemetry | None = None
    ) -> None:
        self._root = root
        self._machine = Machine(root, PATIENCE_S)
        self._clients = Clients(proc)
        self._telemetry = telemetry or LibraryTelemetry()
        self._extras: dict[str, _Extras] = {}

    def sample(self) -> Sample:
        """The machine as it is now."""
        rack = self._machine.look()
        ours = [each for each in rack.endpoints if self._machine.functions[each.bdf].has_axl]
        extras = self._look_closer(ours)
        online = {each.bdf: each.identity for each in ours if each.health == "online"}
        awake = (identity for bdf, identity in online.items() if identity and extras[bdf].is_free)
        told = self._telemetry.ask(awake, PATIENCE_S)
        answered = {name for name, each in told.items() if isinstance(each, Telemetry)}
        silent = [bdf for bdf, identity in online.items() if identity not in answered]
        fetch_all([job for bdf in silent for job in extras[bdf].sensor_jobs()], PATIENCE_S)
        clients = self._clients.read()
        readings = {
            each.n: self._reading(
                extras[each.bdf], told.get(each.identity or ""), clients.get(each.bdf, ())
            )
            for each in ours
            if each.health == "online"
        }
        return Sample(time.monotonic_ns(), time.time_ns(), rack, readings)

    def _look_closer(self, ours: Iterable[Endpoint]) -> dict[str, _Extras]:
        """Read the folders of endpoints that have to do with power, sensors and debugging."""
        functions = self._machine.functions
        for each in ours:
            known = self._extras.get(each.bdf)
            if known is None or known.pci is not functions[each.bdf].pci:
                self._extras[each.bdf] = _Extras(functions[each.bdf].pci, self._root)
        extras = {each.bdf: self._extras[each.bdf] for each in ours}
        self._extras = extras
        fetch_all([job for each in extras.values() for job in each.wanted()], PATIENCE_S)
        return extras

    def _reading(
        self, extras: _Extras, told: Telemetry | str | None, clients: tuple[Client, ...]
    ) -> Readings:
        reasons: dict[str, str] = {}
        if isinstance(told, Telemetry):
            telemetry = told
            why = "the sensor does not work"
        else:
            telemetry = extras.sensors()
            why = told or extras.why_not_asked()
        reasons.update((name, why) for name in _TELEMETRY if getattr(telemetry, name) is None)
        for name in _DEBUG:
            if extras.debug.text(name) is None:
                reasons[name] = f"debugfs, for root: {extras.debug.why(name)}"
        if self._clients.hidden:
            reasons["clients"] = (
                f"{self._clients.hidden} processes of others are not looked at:"
                " that takes root or CAP_SYS_PTRACE"
            )
        return Readings(
            telemetry=telemetry,
            queues=_parsed(driver_text.queues, extras.debug.text("queues")),
            recoveries=_parsed(driver_text.recoveries, extras.debug.text("recoveries")),
            clients=clients,
            unavailable=reasons,
        )


class _Extras:
    """What is looked at of an endpoint beside its tree.

    Args:
        pci: its folder.
        root: of sysfs.
    """

    def __init__(self, pci: Attributes, root: Path) -> None:
        self.pci = pci
        self.power, self.status = Attributes(pci.folder), Attributes(pci.folder)
        self.hwmon = Attributes(_first(pci.folder / "hwmon"))
        self.debug = Attributes(root / "kernel/debug/accel" / pci.folder.name)

    def wanted(self) -> list[tuple[Attributes, tuple[str, ...]]]:
        """What to fetch of every endpoint."""
        return [(self.power, _POWER), (self.debug, _DEBUG)]

    def sensor_jobs(self) -> list[tuple[Attributes, tuple[str, ...]]]:
        """What to fetch of one that the library could not or must not ask."""
        return [(self.status, _STATUS), (self.hwmon, _SENSORS)]

    @property
    def is_free(self) -> bool:
        """Whether asking it costs nothing but the answer: it never sleeps."""
        return self.power.text("power/control") != "auto"

    def why_not_asked(self) -> str:
        """Why the library was not used."""
        if self.is_free:
            return "its identity is not known, so it cannot be opened"
        asleep = self.status.text("power/runtime_status") == "suspended"
        return ASLEEP if asleep else MAY_SLEEP

    def sensors(self) -> Telemetry:
        """What hwmon has, which wakes nobody: m°C, and µW."""
        power = self.hwmon.number("power1_input")
        return Telemetry(
            temperature_millicelsius=self.hwmon.number("temp1_input", _HWMON_MAX),
            power_milliwatt=None if power is None else power // 1000,
        )


def _first(folder: Path) -> Path:
    """The folder's only member, which has a number in its name."""
    try:
        return next(iter(sorted(folder.iterdir())), folder)
    except OSError:
        return folder


def _parsed(parse: Callable[[str], tuple[_T, ...]], text: str | None) -> tuple[_T, ...] | None:
    return None if text is None else parse(text)
