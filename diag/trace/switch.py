# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""The recording switch of an embedded rack: RACKDIR/events.enable, held by one recorder.

    offset  bytes
    0       4      0: off; else libaxl records. A recorder writes its process id, so that a
                   word left behind by a killed one can be told from one set on purpose (1)
    64      1024   who records: a JSON object, padded with zeros
    4096           end; libaxl maps the page and reads the first word only

The recorder holds a lock (flock) on the file, which goes away with its process.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from diag.model.rack.runtime_dir import EVENTS_ENABLE_BYTES
from diag.trace.errors import RecorderBusyError, TraceError

WORD_BYTES: Final = 4
HOLDER_OFFSET: Final = 64
HOLDER_BYTES: Final = 1024
HAND_SET: Final = 1
"""Word that a person or a script writes; recorders write their process id."""


class Switch:
    """The lock on the switch; `enabled()` turns it on."""

    def __init__(self, path: Path, output: Path) -> None:
        """Become the only recorder; RecorderBusyError names the one that is."""
        self.path = path
        self._fd = _open(path)
        try:
            self._take(output)
        except BaseException:
            os.close(self._fd)
            raise

    @contextmanager
    def enabled(self) -> Iterator[None]:
        """Every process on the rack records; afterwards the word is what it was."""
        before = int.from_bytes(os.pread(self._fd, WORD_BYTES, 0), "little")
        self._set_word(os.getpid())
        try:
            yield
        finally:
            # Any other value was left by a recorder that was killed: we hold the lock.
            self._set_word(before if before == HAND_SET else 0)

    def close(self) -> None:
        """Let others record; a second call does nothing."""
        if self._fd >= 0:
            os.pwrite(self._fd, bytes(HOLDER_BYTES), HOLDER_OFFSET)
            os.close(self._fd)
            self._fd = -1

    def _take(self, output: Path) -> None:
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise self._busy() from None
        if os.fstat(self._fd).st_size < EVENTS_ENABLE_BYTES:
            os.ftruncate(self._fd, EVENTS_ENABLE_BYTES)  # clients map the whole page
        holder = json.dumps({"pid": os.getpid(), "output": str(output)[-500:]}).encode()
        os.pwrite(self._fd, holder[:HOLDER_BYTES].ljust(HOLDER_BYTES, b"\0"), HOLDER_OFFSET)

    def _set_word(self, value: int) -> None:
        os.pwrite(self._fd, value.to_bytes(WORD_BYTES, "little"), 0)

    def _busy(self) -> RecorderBusyError:
        holder = "another recorder"
        with suppress(ValueError, KeyError, TypeError):
            data = json.loads(os.pread(self._fd, HOLDER_BYTES, HOLDER_OFFSET).rstrip(b"\0"))
            holder = f"process {int(data['pid'])}, which writes {data['output']}"
        return RecorderBusyError(
            f"already recorded by {holder}",
            where=str(self.path.parent),
            advice="Wait for it or stop it with Ctrl-C (SIGINT); one recorder at a time.",
        )


def _open(path: Path) -> int:
    try:
        return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    except OSError as error:
        raise TraceError(
            f"cannot be opened: {error.strerror}",
            where=str(path),
            advice="Is the rack up, and yours? `accel-rack status` says.",
        ) from None
