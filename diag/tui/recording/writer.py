# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""Writes a recording. Every sample is on its way to the disk when `add` returns."""

from __future__ import annotations

import os
from pathlib import Path

from diag.topo.protocol import SourceUsageError
from diag.topo.sampling import Sample
from diag.tui.recording.codec import MAGIC, Encoder


class Writer:
    """A new file; an old one is never overwritten.

    Args:
        path: of the recording.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.bytes = len(MAGIC)
        self.problem: str | None = None
        """Why nothing is recorded any more."""
        self._encoder = Encoder()
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
        try:
            self._fd = os.open(path, flags, 0o600)
            os.write(self._fd, MAGIC)
        except FileExistsError:
            raise SourceUsageError(f"{path}: is there already; name another file") from None
        except OSError as error:
            raise SourceUsageError(f"{path}: cannot be written: {error.strerror}") from None

    def add(self, sample: Sample) -> None:
        """The next sample. A full disk ends the recording and not the program."""
        if self.problem is not None:
            return
        record = self._encoder.record(sample)
        try:
            # One write a record: what a crash leaves is whole up to the last one.
            written = os.write(self._fd, record)
        except OSError as error:
            self.problem = f"{self.path}: {error.strerror}; the recording ends here"
            return
        self.bytes += written
        if written < len(record):
            self.problem = f"{self.path}: the disk is full; the recording ends here"

    def close(self) -> None:
        """No more samples."""
        os.close(self._fd)
