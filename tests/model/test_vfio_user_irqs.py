# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""DEVICE_SET_IRQS: every flag combination, masks, folding and who owns the eventfds."""

from __future__ import annotations

import contextlib
import errno
import itertools
import os
import select
import signal
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from diag.model.bus import IrqKind
from diag.model.vfio_user import irqs as irqs_module
from diag.model.vfio_user.client import VfioUserClient
from diag.model.vfio_user.descriptors import close_all
from diag.model.vfio_user.irqs import InterruptSet
from diag.model.vfio_user.protocol import Command, IrqSetFlag, Request, RequestError
from tests.build.vfio_user import Served, eventfd, irq_set, memfd, open_fds

NONE, BOOL, EVENTFD = IrqSetFlag.DATA_NONE, IrqSetFlag.DATA_BOOL, IrqSetFlag.DATA_EVENTFD
MASK, UNMASK = IrqSetFlag.ACTION_MASK, IrqSetFlag.ACTION_UNMASK
TRIGGER = IrqSetFlag.ACTION_TRIGGER
MSI, MSIX, INTX = IrqKind.MSI, IrqKind.MSIX, IrqKind.INTX
EINVAL = errno.EINVAL


@pytest.fixture
def events() -> Iterator[list[int]]:
    """17 eventfds of the client."""
    fds = [eventfd() for _ in range(17)]
    yield fds
    for fd in fds:
        os.close(fd)


def raised(served: Served, vector: int) -> bool:
    """Let the function raise a vector."""

    def job() -> bool:
        assert served.function.bus is not None
        return served.function.bus.raise_interrupt(vector)

    return served.call(job)


def count(fd: int) -> int:
    """How often an eventfd was signalled since the last look."""
    try:
        return os.eventfd_read(fd)
    except BlockingIOError:
        return 0


def test_msix_vectors_reach_their_eventfds(
    served: Served, client: VfioUserClient, events: list[int]
) -> None:
    """Each MSI-X vector signals its own eventfd; without one nothing is signalled."""
    assert not raised(served, 0)
    client.assign_eventfds(MSIX, events)
    for vector in (0, 5, 16):
        assert raised(served, vector)
        assert [count(fd) for fd in events] == [int(n == vector) for n in range(17)]
    assert not raised(served, 17)


def test_msi_folds_to_the_vectors_granted(
    served: Served, client: VfioUserClient, events: list[int]
) -> None:
    """With four MSI vectors granted, vector 6 arrives as 2; with one, all arrive as 0."""
    client.assign_eventfds(MSI, events[:4])
    assert raised(served, 6)
    assert [count(fd) for fd in events[:4]] == [0, 0, 1, 0]
    client.set_irqs(MSI, NONE | TRIGGER, range(0))
    client.assign_eventfds(MSI, events[:1])
    assert raised(served, 7)
    assert count(events[0]) == 1


def test_msix_wins_over_msi_and_intx(
    served: Served, client: VfioUserClient, events: list[int]
) -> None:
    """MSI-X is used before MSI, MSI before INTx."""
    client.assign_eventfds(INTX, events[:1])
    assert raised(served, 3)
    client.assign_eventfds(MSI, events[1:2])
    assert raised(served, 3)
    client.assign_eventfds(MSIX, [events[2]], start=3)
    assert raised(served, 3)
    assert [count(fd) for fd in events[:3]] == [1, 1, 1]


def test_intx_masks_itself(served: Served, client: VfioUserClient, events: list[int]) -> None:
    """After one INTx the next waits for the client's unmask."""
    client.assign_eventfds(INTX, events[:1])
    assert raised(served, 0)
    assert raised(served, 0)
    assert count(events[0]) == 1
    client.set_irqs(INTX, NONE | UNMASK, range(1))
    assert count(events[0]) == 1


@pytest.mark.parametrize("kind", [MSI, MSIX])
@pytest.mark.parametrize("data", [NONE, BOOL])
def test_masked_vector_is_pending_until_unmasked(
    served: Served, client: VfioUserClient, events: list[int], kind: IrqKind, data: IrqSetFlag
) -> None:
    """A masked vector is delivered once when it is unmasked, others at once."""
    client.assign_eventfds(kind, events[:4])
    selected = b"\0\1" if data is BOOL else b""
    span = range(1, 3) if data is BOOL else range(2, 3)
    client.set_irqs(kind, data | MASK, span, data=selected)
    for vector in (1, 2, 2):
        assert raised(served, vector)
    assert [count(fd) for fd in events[:4]] == [0, 1, 0, 0]
    client.set_irqs(kind, data | UNMASK, span, data=selected)
    assert [count(fd) for fd in events[:4]] == [0, 0, 1, 0]


def test_client_triggers_vectors(client: VfioUserClient, events: list[int]) -> None:
    """NONE triggers the whole range, BOOL those that are true; both respect masks."""
    client.assign_eventfds(MSIX, events)
    client.set_irqs(MSIX, NONE | TRIGGER, range(2, 5))
    assert [count(fd) for fd in events[:6]] == [0, 0, 1, 1, 1, 0]
    client.set_irqs(MSIX, NONE | MASK, range(1, 2))
    client.set_irqs(MSIX, BOOL | TRIGGER, range(4), data=b"\1\1\0\1")
    assert [count(fd) for fd in events[:4]] == [1, 0, 0, 1]
    client.set_irqs(MSIX, NONE | UNMASK, range(1, 2))
    assert count(events[1]) == 1


def test_mask_and_unmask_eventfds_are_told(client: VfioUserClient, events: list[int]) -> None:
    """Eventfds given for MASK and UNMASK are signalled when that happens."""
    client.set_irqs(MSIX, EVENTFD | MASK, range(1), events[:1])
    client.set_irqs(MSIX, EVENTFD | UNMASK, range(1), events[1:2])
    client.set_irqs(MSIX, NONE | MASK, range(1))
    assert (count(events[0]), count(events[1])) == (1, 0)
    client.set_irqs(MSIX, NONE | UNMASK, range(1))
    assert (count(events[0]), count(events[1])) == (0, 1)
    client.set_irqs(MSIX, EVENTFD | MASK, range(1))
    client.set_irqs(MSIX, NONE | MASK, range(1))
    assert count(events[0]) == 0


def test_missing_descriptors_take_vectors_away(
    served: Served, client: VfioUserClient, events: list[int]
) -> None:
    """EVENTFD without descriptors de-assigns the range, NONE with count 0 the whole kind."""
    client.assign_eventfds(MSIX, events[:4])
    client.set_irqs(MSIX, EVENTFD | TRIGGER, range(1, 3))
    assert [raised(served, vector) for vector in range(4)] == [True, False, False, True]
    client.set_irqs(MSIX, NONE | TRIGGER, range(0))
    assert [raised(served, vector) for vector in range(4)] == [False] * 4


def test_reassigned_vector_uses_the_new_eventfd(
    served: Served, client: VfioUserClient, events: list[int]
) -> None:
    """A second eventfd for a vector replaces the first, which is closed."""
    client.assign_eventfds(MSIX, events[:1])
    before = len(open_fds())
    client.assign_eventfds(MSIX, events[1:2])
    assert len(open_fds()) == before
    assert raised(served, 0)
    assert (count(events[0]), count(events[1])) == (0, 1)


def test_full_counter_does_not_stop_the_device(served: Served, client: VfioUserClient) -> None:
    """A blocking eventfd whose counter is full neither blocks nor fails an interrupt."""
    full = os.eventfd(0, os.EFD_CLOEXEC)
    os.eventfd_write(full, (1 << 64) - 2)
    client.assign_eventfds(MSIX, [full])
    assert raised(served, 0)
    os.close(full)


def test_client_that_makes_its_eventfd_block_again_does_not_stop_the_device(
    served: Served, client: VfioUserClient
) -> None:
    """The non-blocking flag is the client's too: it is looked at before every signal."""
    full = eventfd()
    client.assign_eventfds(MSIX, [full])
    os.set_blocking(full, True)
    os.eventfd_write(full, (1 << 64) - 2)
    assert raised(served, 0)
    os.close(full)


def test_a_signal_ends_a_write_that_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """A client that wins the race between look and write gets no interrupt any more."""
    full = eventfd()
    os.eventfd_write(full, (1 << 64) - 2)
    irqs = InterruptSet({MSIX: 1})
    assign = irq_set(MSIX, EVENTFD | TRIGGER, 0, 1)
    irqs.set(Request(1, Command.DEVICE_SET_IRQS, 0, assign, [os.dup(full)]))
    os.set_blocking(full, True)
    monkeypatch.setattr(irqs_module.fcntl, "fcntl", lambda *_: os.O_NONBLOCK)
    handler = signal.signal(signal.SIGUSR1, lambda *_: None)
    blocked = threading.get_ident()
    knock = threading.Timer(0.05, lambda: signal.pthread_kill(blocked, signal.SIGUSR1))
    knock.start()
    try:
        irqs.raise_vector(0)
    finally:
        knock.join()
        signal.signal(signal.SIGUSR1, handler)
    assert irqs.is_hostile
    assert not irqs.raise_vector(0)
    with pytest.raises(RequestError, match="EPERM"):
        irqs.set(Request(2, Command.DEVICE_SET_IRQS, 0, assign, [full]))
    os.close(full)


BAD = [
    b"",
    irq_set(MSIX, EVENTFD | TRIGGER, 0, 1)[:-1],
    b"\x13" + irq_set(MSIX, EVENTFD | TRIGGER, 0, 1)[1:],
    irq_set(5, NONE | TRIGGER, 0, 0),
    irq_set(0xFFFFFFFF, NONE | TRIGGER, 0, 0),
    irq_set(MSIX, 0, 0, 1),
    irq_set(MSIX, NONE, 0, 1),
    irq_set(MSIX, TRIGGER, 0, 1),
    irq_set(MSIX, NONE | TRIGGER | 64, 0, 1),
    irq_set(MSIX, NONE | MASK | UNMASK, 0, 1),
    irq_set(MSIX, NONE | BOOL | TRIGGER, 0, 1, b"\1"),
    irq_set(MSIX, NONE | TRIGGER, 17, 1),
    irq_set(MSIX, NONE | TRIGGER, 16, 2),
    irq_set(MSIX, NONE | TRIGGER, 1, 0xFFFFFFFF),
    irq_set(MSIX, NONE | TRIGGER, 0xFFFFFFFF, 1),
    irq_set(MSIX, NONE | TRIGGER, 1, 0),
    irq_set(MSIX, NONE | MASK, 0, 0),
    irq_set(MSIX, BOOL | TRIGGER, 0, 0),
    irq_set(MSIX, EVENTFD | TRIGGER, 0, 0),
    irq_set(MSIX, BOOL | TRIGGER, 0, 2, b"\1"),
    irq_set(MSIX, BOOL | TRIGGER, 0, 2, b"\1\1\1"),
    irq_set(MSIX, NONE | TRIGGER, 0, 1, b"\1"),
    irq_set(MSIX, EVENTFD | TRIGGER, 0, 1, b"\1\0\0\0"),
    irq_set(IrqKind.ERR, NONE | MASK, 0, 1),
    irq_set(IrqKind.ERR, EVENTFD | UNMASK, 0, 1),
    irq_set(IrqKind.ERR, NONE | TRIGGER, 0, 2),
    irq_set(IrqKind.REQ, NONE | TRIGGER, 0, 2),
]


@pytest.mark.parametrize("payload", BAD)
def test_bad_set_irqs(client: VfioUserClient, payload: bytes) -> None:
    """Each malformed DEVICE_SET_IRQS is EINVAL."""
    client.request(Command.DEVICE_SET_IRQS, payload, expect=EINVAL)


@pytest.mark.parametrize(
    ("data", "count_", "given"), [(NONE, 1, 1), (BOOL, 1, 1), (EVENTFD, 2, 1), (EVENTFD, 1, 2)]
)
def test_descriptors_must_fit(
    client: VfioUserClient, events: list[int], data: IrqSetFlag, count_: int, given: int
) -> None:
    """Descriptors go with EVENTFD only, and as many as vectors."""
    payload = irq_set(MSIX, data | TRIGGER, 0, count_, b"\1" * count_ if data is BOOL else b"")
    before = open_fds()
    client.request(Command.DEVICE_SET_IRQS, payload, events[:given], expect=EINVAL)
    assert open_fds() == before


def other_descriptors(folder: Path) -> list[int]:
    """One descriptor of each kind that is no eventfd, a file of that very name among them."""
    disguised = folder / "anon_inode:[eventfd]"
    with select.epoll() as epoll:
        polling = os.dup(epoll.fileno())
    return [
        polling,
        *os.pipe(),
        *(end.detach() for end in socket.socketpair()),
        os.open(disguised, os.O_RDWR | os.O_CREAT),
        os.open("/dev/null", os.O_WRONLY),
        memfd(0x1000),
        os.memfd_create("anon_inode:[eventfd]"),
        os.pidfd_open(os.getpid()),
    ]


def test_only_eventfds_are_taken(
    served: Served, client: VfioUserClient, events: list[int], tmp_path: Path
) -> None:
    """Any other descriptor refuses all of the request, changes nothing and does not leak."""
    others = other_descriptors(tmp_path)
    before = open_fds()
    payload = irq_set(MSIX, EVENTFD | TRIGGER, 0, 2)
    for fd in others:
        client.request(Command.DEVICE_SET_IRQS, payload, [events[0], fd], expect=EINVAL)
    assert open_fds() == before
    assert not raised(served, 0)
    close_all(others)


def test_every_flag_combination_keeps_the_books(events: list[int]) -> None:
    """No combination of data, action, count and descriptors leaks or crashes."""
    irqs = InterruptSet({INTX: 1, MSI: 4, MSIX: 4})
    before = open_fds()
    flags = [sum(part) for part in itertools.product((0, 1, 2, 3, 4, 7), (0, 8, 16, 24, 32, 56))]
    for flag, kind, size, given in itertools.product(flags, range(6), (0, 1, 2), (0, 1, 2)):
        data = b"\1" * size if flag & BOOL else b""
        fds = [os.dup(fd) for fd in events[:given]]
        request = Request(1, Command.DEVICE_SET_IRQS, 0, irq_set(kind, flag, 0, size, data), fds)
        with contextlib.suppress(RequestError):
            irqs.set(request)
        close_all(request.take_fds())
        irqs.raise_vector(0)
    irqs.close()
    assert open_fds() == before
