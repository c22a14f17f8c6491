# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""The rack's log file is bounded, whoever writes to it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from diag.model.rack import log_file
from diag.model.rack.log_file import KEPT_BYTES, MAX_LOG_BYTES, BoundedLog


@pytest.fixture
def log(tmp_path: Path) -> Iterator[BoundedLog]:
    """A log in a file."""
    fd = os.open(tmp_path / "log", os.O_RDWR | os.O_CREAT | os.O_APPEND)
    yield BoundedLog(fd)
    os.close(fd)


def test_a_flood_keeps_its_newest_lines(log: BoundedLog, tmp_path: Path) -> None:
    """The file never exceeds the limit, its end is what came last, and it says it was cut."""
    line = "x" * 500
    for number in range(2 * MAX_LOG_BYTES // 500):
        print(number, line, file=log)
        assert os.fstat(log.fileno()).st_size <= MAX_LOG_BYTES
    lines = (tmp_path / "log").read_text().splitlines()
    assert lines[0] == "(older lines were cut off)"
    assert lines[-1] == f"{number} {line}"
    assert all(text.endswith(line) for text in lines[1:])


def test_one_huge_line_is_cut(log: BoundedLog) -> None:
    """Even a single write stays within the limit."""
    for _ in range(5):
        log.write("y" * (3 * MAX_LOG_BYTES))
    assert KEPT_BYTES <= os.fstat(log.fileno()).st_size <= MAX_LOG_BYTES


def test_two_writers_share_the_limit(
    log: BoundedLog, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A second process appends where the first one cut."""
    monkeypatch.setattr(log_file, "MAX_LOG_BYTES", 1000)
    monkeypatch.setattr(log_file, "KEPT_BYTES", 100)
    other_fd = os.open(tmp_path / "log", os.O_RDWR | os.O_APPEND)
    other = BoundedLog(other_fd)
    for number in range(200):
        print("line", number, file=(log, other)[number % 2])
    os.close(other_fd)
    text = (tmp_path / "log").read_bytes()
    assert len(text) <= 1000
    assert b"\0" not in text
    assert text.endswith(b"line 198\nline 199\n")
