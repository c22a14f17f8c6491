# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""Page tables, read back the way the device reads them."""

from __future__ import annotations

from contextlib import closing

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pyaccel.spec import formats as f

PAGE = 1 << f.PAGE_SHIFT
LARGE = 1 << f.LARGE_PAGE_SHIFT


class Table:
    """axl_pt and a walker that starts from its root."""

    def __init__(self, core, host, large_pages=True):
        self.core, self.host = core, host
        self.c = core.new("struct axl_pt *")
        self.error = core.error(core.axl_pt_init(self.c, host.os, large_pages))

    def map(self, va, address, size, space=f.Space.HOST, writable=True):
        """Name of the result."""
        return self.core.error(self.core.axl_pt_map(self.c, va, address, size, space, writable))

    def unmap(self, va, size):
        """Name of the result."""
        return self.core.error(self.core.axl_pt_unmap(self.c, va, size))

    def _entry(self, table_bus, index):
        """One entry as the device reads it."""
        cpu = self.core.axl_host_cpu(self.host.c, table_bus)
        assert cpu != self.core.ffi.NULL, "an entry points to memory that was freed"
        return self.core.ffi.cast("uint64_t *", cpu)[index]

    def walk(self, va):
        """(address, space, writable, page bytes) of a mapped va, None if it is not mapped."""
        table = self.core.axl_pt_root(self.c)
        for level in range(f.PT_LEVELS - 1, -1, -1):
            shift = f.PAGE_SHIFT + 9 * level
            entry = self._entry(table, va >> shift & 511)
            if not entry & f.PTE_VALID_MASK:
                return None
            address = entry & f.PTE_ADDRESS_MASK
            if entry & f.PTE_LEAF_MASK:
                assert level in (0, 1)
                assert address % (1 << shift) == 0
                space = (entry & f.PTE_SPACE_MASK) >> f.PTE_SPACE_SHIFT
                offset = va & ((1 << shift) - 1)
                return address + offset, space, bool(entry & f.PTE_WRITABLE_MASK), 1 << shift
            assert entry == f.PTE_VALID_MASK | address, "bits beyond those of a table pointer"
            table = address
        raise AssertionError("level 0 without LEAF")


@pytest.fixture
def table(core, host):
    """An empty page table that uses large pages."""
    return Table(core, host)


def test_mapped_pages_translate_and_others_do_not(table):
    """Each page of the range leads to its address; the pages beside it to nothing."""
    assert table.map(0x10000, 0x5000_0000, 3 * PAGE, f.Space.DEVICE, writable=False) == "ok"
    assert table.walk(0x10000) == (0x5000_0000, f.Space.DEVICE, False, PAGE)
    assert table.walk(0x12FFF) == (0x5000_2FFF, f.Space.DEVICE, False, PAGE)
    assert table.walk(0xFFFF) is None
    assert table.walk(0x13000) is None
    assert table.c.mapped_bytes == 3 * PAGE


def test_aligned_ranges_use_large_pages(table):
    """2 MiB aligned parts become one entry, the rest 4 KiB entries."""
    assert table.map(LARGE - PAGE, 8 * LARGE - PAGE, 2 * LARGE + 2 * PAGE) == "ok"
    sizes = [table.walk(va)[3] for va in (LARGE - PAGE, LARGE, 2 * LARGE, 3 * LARGE)]
    assert sizes == [PAGE, LARGE, LARGE, PAGE]
    assert table.walk(3 * LARGE)[0] == 10 * LARGE


def test_without_the_feature_there_are_no_large_pages(core, host):
    """A device without LARGE_PAGES gets 4 KiB entries only."""
    small = Table(core, host, large_pages=False)
    assert small.map(0, 0, 2 * LARGE) == "ok"
    assert small.walk(LARGE)[3] == PAGE


def test_addresses_that_are_not_aligned_together_use_small_pages(table):
    """A va and an address that differ modulo 2 MiB cannot share a large page."""
    assert table.map(LARGE, LARGE + PAGE, LARGE) == "ok"
    assert table.walk(LARGE)[3] == PAGE


@pytest.mark.parametrize(
    ("va", "address", "size", "space"),
    [
        (1, 0, PAGE, 0),
        (0, 1, PAGE, 0),
        (0, 0, PAGE + 1, 0),
        (0, 0, 0, 0),
        (0, 0, PAGE, 3),
        (1 << 48, 0, PAGE, 0),
        ((1 << 48) - PAGE, 0, 2 * PAGE, 0),
        (2**64 - PAGE, 0, 2 * PAGE, 0),
        (0, 0, (1 << 48) + PAGE, 0),
        (0, 1 << 52, PAGE, 0),
        (0, (1 << 52) - PAGE, 2 * PAGE, 0),
        (0, 2**64 - PAGE, PAGE, 0),
    ],
)
def test_impossible_ranges_are_refused(table, va, address, size, space):
    """Misaligned, empty, wrapping or too large ranges change nothing."""
    assert table.map(va, address, size, space) == "invalid_argument"
    assert (table.c.table_count, table.c.mapped_bytes) == (1, 0)


def test_the_last_page_of_the_address_space_can_be_mapped(table):
    """Neither end of the virtual and of the physical range is off by one."""
    assert table.map((1 << 48) - PAGE, (1 << 52) - PAGE, PAGE) == "ok"
    assert table.walk((1 << 48) - 1)[0] == (1 << 52) - 1


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ((0x10000, 4 * PAGE), (0x13000, 4 * PAGE)),
        ((0x13000, 4 * PAGE), (0x10000, 4 * PAGE)),
        ((LARGE, LARGE), (LARGE + 5 * PAGE, PAGE)),
        ((LARGE + 5 * PAGE, PAGE), (LARGE, LARGE)),
        ((LARGE, LARGE), (LARGE, LARGE)),
        ((4 * LARGE, PAGE), (0, 5 * LARGE)),
    ],
)
def test_overlap_is_refused_and_leaves_the_old_mapping(table, first, second):
    """A range that meets another is not mapped at all and makes no table."""
    assert table.map(first[0], 0, first[1]) == "ok"
    tables = table.c.table_count
    before = table.walk(first[0])
    assert table.map(second[0], LARGE, second[1]) == "exists"
    assert table.walk(first[0]) == before
    assert table.c.table_count == tables
    assert table.c.mapped_bytes == first[1]
    inside = [
        va for va in (second[0], second[0] + second[1] - 1) if not 0 <= va - first[0] < first[1]
    ]
    assert [table.walk(va) for va in inside] == [None] * len(inside)


def test_unmap_keeps_tables_until_they_are_reclaimed(table, host, core):
    """The device may still walk unlinked tables: they are freed only by reclaim."""
    assert table.map(0, 0, PAGE) == "ok"
    assert host.c.live_dma == 4
    assert table.unmap(0, PAGE) == "ok"
    assert table.walk(0) is None
    assert (table.c.table_count, host.c.live_dma) == (1, 4)
    core.axl_pt_reclaim(table.c)
    assert host.c.live_dma == 1


@pytest.mark.parametrize(
    ("va", "size", "error"),
    [
        (0, PAGE, "not_found"),
        (0x10000, 5 * PAGE, "not_found"),
        (0xF000, 2 * PAGE, "not_found"),
        (LARGE, PAGE, "invalid_argument"),
        (LARGE + PAGE, LARGE, "invalid_argument"),
        (0x10000, 0, "invalid_argument"),
        (0x10001, PAGE, "invalid_argument"),
        ((1 << 48), PAGE, "invalid_argument"),
    ],
)
def test_unmap_of_what_is_not_mapped_changes_nothing(table, va, size, error):
    """Partly mapped ranges and cuts through a large page are refused as a whole."""
    table.map(0x10000, 0, 4 * PAGE)
    table.map(LARGE, 0, LARGE)
    assert table.unmap(va, size) == error
    assert table.walk(0x10000) is not None
    assert table.walk(LARGE) is not None
    assert table.c.mapped_bytes == 4 * PAGE + LARGE


def test_part_of_a_mapping_can_be_unmapped(table):
    """Small pages go one by one."""
    table.map(0x10000, 0, 4 * PAGE)
    assert table.unmap(0x11000, 2 * PAGE) == "ok"
    mapped = [table.walk(0x10000 + n * PAGE) is not None for n in range(4)]
    assert mapped == [True, False, False, True]


def test_deinit_frees_all_tables(core, host, table):
    """Linked and retired tables are all given back."""
    for n in range(20):
        assert table.map(n << 39 if n < 8 else n << 30, 0, PAGE) == "ok"
    table.unmap(0, PAGE)
    core.axl_pt_deinit(table.c)
    core.axl_pt_deinit(table.c)
    assert (host.c.live, host.c.live_dma) == (0, 0)


def test_each_failing_allocation_leaves_nothing_half_mapped(core, host, table):
    """Map four regions with the n-th allocation refused, for every n."""
    size = 2 * LARGE + 2 * PAGE
    va = (1 << 39) - LARGE - PAGE
    refused = 0
    while True:
        refused += 1
        host.c.refuse_at = host.c.allocations + refused
        result = table.map(va, PAGE, size)
        host.c.refuse_at = 0
        if result == "ok":
            break
        assert result == "no_memory"
        assert (table.c.table_count, table.c.mapped_bytes) == (1, 0)
        assert all(table.walk(at) is None for at in range(va, va + size, LARGE // 2))
        core.axl_pt_reclaim(table.c)
        assert (host.c.live, host.c.live_dma) == (1, 1)
    assert refused > 10
    assert table.walk(va + size - 1)[0] == PAGE + size - 1


@pytest.mark.parametrize("refused", [1, 2])
def test_init_without_memory_leaves_nothing(core, host, refused):
    """Table and record may each fail."""
    host.c.refuse_at = refused
    assert Table(core, host).error == "no_memory"
    assert (host.c.live, host.c.live_dma) == (0, 0)


SPOTS = [0, LARGE - 2 * PAGE, LARGE, 3 * LARGE, (1 << 30) - LARGE, (1 << 39) - PAGE]
REGIONS = st.tuples(
    st.sampled_from(SPOTS),
    st.integers(0, 3).map(lambda n: n * PAGE),
    st.sampled_from([PAGE, 2 * PAGE, 5 * PAGE, LARGE, LARGE + PAGE, 2 * LARGE]),
    st.sampled_from([0, PAGE, LARGE, 7 * LARGE]),
)


@settings(deadline=None, max_examples=120)
@given(steps=st.lists(st.tuples(st.booleans(), REGIONS), max_size=25))
def test_table_agrees_with_a_dictionary(core, steps):
    """Random maps and unmaps: the walker sees exactly what a dictionary of pages says."""
    with closing(core.host()) as host:
        table = Table(core, host)
        pages: dict[int, int] = {}
        for is_map, (spot, shift, size, address) in steps:
            va = spot + shift
            touched = range(va, va + size, PAGE)
            if is_map:
                free = not any(page in pages for page in touched)
                assert table.map(va, address, size) == ("ok" if free else "exists")
                if free:
                    pages |= {page: address + page - va for page in touched}
            elif table.unmap(va, size) == "ok":
                assert all(pages.pop(page, None) is not None for page in touched)
                core.axl_pt_reclaim(table.c)
            assert table.c.mapped_bytes == len(pages) * PAGE
        for spot in SPOTS:
            for page in range(spot, spot + 6 * PAGE, PAGE):
                seen = table.walk(page)
                assert (seen and seen[0]) == pages.get(page)
        core.axl_pt_deinit(table.c)
        assert (host.c.live, host.c.live_dma) == (0, 0)
