# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""The runtime directory: whose it is, who holds a rack, what is removed."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from diag.model.rack.runtime_dir import (
    RackDir,
    RuntimeDirError,
    base_dir,
    clear_rack,
    is_locked,
    list_racks,
    lock_rack,
    rack_dir,
    running_pid,
    write_pid,
)
from tests.build.racks import runtime_directory


@pytest.fixture
def base(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A base directory of our own."""
    with runtime_directory() as folder:
        monkeypatch.setenv("AXL_RUNTIME_DIR", str(folder))
        yield folder


def test_the_base_directory_is_made_for_the_owner_alone(base: Path) -> None:
    """A new base directory has mode 0700."""
    base.rmdir()
    assert base_dir(create=True).stat().st_mode & 0o777 == 0o700
    base.mkdir(exist_ok=True)


def test_a_base_directory_open_to_others_is_refused(base: Path) -> None:
    """Others could put their sockets into it."""
    base.chmod(0o755)
    with pytest.raises(RuntimeDirError, match="chmod 700"):
        base_dir()


def test_a_link_as_base_directory_is_refused(base: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever owns a link decides where it leads."""
    link = base / "link"
    link.symlink_to(base)
    monkeypatch.setenv("AXL_RUNTIME_DIR", str(link))
    with pytest.raises(RuntimeDirError, match="or a link"):
        base_dir()


def test_without_axl_runtime_dir_the_session_directory_is_used(
    base: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """XDG_RUNTIME_DIR comes second."""
    monkeypatch.delenv("AXL_RUNTIME_DIR")
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(base))
    assert base_dir(create=True) == base / "axl"


def test_a_base_directory_that_cannot_be_made_is_told(
    base: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The error names the path and the variable to set."""
    (base / "file").touch()
    monkeypatch.setenv("AXL_RUNTIME_DIR", str(base / "file" / "axl"))
    with pytest.raises(RuntimeDirError, match="set AXL_RUNTIME_DIR"):
        base_dir(create=True)


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "-x", "a" * 49, "a\n", "a b"])
def test_a_name_that_could_lead_elsewhere_is_refused(base: Path, name: str) -> None:
    """Names are single harmless path components."""
    with pytest.raises(RuntimeDirError, match="is no rack name"):
        rack_dir(name)


def test_a_path_too_long_for_a_socket_is_refused(
    base: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """sun_path has 108 bytes; the message says what to change."""
    monkeypatch.setenv("AXL_RUNTIME_DIR", str(base / ("d" * 90)))
    with pytest.raises(RuntimeDirError, match="too long for a socket path"):
        rack_dir("rack", create=True)


def test_one_process_holds_a_rack(base: Path) -> None:
    """The lock is exclusive and tells the pid."""
    directory = rack_dir("one", create=True)
    lock = lock_rack(directory)
    assert lock is not None
    write_pid(lock)
    assert lock_rack(directory) is None
    assert running_pid(directory) == os.getpid()
    os.close(lock)
    assert not is_locked(directory)
    assert running_pid(directory) is None


def test_a_stale_pid_file_is_nobody(base: Path) -> None:
    """A pid without the lock may belong to any process by now."""
    directory = rack_dir("stale", create=True)
    directory.pid.write_text("1\n")
    assert running_pid(directory) is None
    assert list_racks() == [directory]


def test_a_folder_that_no_rack_made_is_no_rack(base: Path) -> None:
    """Only folders with a lock file are listed, so that nobody stops or clears another one."""
    (base / "photos").mkdir()
    (base / ".lab").mkdir()
    (base / "link").symlink_to(base)
    assert list_racks() == []


def test_clearing_removes_all_that_racks_make(base: Path) -> None:
    """Sockets, files and event rings go, and the folder with them."""
    directory = rack_dir("full", create=True)
    for name in ("control.sock", "ep0.sock", "ep63.sock", "topology", "events.enable", "log"):
        (directory.path / name).touch()
    directory.events.mkdir()
    (directory.events / "123-abc.ring").touch()
    lock = lock_rack(directory)
    assert lock is not None
    assert clear_rack(directory) == []
    os.close(lock)
    assert not directory.path.exists()


def test_clearing_leaves_what_no_rack_makes(base: Path) -> None:
    """A user's file in the folder is reported, not removed."""
    directory = rack_dir("mine", create=True)
    (directory.path / "thesis.txt").touch()
    directory.topology.touch()
    lock = lock_rack(directory)
    assert lock is not None
    assert clear_rack(directory) == ["thesis.txt"]
    os.close(lock)
    assert (directory.path / "thesis.txt").exists()
    assert not directory.topology.exists()


def test_clearing_does_not_follow_a_link(base: Path) -> None:
    """An events folder that is a link is not entered."""
    victim = base / "victim"
    victim.mkdir()
    (victim / "1-a.ring").touch()
    directory = RackDir(base / "evil")
    directory.path.mkdir()
    directory.events.symlink_to(victim)
    lock = lock_rack(directory)
    assert lock is not None
    assert clear_rack(directory) == ["events"]
    os.close(lock)
    assert (victim / "1-a.ring").exists()
