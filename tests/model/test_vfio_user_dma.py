# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""DMA_MAP and DMA_UNMAP: ranges, rights, files, and what becomes of views."""

from __future__ import annotations

import errno
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from diag.model.bus import BusError
from diag.model.vfio_user import dma_map as dma_map_module
from diag.model.vfio_user import protocol as wire
from diag.model.vfio_user.client import VfioUserClient
from diag.model.vfio_user.dma_map import PAGE_BYTES, DmaMap
from diag.model.vfio_user.protocol import Command, MapFlag, RequestError
from tests.build.vfio_user import Served, dma_map, dma_unmap, memfd, open_fds

RW = MapFlag.READ | MapFlag.WRITE
BASE = 0x1_0000_0000
EINVAL = errno.EINVAL


@pytest.fixture
def fd() -> Iterator[int]:
    """64 KiB of shareable memory."""
    number = memfd(1 << 16)
    yield number
    os.close(number)


def bus_bytes(served: Served, address: int, length: int) -> bytes:
    """What the function reads at a bus address."""

    def read() -> bytes:
        assert served.function.bus is not None
        return bytes(served.function.bus.dma_view(address, length, write=False))

    return served.call(read)


def test_mapped_memory_is_shared_both_ways(served: Served, client: VfioUserClient, fd: int) -> None:
    """The function sees what the client stores in its memory and the other way round."""
    client.dma_map(BASE, 0x4000, fd, offset=0x8000)
    os.pwrite(fd, b"from client", 0x8010)
    assert bus_bytes(served, BASE + 0x10, 11) == b"from client"

    def write() -> bool:
        assert served.function.bus is not None
        served.function.bus.dma_view(BASE + 0x3FFC, 4, write=True)[:] = b"done"
        return served.function.bus.dma_contains(BASE, 0x4000)

    assert served.call(write)
    assert os.pread(fd, 4, 0xBFFC) == b"done"


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        dma_map(BASE, 0x1000)[:-1],
        dma_map(BASE, 0x1000) + b"\0",
        dma_map(BASE, 0x1000, argsz=31),
        dma_map(BASE, 0),
        dma_map(BASE, 0x1001),
        dma_map(BASE + 1, 0x1000),
        dma_map(BASE, 0x1000, offset=1),
        dma_map(BASE, 0x1000, flags=0),
        dma_map(BASE, 0x1000, flags=4),
        dma_map(BASE, 0x11000),
        dma_map(BASE, 0x1000, offset=0x10000),
        dma_map(BASE, 0x1000, offset=(1 << 64) - 0x1000),
        dma_map((1 << 64) - 0x1000, 0x2000),
    ],
)
def test_bad_map(served: Served, client: VfioUserClient, fd: int, payload: bytes) -> None:
    """A map that is misaligned, empty, wrapping or larger than its file is EINVAL."""
    before = open_fds()
    client.request(Command.DMA_MAP, payload, [fd], expect=EINVAL)
    assert open_fds() == before
    assert not served.call(lambda: served.function.bus.dma_contains(BASE, 1))  # type: ignore[union-attr]


def test_map_up_to_the_last_address(client: VfioUserClient, fd: int) -> None:
    """The last page of the address space can be mapped."""
    client.dma_map((1 << 64) - 0x1000, 0x1000, fd)
    client.dma_unmap((1 << 64) - 0x1000, 0x1000)


def test_map_takes_one_descriptor(client: VfioUserClient, fd: int) -> None:
    """Two descriptors with one DMA_MAP are EINVAL."""
    client.request(Command.DMA_MAP, dma_map(BASE, 0x1000), [fd, fd], expect=EINVAL)


def test_offset_needs_a_descriptor(client: VfioUserClient) -> None:
    """An offset without a file is EINVAL."""
    client.request(Command.DMA_MAP, dma_map(BASE, 0x1000, offset=0x1000), expect=EINVAL)


@pytest.mark.parametrize(
    ("address", "size"),
    [
        (BASE, 0x2000),
        (BASE, 0x1000),
        (BASE + 0x1000, 0x1000),
        (BASE - 0x1000, 0x2000),
        (BASE + 0x1000, 0x4000),
        (BASE - 0x1000, 0x8000),
    ],
)
def test_overlap_is_refused(client: VfioUserClient, fd: int, address: int, size: int) -> None:
    """A map that touches an existing one is EEXIST, with and without a file."""
    client.dma_map(BASE, 0x2000, fd)
    client.request(Command.DMA_MAP, dma_map(address, size), [fd], expect=errno.EEXIST)
    client.request(Command.DMA_MAP, dma_map(address, size), expect=errno.EEXIST)


def test_neighbours_do_not_overlap(client: VfioUserClient, fd: int) -> None:
    """Mappings may touch each other, but one access may not span two."""
    client.dma_map(BASE, 0x1000, fd)
    client.dma_map(BASE + 0x1000, 0x1000, fd, offset=0x1000)
    client.dma_map(BASE - 0x1000, 0x1000, fd)


def test_range_over_several_mappings_comes_in_pieces(fd: int) -> None:
    """In order, as few as possible: what lies side by side in the file is one piece."""
    dma = DmaMap()
    for page, place in enumerate((3, 4, 5, 0, 1, 9)):
        dma.add(BASE + page * 0x1000, 0x1000, RW, place * 0x1000, fd)
        os.pwrite(fd, bytes([place]) * 0x1000, place * 0x1000)
    views = dma.views(BASE + 0x800, 0x5000, write=True)
    assert [len(view) for view in views] == [0x2800, 0x2000, 0x800]
    whole = b"".join(views)
    assert [whole[at] for at in range(0, 0x5000, 0x800)] == [3, 4, 4, 5, 5, 0, 0, 1, 1, 9]
    views[1][0x1000:0x1004] = b"here"
    assert os.pread(fd, 4, 0x1000) == b"here"
    assert all(view.readonly for view in dma.views(BASE, 0x6000, write=False))
    with pytest.raises(BusError, match="no mapping covers it"):
        dma.views(BASE + 0x800, 0x6000, write=False)


def test_no_piece_leaves_its_rights_or_jumps_a_gap(fd: int) -> None:
    """A read-only page or a hole in the middle of a range refuses all of it."""
    dma = DmaMap()
    dma.add(BASE, 0x1000, RW, 0, fd)
    dma.add(BASE + 0x1000, 0x1000, MapFlag.READ, 0x1000, fd)
    dma.add(BASE + 0x2000, 0x1000, RW, 0x2000, fd)
    dma.add(BASE + 0x4000, 0x1000, RW, 0x4000, fd)
    assert [len(view) for view in dma.views(BASE, 0x3000, write=False)] == [0x1000] * 3
    with pytest.raises(BusError, match="does not allow"):
        dma.views(BASE, 0x3000, write=True)
    with pytest.raises(BusError, match="no mapping covers it"):
        dma.views(BASE + 0x2000, 0x3000, write=False)


def test_write_needs_a_writable_map(served: Served, client: VfioUserClient, fd: int) -> None:
    """A read-only map refuses writes, a write-only map refuses reads."""
    client.dma_map(BASE, 0x1000, fd, flags=MapFlag.READ)
    client.dma_map(BASE + 0x1000, 0x1000, fd, flags=MapFlag.WRITE)
    assert bus_bytes(served, BASE, 4) == bytes(4)
    assert served.function.bus is not None
    bus = served.function.bus
    for address, write in ((BASE, True), (BASE + 0x1000, False)):
        with pytest.raises(BusError, match="does not allow"):
            bus.dma_view(address, 4, write=write)
    assert bus.dma_view(BASE, 4, write=False).readonly


def test_read_only_descriptor_cannot_be_mapped_writable(client: VfioUserClient, fd: int) -> None:
    """A writable map of a read-only descriptor is refused with the system's errno."""
    fcntl.fcntl(fd, fcntl.F_ADD_SEALS, fcntl.F_SEAL_SHRINK)
    reader = os.open(f"/proc/self/fd/{fd}", os.O_RDONLY)
    client.request(Command.DMA_MAP, dma_map(BASE, 0x1000), [reader], expect=errno.EACCES)
    client.dma_map(BASE, 0x1000, reader, flags=MapFlag.READ)
    client.dma_map(BASE + 0x1000, 0x1000, fd)
    os.close(reader)


def test_window_without_file_cannot_be_accessed(served: Served, client: VfioUserClient) -> None:
    """A map without a file is remembered, but holds no bytes."""
    client.dma_map(BASE, 0x1000)
    with pytest.raises(BusError, match="no mapping"):
        bus_bytes(served, BASE, 4)
    client.dma_unmap(BASE, 0x1000)


def test_memory_is_sealed_against_truncation(client: VfioUserClient, fd: int) -> None:
    """After DMA_MAP the client itself can no longer shrink the memory under the server."""
    client.dma_map(BASE, 0x10000, fd)
    assert fcntl.fcntl(fd, fcntl.F_GET_SEALS) & fcntl.F_SEAL_SHRINK
    with pytest.raises(PermissionError):
        os.ftruncate(fd, 0)


def test_memory_that_cannot_be_sealed_is_refused(client: VfioUserClient, tmp_path: Path) -> None:
    """A memfd without sealing, a file and a pipe are refused with EPERM."""
    unsealable = memfd(0x1000, os.MFD_CLOEXEC)
    file = os.open(tmp_path / "file", os.O_RDWR | os.O_CREAT)
    os.ftruncate(file, 0x1000)
    pipe = os.pipe()
    for number in (unsealable, file, pipe[0]):
        client.request(Command.DMA_MAP, dma_map(BASE, 0x1000), [number], expect=errno.EPERM)
    for number in (unsealable, file, *pipe):
        os.close(number)


def test_nothing_is_asked_of_a_file_without_seals(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Not even its size: a file system in user space could let the server wait for ever."""
    file = os.open(tmp_path / "file", os.O_RDWR | os.O_CREAT)

    def asked(_: int) -> os.stat_result:
        raise AssertionError("fstat of a file that may be in user space")

    with monkeypatch.context() as patch:
        patch.setattr(dma_map_module.os, "fstat", asked)
        with pytest.raises(RequestError, match="EPERM"):
            DmaMap().add(BASE, 0x1000, RW, 0, file)
    os.close(file)


def test_files_of_one_client_leave_addresses_for_others() -> None:
    """Sparse files are mapped whole; together they are limited, and unmapping gives back."""
    limit = dma_map_module.MAX_FILE_BYTES
    assert 64 * limit < 1 << 47
    fds = [memfd(limit // 2) for _ in range(3)]
    greedy = DmaMap()
    for number, fd in enumerate(fds[:2]):
        greedy.add(BASE + 0x1000 * number, 0x1000, RW, 0, fd)
    with pytest.raises(RequestError, match="ENOSPC"):
        greedy.add(BASE + 0x2000, 0x1000, RW, 0, fds[2])
    greedy.release(greedy.take(BASE, 0x1000))
    greedy.add(BASE + 0x2000, 0x1000, RW, 0, fds[2])
    greedy.release(greedy.take_all())
    assert greedy.retained == 0
    for fd in fds:
        os.close(fd)


def test_trusted_clients_need_no_seal() -> None:
    """With trust_unsealed a plain memfd is accepted."""
    number = memfd(0x1000, os.MFD_CLOEXEC)
    trusting = DmaMap(trust_unsealed=True)
    trusting.add(BASE, 0x1000, RW, 0, number)
    os.close(number)
    assert trusting.contains(BASE, 0x1000)
    trusting.release(trusting.take_all())


@pytest.mark.parametrize(
    ("payload", "code"),
    [
        (b"", EINVAL),
        (dma_unmap(BASE, 0x2000)[:-1], EINVAL),
        (dma_unmap(BASE, 0x2000, argsz=23), EINVAL),
        (dma_unmap(BASE, 0x2000, flags=1), errno.EOPNOTSUPP),
        (dma_unmap(BASE, 0x2000, flags=4), errno.EOPNOTSUPP),
        (dma_unmap(BASE, 0x2000, flags=2), EINVAL),
        (dma_unmap(BASE, 0), EINVAL),
        (dma_unmap(BASE, 0x1000), EINVAL),
        (dma_unmap(BASE + 0x1000, 0x1000), EINVAL),
        (dma_unmap(BASE + 0x1000, 0x8000), EINVAL),
        (dma_unmap(BASE + 0x2000, 0x1000), errno.ENOENT),
        (dma_unmap(0, 0x1000), errno.ENOENT),
        (dma_unmap(BASE, (1 << 64) - 0x1000), EINVAL),
    ],
)
def test_bad_unmap(
    served: Served, client: VfioUserClient, fd: int, payload: bytes, code: int
) -> None:
    """An unmap that cuts a mapping, hits none or has junk is refused and removes nothing."""
    client.dma_map(BASE, 0x2000, fd)
    client.request(Command.DMA_UNMAP, payload, expect=code)
    assert bus_bytes(served, BASE + 0x1FFC, 4) == bytes(4)


def test_unmap_answers_with_the_request(served: Served, client: VfioUserClient, fd: int) -> None:
    """The reply repeats the entry; afterwards the memory is gone and the function was told."""
    client.dma_map(BASE, 0x2000, fd)
    payload = dma_unmap(BASE, 0x2000)
    assert client.request(Command.DMA_UNMAP, payload) == payload
    assert served.call(lambda: served.function.calls[-1]) == "dma_changed"
    with pytest.raises(BusError):
        bus_bytes(served, BASE, 4)


def test_unmap_of_a_range_takes_all_in_it(served: Served, client: VfioUserClient, fd: int) -> None:
    """A range that covers several whole mappings removes them all."""
    for page in range(4):
        client.dma_map(BASE + 0x2000 * page, 0x1000, fd)
    client.dma_unmap(BASE, 0x5000)
    assert served.function.bus is not None
    found = [served.function.bus.dma_contains(BASE + 0x2000 * page, 1) for page in range(4)]
    assert found == [False, False, False, True]


def test_unmap_all(served: Served, client: VfioUserClient, fd: int) -> None:
    """The unmap-all flag removes every mapping, even if there is none."""
    client.dma_unmap(0, 0, wire.UNMAP_ALL)
    client.dma_map(BASE, 0x1000, fd)
    client.dma_map(0, 0x1000)
    client.dma_unmap(0, 0, wire.UNMAP_ALL)
    with pytest.raises(BusError):
        bus_bytes(served, BASE, 4)


def test_function_lets_go_before_memory_goes(
    served: Served, client: VfioUserClient, fd: int
) -> None:
    """dma_changed runs while the views are still valid, and no file stays mapped after it."""
    client.dma_map(BASE, 0x1000, fd)

    def hold() -> bool:
        assert served.function.bus is not None
        served.function.held = served.function.bus.dma_view(BASE, 16, write=True)
        return True

    served.call(hold)
    before = len(open_fds())
    client.dma_unmap(BASE, 0x1000)
    assert len(open_fds()) == before - 1


def test_one_file_is_mapped_once() -> None:
    """Many mappings of one file take one descriptor, which goes with the last of them."""
    before = len(open_fds())
    number = memfd(1 << 20)
    shared = DmaMap()
    for page in range(256):
        shared.add(BASE + 0x1000 * page, 0x1000, RW, 0x1000 * page, number)
    os.close(number)
    assert len(open_fds()) == before + 1
    taken = shared.take(BASE, 255 * 0x1000)
    shared.release(taken)
    assert len(open_fds()) == before + 1
    shared.release(shared.take_all())
    assert len(open_fds()) == before
    assert len(shared) == 0


def test_file_that_grew_is_mapped_anew() -> None:
    """A file may grow between two maps; the earlier mapping stays valid."""
    number = memfd(0x1000)
    growing = DmaMap()
    growing.add(BASE, 0x1000, RW, 0, number)
    os.ftruncate(number, 0x3000)
    growing.add(BASE + 0x1000, 0x1000, RW, 0x2000, number)
    growing.view(BASE, 4, write=True)[:] = b"head"
    growing.view(BASE + 0x1000, 4, write=True)[:] = b"tail"
    assert (os.pread(number, 4, 0), os.pread(number, 4, 0x2000)) == (b"head", b"tail")
    os.close(number)
    growing.release(growing.take_all())
    assert growing.retained == 0


def test_view_that_is_kept_is_counted() -> None:
    """A view that outlives its mapping keeps its bytes valid and is counted."""
    number = memfd(0x1000)
    leaky = DmaMap()
    leaky.add(BASE, 0x1000, RW, 0, number)
    os.close(number)
    kept = leaky.view(BASE, 4, write=True)
    leaky.release(leaky.take_all())
    assert leaky.retained == 1
    kept[:] = b"okay"
    kept.release()


def test_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    """The number of mappings and of files is limited; the next one is ENOSPC."""
    monkeypatch.setattr(dma_map_module, "MAX_MAPS", 4)
    monkeypatch.setattr(dma_map_module, "MAX_FILES", 2)
    full = DmaMap()
    for number in range(2):
        fd = memfd(0x1000)
        full.add(BASE + 0x1000 * number, 0x1000, RW, 0, fd)
        os.close(fd)
    fd = memfd(0x1000)
    with pytest.raises(RequestError, match="ENOSPC: 2 files"):
        full.add(BASE + 0x4000, 0x1000, RW, 0, fd)
    os.close(fd)
    full.add(0, 0x1000, RW, 0, None)
    full.add(0x1000, 0x1000, RW, 0, None)
    with pytest.raises(RequestError, match="ENOSPC: 4 mappings"):
        full.add(0x2000, 0x1000, RW, 0, None)
    full.release(full.take_all())


def test_peers_answer_what_no_file_covers() -> None:
    """Addresses outside shared memory are asked of the peers, shared memory is not."""
    number = memfd(0x1000)
    window = bytearray(b"peer")
    asked: list[tuple[int, int, bool]] = []

    def peers(address: int, length: int, write: bool) -> memoryview | None:
        asked.append((address, length, write))
        return memoryview(window) if address == 0x40_0000_0000 else None

    with_peers = DmaMap(peers)
    with_peers.add(BASE, 0x1000, RW, 0, number)
    os.close(number)
    with_peers.view(BASE, 4, write=True)
    assert asked == []
    assert bytes(with_peers.view(0x40_0000_0000, 4, write=False)) == b"peer"
    with pytest.raises(BusError, match="no mapping"):
        with_peers.view(0x50_0000_0000, 4, write=False)
    assert asked == [(0x40_0000_0000, 4, False), (0x50_0000_0000, 4, False)]
    with_peers.release(with_peers.take_all())


PAGES = st.integers(0, 15)
STEPS = st.lists(st.tuples(st.booleans(), PAGES, st.integers(1, 6)), max_size=40)


@given(STEPS)
def test_map_agrees_with_a_page_table(steps: list[tuple[bool, int, int]]) -> None:
    """After any maps and unmaps each page is covered as a plain table of pages says."""
    model: dict[int, int] = {}
    tested = DmaMap()
    for number, (mapping, page, count) in enumerate(steps):
        span = range(page, page + count)
        owners = {model[p] for p in span if p in model}
        whole = all(all(q in span for q, o in model.items() if o == owner) for owner in owners)
        address, size = page * PAGE_BYTES, count * PAGE_BYTES
        try:
            if mapping:
                tested.add(address, size, RW, 0, None)
                assert not owners
                model.update(dict.fromkeys(span, number))
            else:
                tested.take(address, size)
                assert owners
                assert whole
                model = {p: o for p, o in model.items() if o not in owners}
        except RequestError:
            assert owners if mapping else (not owners or not whole)
    covered = {
        p
        for m in tested.mappings
        for p in range(m.address // PAGE_BYTES, (m.address + m.size) // PAGE_BYTES)
    }
    assert covered == set(model)
