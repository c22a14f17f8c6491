# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""What all command line tools need of a terminal: its width and its encoding."""

from __future__ import annotations

import io
import os
import sys
from typing import Final, TextIO

NARROWEST: Final = 40
"""Columns below which no layout is tried."""
WIDEST: Final = 4096


def width(stream: TextIO | None = None) -> int | None:
    """Columns of the terminal (COLUMNS wins); None where lines may be as long as they like."""
    asked = os.environ.get("COLUMNS", "")
    if asked.isdecimal() and NARROWEST <= int(asked) <= WIDEST:
        return int(asked)
    try:
        columns = os.get_terminal_size((stream or sys.stdout).fileno()).columns
    except (OSError, ValueError):
        return None
    # A terminal that does not know its size says 0.
    return max(columns, NARROWEST) if columns else None


def accept_any_encoding() -> None:
    """Print characters that the terminal's encoding lacks as question marks."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")


def version_text(tool: str) -> str:
    """What `TOOL --version` prints."""
    # Slow to import, and of no use to anything else.
    from importlib.metadata import PackageNotFoundError, version  # noqa: PLC0415

    try:
        return f"{tool} {version('accelstack')}"
    except PackageNotFoundError:
        return f"{tool} (not installed)"
