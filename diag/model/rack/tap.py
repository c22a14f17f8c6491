# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""A TLP tap of the whole rack into one file: the supervisor's and the workers' part.

The supervisor makes the file and its header; every worker appends whole records. Appends
of several processes to one file do not mix (O_APPEND), and a file that is cut short by a
crash is readable up to its last record. The number of dropped records is known at the end
and is then written over the header, for which the header keeps room.
"""

from __future__ import annotations

import os
import struct
from typing import TYPE_CHECKING, Any, Final

from diag.model.loop import Loop, Timer
from diag.model.rack.control import REFUSED, Json, RpcError
from diag.model.rack.gather import Outcomes
from diag.model.rack.placement import Placement
from diag.model.tlp_file import encode_header
from pyaccel.spec.formats import TLP_BYTES

if TYPE_CHECKING:
    from diag.model.tlp import TlpTap

FLUSH_NS: Final = 50_000_000
_MANY: Final = 10**19
"""More than any count of dropped records; its digits are the room kept in the header."""


class TapSession:
    """The file of a running tap. Made by the supervisor before any worker taps.

    Raises:
        RpcError: the file exists already or cannot be made.
    """

    def __init__(self, path: str, placement: Placement) -> None:
        self.path = path
        self._endpoints: list[dict[str, Any]] = [
            {"n": e.n, "bdf": e.bdf, "serial": f"{e.serial:016x}", "index": e.index}
            for e in placement.endpoints
        ]
        try:
            fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise RpcError(REFUSED, f"{path}: {error.strerror}; name a new file") from None
        try:
            os.write(fd, self._header(0))
        finally:
            os.close(fd)

    def finish(self, outcomes: Outcomes) -> dict[str, Json]:
        """Write the final header; what was recorded, and what went wrong."""
        summary = self.status(outcomes)
        try:
            fd = os.open(self.path, os.O_WRONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
        except OSError as error:
            summary["errors"].append(f"{self.path}: {error.strerror}")
        else:
            os.pwrite(fd, self._header(summary["dropped"]), 0)
            os.close(fd)
        return {**summary, "running": False}

    def status(self, outcomes: Outcomes) -> dict[str, Json]:
        """Records, dropped records and errors so far, summed over the workers."""
        totals: dict[str, Json] = {"running": True, "path": self.path, "records": 0, "dropped": 0}
        errors: list[str] = []
        for group, outcome in outcomes:
            if isinstance(outcome, RpcError):
                errors.append(f"endpoints {[e.n for e in group.endpoints]}: {outcome.message}")
                continue
            totals["records"] += outcome["records"]
            totals["dropped"] += outcome["dropped"]
            errors += outcome["errors"]
        return {**totals, "errors": errors}

    def _header(self, dropped: int) -> bytes:
        room = len(encode_header(_MANY, self._endpoints))
        header = bytearray(encode_header(dropped, self._endpoints).ljust(room, b" "))
        struct.pack_into("<I", header, 8, room - 16)
        return bytes(header)


class TapWriter:
    """Empties the taps of one worker into the file, twenty times a second.

    Raises:
        RpcError: the file cannot be opened.
    """

    def __init__(self, loop: Loop, path: str, taps: list[TlpTap]) -> None:
        self.records = 0
        self.dropped = 0
        self.errors: list[str] = []
        self._loop = loop
        self._path = path
        self._taps = taps
        flags = os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW
        try:
            self._fd = os.open(path, flags)
        except OSError as error:
            raise RpcError(REFUSED, f"{path}: {error.strerror}") from None
        self._timer: Timer | None = loop.call_later(FLUSH_NS, self._tick)

    def flush(self) -> None:
        """Write what the taps hold; after an error only count it."""
        for tap in self._taps:
            records, dropped = tap.drain()
            self.dropped += dropped
            if self.errors:
                self.dropped += len(records)
                continue
            written = self._write(records.tobytes())
            self.records += written
            self.dropped += len(records) - written

    def close(self) -> None:
        """Write the rest and close the file."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
            self.flush()
            os.close(self._fd)

    def describe(self) -> dict[str, Json]:
        """For tap.status and tap.stop."""
        return {"records": self.records, "dropped": self.dropped, "errors": self.errors}

    def _tick(self) -> None:
        self.flush()
        self._timer = self._loop.call_later(FLUSH_NS, self._tick)

    def _write(self, data: bytes) -> int:
        done = 0
        try:
            while done < len(data):
                done += os.write(self._fd, data[done:])
        except OSError as error:
            self.errors.append(f"{self._path}: {error.strerror}; the tap records no more")
        return done // TLP_BYTES
