# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""Event source of the embedded rack: the rings that libaxl keeps in RACKDIR/events.

Files are read with pread, not mapped: a ring that its owner truncates then gives a short
read instead of SIGBUS, and each system call orders the header read before the copy and the
copy before the tail, also on machines with weak memory ordering.
"""

from __future__ import annotations

import logging
import os
import stat
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np

from diag.trace.decode.ring import (
    HEADER_BYTES,
    STATE,
    STATE_OFFSET,
    TAIL_OFFSET,
    RingDecoder,
    RingState,
    Span,
)
from diag.trace.errors import RingError, RingUnfinishedError
from diag.trace.model import MAX_ENDPOINTS, Endpoint, Loss, Poll, Refused
from diag.trace.schema import to_batch

log = logging.getLogger(__name__)

RING_SUFFIX: Final = ".ring"
MAX_RINGS: Final = 4096
"""Open at a time; more are refused and said so."""
UNFINISHED_GRACE_S: Final = 1.0
"""How long a ring may lack its magic, which is written last, before it is refused."""


class Ring:
    """One open ring file: the thin shell around a RingDecoder."""

    def __init__(self, path: Path, label: str) -> None:
        """OSError if it cannot be opened, RingError if it is no ring (or none yet)."""
        self.path = path
        self.label = label
        """How losses and refusals name it."""
        # NONBLOCK: a FIFO planted under this name must not block the recorder.
        self._fd = os.open(path, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
        try:
            header = os.pread(self._fd, HEADER_BYTES, 0)
            _refuse_unfinished(header)
            self.decoder = RingDecoder(header, _regular_file_bytes(self._fd))
        except BaseException:
            os.close(self._fd)
            raise

    @property
    def name(self) -> str:
        """File name: unique among the open rings, but used again by later ones."""
        return self.path.name

    def skip(self) -> None:
        """Ignore what was written so far."""
        self.decoder.skip(self.state())
        self._publish_tail()

    def state(self) -> RingState:
        """The writer's words as of now."""
        # A copy by pread need not be one 8-byte access. Of two reads the smaller head is one
        # that the writer has really passed: too small only means that less is taken now.
        first, second = self._read_state(), self._read_state()
        tail = self.decoder.tail
        mask = (1 << 64) - 1
        return min(first, second, key=lambda state: (state.head - tail) & mask)

    def drain(self) -> tuple[np.ndarray[Any, Any], RingState]:
        """Take every whole record; RingError if the ring breaks its contract."""
        if os.fstat(self._fd).st_size < self.decoder.expected_bytes:
            raise RingError("the file was truncated")
        state = self.state()
        pieces = [self._copy(span) for span in self.decoder.plan(state)]
        events = self.decoder.feed(b"".join(pieces))
        if len(events):
            self._publish_tail()
        return events, state

    def is_abandoned(self) -> bool:
        """True if the writer died without closing the ring."""
        try:
            os.kill(self.decoder.header.pid, 0)
        except ProcessLookupError:
            return True
        except (PermissionError, OverflowError):
            pass
        return False

    def remove(self) -> None:
        """Delete the file, unless a newer one took its name."""
        with suppress(OSError):
            on_disk, ours = self.path.lstat(), os.fstat(self._fd)
            if (on_disk.st_dev, on_disk.st_ino) == (ours.st_dev, ours.st_ino):
                self.path.unlink()

    def close(self) -> None:
        """Release the file; a second call does nothing."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def _read_state(self) -> RingState:
        data = os.pread(self._fd, STATE.size, STATE_OFFSET)
        if len(data) < STATE.size:
            raise RingError("the file was truncated")
        return RingState.unpack(data)

    def _copy(self, span: Span) -> bytes:
        data = os.pread(self._fd, span.length, span.offset)
        if len(data) < span.length:
            raise RingError("the file was truncated")
        return data

    def _publish_tail(self) -> None:
        os.pwrite(self._fd, self.decoder.tail.to_bytes(8, "little"), TAIL_OFFSET)


@dataclass(slots=True)
class _Seen:
    """What a poll collects before it becomes a Poll."""

    events: list[np.ndarray[Any, Any]] = field(default_factory=list)
    losses: list[Loss] = field(default_factory=list)
    refused: list[Refused] = field(default_factory=list)
    endpoints: list[Endpoint] = field(default_factory=list)
    pressure: float = 0.0


class RingSource:
    """EventSource over a folder of rings; finds rings that appear later.

    What rings hold when the source is made is skipped: it predates the recording. A ring that
    its writer closed is removed once it is empty. One whose writer died is removed at the end
    only: a process of another pid namespace looks dead, too.
    """

    def __init__(self, folder: Path, endpoints: tuple[Endpoint, ...] = ()) -> None:
        self.folder = folder
        self._rings: dict[str, Ring] = {}
        self._ignored: set[tuple[str, int]] = set()
        self._endpoints = list(endpoints)
        self._rows = {(row.serial, row.index): row.row for row in endpoints}
        self._reported: dict[str, int] = {}
        self._uses: dict[str, int] = {}
        self._first = _Seen()
        self._discover(self._first)
        for ring in list(self._rings.values()):
            self._guard(ring, self._first, ring.skip)

    def poll(self) -> Poll:
        """Drain every ring once."""
        seen, self._first = self._first, _Seen()
        # Discover first: a writer that is quick to finish leaves its ring behind to be found.
        self._discover(seen)
        for ring in list(self._rings.values()):
            self._guard(ring, seen, lambda ring=ring: self._drain(ring, seen))
        batches = tuple(to_batch(events) for events in seen.events)
        return Poll(
            batches=batches,
            losses=tuple(seen.losses),
            refused=tuple(seen.refused),
            endpoints=tuple(seen.endpoints),
            pressure=seen.pressure,
        )

    def endpoints(self) -> tuple[Endpoint, ...]:
        """The endpoint table so far."""
        return tuple(self._endpoints)

    def close(self) -> None:
        """Close every ring; the files of living writers stay."""
        for ring in self._rings.values():
            if ring.is_abandoned():
                ring.remove()
            ring.close()
        self._rings.clear()

    def _discover(self, seen: _Seen) -> None:
        present = set()
        with suppress(FileNotFoundError), os.scandir(self.folder) as entries:
            for entry in entries:
                if not entry.name.endswith(RING_SUFFIX):
                    continue
                key = (entry.name, entry.inode())
                present.add(key)
                if entry.name not in self._rings and key not in self._ignored:
                    self._open(Path(entry.path), key, seen)
        self._ignored &= present

    def _open(self, path: Path, key: tuple[str, int], seen: _Seen) -> None:
        try:
            self._check_room()
            ring = Ring(path, self._label(path.name))
        except FileNotFoundError:
            return
        except (RingError, OSError) as error:
            if isinstance(error, RingUnfinishedError) and _is_young(path):
                return  # look again at the next poll
            self._ignored.add(key)
            self._note_refusal(path.name, error, seen)
            return
        try:
            ring.decoder.row = self._row_of(ring, seen)
        except RingError as error:
            ring.close()
            self._ignored.add(key)
            self._note_refusal(path.name, error, seen)
            return
        self._rings[path.name] = ring

    def _check_room(self) -> None:
        if len(self._rings) >= MAX_RINGS:
            raise RingError(f"more than {MAX_RINGS} rings at a time")

    def _label(self, name: str) -> str:
        """The file name, numbered from its second use on: libaxl takes free names again."""
        uses = self._uses[name] = self._uses.get(name, 0) + 1
        return name if uses == 1 else f"{name}#{uses}"

    def _row_of(self, ring: Ring, seen: _Seen) -> int:
        """Row of the ring's endpoint; appends one for an endpoint that is new."""
        header = ring.decoder.header
        key = (header.board_serial, header.endpoint_index)
        if key not in self._rows:
            row = len(self._endpoints)
            if row >= MAX_ENDPOINTS:
                raise RingError(f"more than {MAX_ENDPOINTS} endpoints")
            name = f"card:{key[0]:#018x}/{key[1]}"
            found = Endpoint(row, key[0], key[1], None, name)
            self._rows[key] = row
            self._endpoints.append(found)
            seen.endpoints.append(found)
        return self._rows[key]

    def _guard(self, ring: Ring, seen: _Seen, action: Any) -> None:
        """Run `action`; a ring that breaks its contract is dropped, the others go on."""
        try:
            action()
        except (RingError, OSError) as error:
            self._ignored.add((ring.name, _inode(ring.path)))
            self._rings.pop(ring.name, None)
            ring.close()
            self._note_refusal(ring.label, error, seen)

    def _drain(self, ring: Ring, seen: _Seen) -> None:
        events, state = ring.drain()
        if len(events):
            seen.events.append(events)
            fill = len(events) / ring.decoder.header.capacity
            seen.pressure = max(seen.pressure, fill)
        self._note_loss(ring, seen)
        if state.closed and state.head == ring.decoder.tail:
            self._retire(ring)

    def _note_loss(self, ring: Ring, seen: _Seen) -> None:
        decoder = ring.decoder
        if decoder.dropped_count == self._reported.get(ring.label, 0):
            return
        self._reported[ring.label] = decoder.dropped_count
        seen.losses.append(
            Loss(
                ring=ring.label,
                endpoint=decoder.row,
                pid=decoder.header.pid,
                dropped_count=decoder.dropped_count,
                time_ns=time.monotonic_ns(),
            )
        )

    def _retire(self, ring: Ring) -> None:
        """Remove a ring that will never get another record."""
        del self._rings[ring.name]
        ring.remove()
        ring.close()

    def _note_refusal(self, name: str, error: Exception, seen: _Seen) -> None:
        log.warning("ring=%s refused: %s", name, error)
        seen.refused.append(Refused(name, str(error), time.monotonic_ns()))


def _regular_file_bytes(fd: int) -> int:
    info = os.fstat(fd)
    if not stat.S_ISREG(info.st_mode):
        raise RingError("not a regular file")
    return info.st_size


def _refuse_unfinished(header: bytes) -> None:
    """Judged from the bytes that were read: a second look could find the ring finished."""
    if header[:8] in (b"", bytes(8)):
        raise RingUnfinishedError("its magic, which is written last, is missing")


def _is_young(path: Path) -> bool:
    """Whether a ring may still be in the making."""
    try:
        age_s = time.time() - path.lstat().st_mtime
    except OSError:
        return False
    return abs(age_s) < UNFINISHED_GRACE_S


def _inode(path: Path) -> int:
    try:
        return path.lstat().st_ino
    except OSError:
        return -1
