# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""Errors of accel-trace: what is wrong, where, and what to do about it."""

from __future__ import annotations

EXIT_FAILED = 1
"""Exit status when the thing asked for did not work (DESIGN 11)."""
EXIT_USAGE = 2
"""Exit status when the request itself was wrong."""


class TraceError(Exception):
    """A failure that a user can act on; `advice` says how, `exit_status` is the tool's."""

    exit_status = EXIT_FAILED

    def __init__(self, what: str, *, where: str = "", advice: str = "") -> None:
        self.what = what
        self.where = where
        self.advice = advice
        super().__init__(": ".join(part for part in (where, what) if part))

    def __str__(self) -> str:
        """One line, or two when there is advice."""
        text = ": ".join(part for part in (self.where, self.what) if part)
        return f"{text}\n  {self.advice}" if self.advice else text


class UsageError(TraceError):
    """The command line or its combination is wrong."""

    exit_status = EXIT_USAGE


class CaptureError(TraceError):
    """A file is no capture that this version can read."""


class RingError(TraceError):
    """An event ring breaks its contract; it is left alone from then on."""


class RingUnfinishedError(RingError):
    """An event ring has no magic: it is being made, or its writer died making it."""


class RecorderBusyError(TraceError):
    """Somebody else records on this rack."""
