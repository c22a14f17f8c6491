# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""Sessions and jobs without QEMU: the agent's side is played by a thread."""

from __future__ import annotations

import socket
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from diag.lab.config import LabConfig
from diag.lab.errors import GuestDiedError, LabError
from diag.lab.guest import Guest
from diag.lab.machine import SessionFiles
from diag.lab.session import Session, running_sessions, session_name


class Agent:
    """Takes requests as the guest's agent does, and runs the scripts on this machine."""

    def __init__(self, files: SessionFiles) -> None:
        self.files = files
        self.alive = True
        self.lines: list[str] = []
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(files.agent))
        self._listener.listen()
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def close(self) -> None:
        """End the thread."""
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join(10)

    def _serve(self) -> None:
        """One connection after the other."""
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            with connection, connection.makefile() as stream:
                for line in stream:
                    self.lines.append(line.strip())
                    self._do(*line.split())

    def _do(self, verb: str, *arguments: str) -> None:
        """Carry out one request; a dead guest takes none."""
        if not self.alive:
            return
        if verb == "run":
            job = self.files.share / "jobs" / arguments[0]
            (job / "pid").write_text("1")
            with (
                (job / "stdin").open("rb") as given,
                (job / "stdout").open("wb") as out,
                (job / "stderr").open("wb") as err,
            ):
                command = ["sh", "./command"]
                done = subprocess.run(
                    command, check=False, cwd=job, stdin=given, stdout=out, stderr=err
                )
            (job / "status").write_text(f"{done.returncode}\n")
        elif verb == "poweroff":
            self.alive = False


@pytest.fixture
def agent(tmp_path: Path) -> Iterator[Agent]:
    """An agent on the sockets of a session folder."""
    agent = Agent(SessionFiles(tmp_path))
    yield agent
    agent.close()


def test_output_and_status_pass_through(agent: Agent) -> None:
    """Both streams and the exit status arrive apart and unchanged."""
    guest = Guest(agent.files, lambda: agent.alive)

    done = guest.run(["sh", "-c", "printf 'a\\0b'; echo e >&2; cat; exit 9"], stdin=b"in\xff")

    assert (done.status, done.stdout, done.stderr) == (9, b"a\0bin\xff", b"e\n")
    assert list((agent.files.share / "jobs").iterdir()) == []


@pytest.mark.parametrize("word", ["two words", "$HOME", "a'b", "*", "", "x\ny"])
def test_arguments_are_not_interpreted(agent: Agent, word: str) -> None:
    """Every argument reaches the program as it was given."""
    done = Guest(agent.files, lambda: agent.alive).run(["printf", "%s", word])

    assert done.stdout == word.encode()


def test_a_guest_that_ends_is_reported(agent: Agent) -> None:
    """Nobody waits for the answer of a guest that is gone."""
    agent.alive = False

    with pytest.raises(GuestDiedError, match="the guest ended"):
        Guest(agent.files, lambda: agent.alive).run(["true"])


def test_no_agent_is_reported(tmp_path: Path) -> None:
    """A missing socket is an error that names it."""
    with pytest.raises(GuestDiedError, match=r"agent\.sock"):
        Guest(SessionFiles(tmp_path), lambda: True).run(["true"])


def test_power_off_waits_until_the_request_is_taken(agent: Agent) -> None:
    """The connection stays until QEMU is gone, or the request would be lost."""
    Guest(agent.files, lambda: agent.alive).power_off()

    assert agent.lines == ["poweroff"]


@pytest.fixture
def runtime(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A runtime directory of the test's own."""
    monkeypatch.setenv("AXL_RUNTIME_DIR", str(tmp_path / "run"))
    return tmp_path / "run"


def test_a_folder_without_supervisor_is_not_running(runtime: Path) -> None:
    """What a killed machine left behind does not count as a session, and goes with down."""
    session = Session("old")
    session.files.folder.mkdir()
    (session.files.folder / "pid").write_text("4711\n")

    assert not session.is_running
    assert running_sessions() == []
    assert session.down() is False
    assert not session.files.folder.exists()


def test_sessions_are_private(runtime: Path) -> None:
    """Nobody else can reach the sockets."""
    Session("x")

    assert runtime.stat().st_mode & 0o077 == 0
    assert (runtime / ".lab").stat().st_mode & 0o077 == 0


def test_names_cannot_leave_the_folder(runtime: Path) -> None:
    """A session name is one path component."""
    with pytest.raises(LabError, match="no session name"):
        Session("../x")


def test_the_default_name_comes_from_the_rack() -> None:
    """A rack file's session has the file's name."""
    assert session_name("2x2") == "2x2"
    assert session_name("/tmp/my rack.yaml") == "my-rack"


def test_the_state_file_round_trips(tmp_path: Path) -> None:
    """What a session was started with can be read back."""
    config = LabConfig("2x2", iommu=True, memory_mib=2048)
    config.save(tmp_path / "state.json")

    assert LabConfig.load(tmp_path / "state.json") == config


@pytest.mark.parametrize("text", ["", "[]", '{"version": 1}', '{"version": 2, "rack": "x"}'])
def test_a_damaged_state_file_is_an_error(tmp_path: Path, text: str) -> None:
    """Anything else than a state file of this version is refused with what to do."""
    (tmp_path / "state.json").write_text(text)

    with pytest.raises(LabError, match="run accel-lab down"):
        LabConfig.load(tmp_path / "state.json")
