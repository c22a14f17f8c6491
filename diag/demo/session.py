# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""Runs the project's own commands as a user would and keeps what they said."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

from diag.terminal import width

MODULES = {
    "accel-rack": "diag.model.cli",
    "accel-info": "diag.topo.cli",
    "accel-trace": "diag.trace.cli",
}
NARROWEST, WIDEST = 80, 120
"""Columns of what the commands print: of this terminal, and still readable in the report."""
COMMAND_LIMIT_S = 300
"""No step may hang the demo for longer than this."""


@dataclass(frozen=True, slots=True)
class Run:
    """One command that ran: what a user would have typed, and what came of it."""

    line: str
    output: str
    status: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that the demo claims, and whether it held."""

    claim: str
    held: bool
    evidence: str


@dataclass(slots=True)
class Section:
    """A chapter of the report."""

    title: str
    text: str
    runs: list[Run] = field(default_factory=list)
    checks: list[Check] = field(default_factory=list)
    figures: list[Path] = field(default_factory=list)


class Session:
    """Runs commands in an environment of their own and echoes them."""

    def __init__(self, runtime_dir: Path) -> None:
        self._runtime_dir = runtime_dir
        # One thread per process: the two cores are shared by the rack and the program.
        columns = min(max(width() or WIDEST, NARROWEST), WIDEST)
        self._env = os.environ | {
            "AXL_RUNTIME_DIR": str(runtime_dir),
            "OMP_NUM_THREADS": "1",
            "COLUMNS": str(columns),
            # What they print is read below and shown in an HTML page, whatever the locale is.
            "PYTHONIOENCODING": "utf-8",
        }

    def rack_dir(self, name: str) -> Path:
        """Runtime folder of a rack that is up."""
        return self._runtime_dir / name

    def run(self, *words: str, expect: int | None = 0) -> Run:
        """Run one command and echo it; RuntimeError unless it exits with `expect` (None: any)."""
        print(f"\n$ {shlex.join(words)}", flush=True)
        done = self.run_quietly(*words, expect=None)
        print(done.output, end="", flush=True)
        if expect is not None and done.status != expect:
            raise RuntimeError(f"{done.line}: exit status {done.status}, expected {expect}")
        return done

    def run_quietly(self, *words: str, expect: int | None = 0) -> Run:
        """As run(), without the echo: for output that a program reads."""
        line = shlex.join(words)
        begin = time.monotonic()
        done = subprocess.run(
            self._argv(words),
            env=self._env,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            encoding="utf-8",
            errors="replace",
            timeout=COMMAND_LIMIT_S,
            check=False,
        )
        if expect is not None and done.returncode != expect:
            raise RuntimeError(f"{line}: exit status {done.returncode}: {done.stdout}")
        return Run(line, done.stdout, done.returncode, time.monotonic() - begin)

    def _argv(self, words: tuple[str, ...]) -> list[str]:
        """The same words, each program found in this very environment."""
        argv: list[str] = []
        for word in words:
            if word in MODULES:
                argv += [sys.executable, "-m", MODULES[word]]
            elif word == "python":
                argv.append(sys.executable)
            else:
                argv.append(word)
        return argv
