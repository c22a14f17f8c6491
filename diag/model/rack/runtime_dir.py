# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""The runtime directory: one folder per running rack, owned by one user.

Base directory: $AXL_RUNTIME_DIR, else $XDG_RUNTIME_DIR/axl, else /tmp/axl-UID. It must
belong to the caller and be closed to everybody else, because whoever can write there can
put a socket of his own in place of an endpoint.
"""

from __future__ import annotations

import fcntl
import os
import re
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from diag.model.rack.words import NAME_PATTERN

EVENTS_ENABLE_BYTES: Final = 4096
MAX_SOCKET_PATH: Final = 107
"""sun_path holds 108 bytes with the terminator."""

_FILES: Final = ("control.sock", "topology", "topology.new", "events.enable", "log", "pid")
_SOCKET: Final = re.compile(r"ep[0-9]{1,4}\.sock")
_RING: Final = re.compile(r"[0-9]{1,10}-[A-Za-z0-9._-]{1,64}\.ring(\.new|\.tmp)?")


class RuntimeDirError(Exception):
    """The runtime directory cannot be used; the message says what to do."""


@dataclass(frozen=True, slots=True)
class RackDir:
    """The folder of one rack and the files in it."""

    path: Path

    @property
    def name(self) -> str:
        """The rack's name."""
        return self.path.name

    @property
    def control(self) -> Path:
        """The control socket (JSON-RPC 2.0, one object a line)."""
        return self.path / "control.sock"

    @property
    def topology(self) -> Path:
        """What sits where."""
        return self.path / "topology"

    @property
    def pid(self) -> Path:
        """The supervisor's process id, locked by it."""
        return self.path / "pid"

    @property
    def events_enable(self) -> Path:
        """First little-endian u32 non-zero: clients record events."""
        return self.path / "events.enable"

    @property
    def events(self) -> Path:
        """Where clients put their event rings."""
        return self.path / "events"

    @property
    def log(self) -> Path:
        """What the supervisor and the workers write to standard error."""
        return self.path / "log"

    def socket(self, name: str) -> Path:
        """An endpoint's vfio-user socket."""
        return self.path / name


def base_dir(*, create: bool = False) -> Path:
    """The base directory, checked.

    Raises:
        RuntimeDirError: it is missing (and not to be created), a link, someone else's, or
            open to others.
    """
    path = _base_path()
    try:
        if create:
            path.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise RuntimeDirError(f"{path}: {error.strerror}; set AXL_RUNTIME_DIR") from None
    try:
        info = path.lstat()
    except OSError as error:
        raise RuntimeDirError(f"{path}: {error.strerror}; start a rack: accel-rack up") from None
    if not stat.S_ISDIR(info.st_mode):
        raise RuntimeDirError(f"{path} is no directory (or a link); remove it")
    if info.st_uid != os.getuid():
        raise RuntimeDirError(f"{path} belongs to another user; set AXL_RUNTIME_DIR")
    if info.st_mode & 0o077:
        raise RuntimeDirError(f"{path} is open to other users; run: chmod 700 {path}")
    return path


def rack_dir(name: str, *, create: bool = False) -> RackDir:
    """The folder for a rack of that name (which need not exist unless `create`)."""
    if not re.fullmatch(NAME_PATTERN, name):
        raise RuntimeDirError(f"{name[:60]!r} is no rack name (letters, digits, . _ -, up to 48)")
    path = base_dir(create=create) / name
    if len(os.fsencode(path)) + len("/control.sock") > MAX_SOCKET_PATH:
        raise RuntimeDirError(f"{path} is too long for a socket path; set AXL_RUNTIME_DIR")
    if create:
        path.mkdir(mode=0o700, exist_ok=True)
    return RackDir(path)


def list_racks() -> list[RackDir]:
    """Every rack that has a folder, running or not, by name."""
    try:
        base = base_dir()
    except RuntimeDirError:
        if _base_path().exists():
            raise
        return []
    # A folder without a lock file was not made by a rack.
    names = sorted(p.name for p in base.iterdir() if (p / "pid").is_file() and not p.is_symlink())
    return [RackDir(base / name) for name in names if re.fullmatch(NAME_PATTERN, name)]


def lock_rack(directory: RackDir) -> int | None:
    """Become the rack's supervisor: a descriptor that holds the lock while it is open.

    Returns None when another process holds it. Write the pid with `write_pid`.
    """
    while True:
        try:
            fd = os.open(
                directory.pid, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600
            )
        except FileNotFoundError:
            directory.path.mkdir(mode=0o700, exist_ok=True)
            continue
        if not _try_lock(fd):
            os.close(fd)
            return None
        if _same_file(fd, directory.pid):
            return fd
        # Its last owner removed the file between our open and our lock.
        os.close(fd)


def write_pid(fd: int) -> None:
    """Put the own process id into the locked file."""
    os.ftruncate(fd, 0)
    os.pwrite(fd, f"{os.getpid()}\n".encode(), 0)


def running_pid(directory: RackDir) -> int | None:
    """The supervisor's pid; None when no live process holds the lock."""
    try:
        fd = os.open(directory.pid, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
    except OSError:
        return None
    try:
        if _try_lock(fd):
            return None
        text = os.pread(fd, 32, 0).decode("ascii", "replace").strip()
        return int(text) if re.fullmatch(r"[1-9][0-9]{0,9}", text) else None
    finally:
        os.close(fd)


def is_locked(directory: RackDir) -> bool:
    """Whether a supervisor holds the rack."""
    try:
        fd = os.open(directory.pid, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
    except OSError:
        return False
    try:
        return not _try_lock(fd)
    finally:
        os.close(fd)


def clear_rack(directory: RackDir, *, keep_pid: bool = False) -> list[str]:
    """Remove what a rack leaves in its folder, and the folder.

    Call it only while holding the lock. Files that no rack makes are left alone and
    returned by name.
    """
    left: list[str] = []
    # The lock file goes last: until then nobody else can start here.
    for entry in sorted(directory.path.iterdir(), key=lambda path: path.name == "pid"):
        if entry.name == "pid" and (keep_pid or left):
            continue
        if entry.name == "events" and entry.is_dir() and not entry.is_symlink():
            left += _clear_events(entry)
        elif entry.name in _FILES or _SOCKET.fullmatch(entry.name):
            entry.unlink(missing_ok=True)
        else:
            left.append(entry.name)
    if not left and not keep_pid:
        directory.path.rmdir()
    return left


def _base_path() -> Path:
    explicit = os.environ.get("AXL_RUNTIME_DIR")
    if explicit:
        return Path(explicit).absolute()
    session = os.environ.get("XDG_RUNTIME_DIR")
    if session:
        return Path(session).absolute() / "axl"
    return Path(f"/tmp/axl-{os.getuid()}")  # noqa: S108 - checked for owner and mode before use


def _clear_events(events: Path) -> list[str]:
    left = []
    for entry in events.iterdir():
        if _RING.fullmatch(entry.name):
            entry.unlink(missing_ok=True)
        else:
            left.append(f"events/{entry.name}")
    if not left:
        events.rmdir()
    return left


def _try_lock(fd: int) -> bool:
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _same_file(fd: int, path: Path) -> bool:
    try:
        on_disk = path.stat()
    except OSError:
        return False
    held = os.fstat(fd)
    return (held.st_dev, held.st_ino) == (on_disk.st_dev, on_disk.st_ino)
