# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""Settings and options of the whole test run."""

from __future__ import annotations

import signal
from collections.abc import Generator

import hypothesis
import pytest

# An example takes as long as the machine is busy: no test asserts wall time.
hypothesis.settings.register_profile("axl", deadline=None)
hypothesis.settings.load_profile("axl")

# A shell that starts the tests in the background has them ignore Ctrl-C, and every program that
# they start inherits that.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_addoption(parser: pytest.Parser) -> None:
    """How long the tests go on that can go on for ever."""
    group = parser.getgroup("axl")
    group.addoption(
        "--fuzz-seconds", type=int, default=20, help="of the ioctl fuzzer in the guest (20)"
    )
    group.addoption(
        "--fuzz-seed", type=int, default=None, help="of that fuzzer; else always the same"
    )


@pytest.hookimpl(wrapper=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> Generator[None]:
    """Where pytest-xdist may run a test: all of the guest in one process, else by file.

    The guest is booted once, and a file's fixtures are set up once. Guest tests first: they
    take longest, and what waits for them at the end would wait alone.
    """
    # Before pytest-xdist reads the marks; sorted after pytest-randomly has mixed.
    for item in items:
        guest = item.get_closest_marker("guest") is not None
        item.add_marker(pytest.mark.xdist_group("guest" if guest else item.nodeid.split("::")[0]))
    yield
    items.sort(key=lambda item: item.get_closest_marker("guest") is None)
