# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""Compiles the C parts for tests and benchmarks, one at a time per build folder."""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BUILD = ROOT / "build"
SANITIZERS = {"c": "none", "c-asan": "address,undefined", "c-tsan": "thread"}


def meson(*arguments: str) -> None:
    """Run the meson of the virtual environment; AssertionError with its output on failure."""
    scripts = ROOT / ".venv/bin"
    path = f"{scripts}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        [scripts / "meson", *arguments],
        cwd=ROOT,
        env=os.environ | {"PATH": path},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"meson {arguments}\n{done.stdout}{done.stderr}"


@contextmanager
def locked(name: str) -> Iterator[Path]:
    """build/NAME while nobody else compiles in it (setup.py takes the same lock)."""
    BUILD.mkdir(exist_ok=True)
    with (BUILD / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield BUILD / name


def build(name: str, copy: Path) -> Path:
    """Compile what changed in build/NAME; a copy of what it made, as a folder of that shape.

    Tests run the copy: whoever compiles next may be in the middle of linking.
    """
    with locked(name) as folder:
        if not (folder / "build.ninja").exists():
            sanitizer = SANITIZERS[name]
            # Sanitizers leave symbols to the program that is linked with them.
            more = [] if sanitizer == "none" else ["-Db_lundef=false", "--buildtype=debugoptimized"]
            meson("setup", str(folder), f"-Db_sanitize={sanitizer}", *more)
        meson("compile", "-C", str(folder))
        for part in ("userlib", "tests/userlib", "tests/bench", "examples/c"):
            shutil.copytree(folder / part, copy / part, symlinks=True)
    return copy
