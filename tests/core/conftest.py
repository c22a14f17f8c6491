# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""Fixtures: the core as a sanitized shared library, and a host to run it on."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from pyaccel.spec import regs
from tests.core import core_build


class Core:
    """The compiled core: its functions, constants and struct types as attributes."""

    def __init__(self) -> None:
        sanitizer = os.environ.get("AXL_CORE_SANITIZER", "undefined")
        self.ffi, self.lib = core_build.load(sanitizer)
        self.new = self.ffi.new
        self.string = self.ffi.string

    def __getattr__(self, name: str) -> Any:
        """Functions and constants of the library."""
        return getattr(self.lib, name)

    def host(self) -> Host:
        """A host for the caller to close."""
        return Host(self)

    def error(self, code: int) -> str:
        """Name of a return value: "ok", "gone", ..."""
        return self.ffi.string(self.lib.axl_err_name(code)).decode()


class Host:
    """A host: registers by name of the spec, hooks, counters (attributes of struct axl_host)."""

    def __init__(self, core: Core) -> None:
        self.core = core
        self.c = core.axl_host_create()
        self.os = core.axl_host_os(self.c)
        self.bar0 = core.ffi.buffer(self.c.bar0)
        self.events: list[dict[str, int]] = []
        self.writes: list[tuple[int, int]] = []
        self._kept: dict[str, object] = {}

    def close(self) -> None:
        """Free everything; what the core has not freed is gone too."""
        self.core.axl_host_destroy(self.c)

    def get(self, register: regs.Register, *indices: int) -> int:
        """What a register holds."""
        at = register.at(*indices)
        return int.from_bytes(self.bar0[at : at + register.width // 8], "little")

    def set(self, register: regs.Register, value: int, *indices: int) -> None:
        """Change a register behind the core's back."""
        at = register.at(*indices)
        self.bar0[at : at + register.width // 8] = value.to_bytes(register.width // 8, "little")

    def on_read(self, hook: Callable[[int, int, int], int]) -> None:
        """Answer reads with hook(offset, bytes, stored value)."""
        self.c.on_read = self._keep("read", "uint64_t(uint32_t, uint32_t, uint64_t)", hook)

    def on_write(self, hook: Callable[[int, int, int], None]) -> None:
        """Call hook(offset, bytes, value) after each write."""
        self.c.on_write = self._keep("write", "void(uint32_t, uint32_t, uint64_t)", hook)

    def on_reset(self, hook: Callable[[int], int]) -> None:
        """Answer function (0) and bus (1) resets."""
        self.c.on_reset = self._keep("reset", "int(int)", hook)

    def record_writes(self) -> None:
        """Append (offset, value) of each register write to self.writes."""
        self.on_write(lambda offset, _bytes, value: self.writes.append((offset, value)))

    def record_events(self) -> None:
        """Listen to events and append them to self.events."""
        names = [name for name, _ in self.core.ffi.typeof("struct axl_event").fields]

        def hook(event: Any) -> None:
            self.events.append({n: getattr(event, n) for n in names if n != "reserved"})

        self.c.on_event = self._keep("event", "void(const struct axl_event *)", hook)
        self.c.trace_on = 1

    def _keep(self, name: str, signature: str, hook: Callable[..., object]) -> object:
        """Turn a function into a C callback that lives as long as the host."""
        self._kept[name] = self.core.ffi.callback(signature, hook)
        return self._kept[name]


@pytest.fixture(scope="session")
def core() -> Core:
    """The compiled core."""
    return Core()


@pytest.fixture
def host(core: Core) -> Iterator[Host]:
    """A host that is thrown away afterwards."""
    made = Host(core)
    yield made
    made.close()
