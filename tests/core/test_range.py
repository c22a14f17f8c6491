# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""The range allocator against a list of intervals."""

from __future__ import annotations

from contextlib import closing

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

PAGE = 4096


class Range:
    """axl_range with Python values."""

    def __init__(self, core, host, base=0, size=64 * PAGE, granule=PAGE):
        self.core, self.host = core, host
        self.c = core.new("struct axl_range *")
        self.error = core.error(core.axl_range_init(self.c, host.os, base, size, granule))

    def alloc(self, size, align=0):
        """Start of the new range, or the name of the error."""
        out = self.core.new("uint64_t *", 0xDEAD)
        code = self.core.axl_range_alloc(self.c, size, align, out)
        assert code == 0 or out[0] == 0xDEAD
        return out[0] if code == 0 else self.core.error(code)

    def free(self, start):
        """Name of the result."""
        return self.core.error(self.core.axl_range_free(self.c, start))

    @property
    def free_bytes(self):
        """Bytes not allocated."""
        return self.core.axl_range_free_bytes(self.c)

    @property
    def largest(self):
        """Largest possible allocation."""
        return self.core.axl_range_largest(self.c)


@pytest.fixture
def pages(core, host):
    """64 pages from address 0."""
    return Range(core, host)


def test_everything_can_be_allocated_and_comes_back_whole(core, host, pages):
    """After freeing in any order the range is one piece again and owns no extra memory."""
    before = host.c.live
    starts = [pages.alloc(PAGE) for _ in range(64)]
    assert sorted(starts) == [n * PAGE for n in range(64)]
    assert pages.alloc(1) == "no_space"
    assert (pages.free_bytes, pages.largest) == (0, 0)
    for start in starts[::2] + starts[1::2]:
        assert pages.free(start) == "ok"
    assert (pages.free_bytes, pages.largest) == (64 * PAGE, 64 * PAGE)
    assert host.c.live == before
    core.axl_range_deinit(pages.c)
    assert host.c.live == 0


def test_deinit_frees_what_is_still_allocated(core, host, pages):
    """Forgetting the range gives back all of the allocator's own memory."""
    pages.alloc(PAGE)
    pages.alloc(3 * PAGE, 8 * PAGE)
    core.axl_range_deinit(pages.c)
    core.axl_range_deinit(pages.c)
    assert host.c.live == 0


def test_sizes_round_up_to_the_granule(pages, core):
    """One byte costs a granule; its size can be asked for."""
    start = pages.alloc(1)
    assert pages.free_bytes == 63 * PAGE
    assert core.axl_range_size_at(pages.c, start) == PAGE
    assert core.axl_range_size_at(pages.c, start + 1) == 0


@pytest.mark.parametrize("start", [1, PAGE, 2**64 - 1])
def test_free_of_what_was_not_allocated_changes_nothing(pages, start):
    """Interior addresses, free addresses and nonsense are refused."""
    pages.alloc(PAGE * 1)
    assert pages.free(start) == "not_found"
    assert pages.free_bytes == 63 * PAGE


def test_double_free_is_refused(pages):
    """The second free finds nothing."""
    start = pages.alloc(PAGE)
    assert pages.free(start) == "ok"
    assert pages.free(start) == "not_found"


@pytest.mark.parametrize(
    ("size", "align", "error"),
    [
        (0, 0, "invalid_argument"),
        (PAGE, 3, "invalid_argument"),
        (PAGE, PAGE + 1, "invalid_argument"),
        (2**64 - 1, 0, "no_space"),
        (2**63, 2**63, "no_space"),
        (65 * PAGE, 0, "no_space"),
        (64 * PAGE, 0, 0),
        (PAGE, 2**63, 0),  # address 0 is a multiple of everything
    ],
)
def test_hostile_sizes_and_alignments(pages, size, align, error):
    """No rounding or addition overflows into success."""
    assert pages.alloc(size, align) == error


def test_alignment_is_of_the_address_not_of_the_offset(core, host):
    """With an odd base, aligned addresses are found inside and the gap stays usable."""
    odd = Range(core, host, base=PAGE * 3, size=PAGE * 16)
    assert odd.alloc(PAGE, 8 * PAGE) == 8 * PAGE
    assert odd.alloc(5 * PAGE) == 3 * PAGE


@pytest.mark.parametrize(
    ("base", "size", "granule"),
    [
        (0, 0, PAGE),
        (0, PAGE, 0),
        (0, PAGE, 3),
        (1, PAGE, PAGE),
        (0, PAGE + 1, PAGE),
        (2**64 - PAGE, 2 * PAGE, PAGE),
    ],
)
def test_init_refuses_impossible_ranges(core, host, base, size, granule):
    """Misaligned, empty or wrapping ranges are refused without allocating."""
    assert Range(core, host, base, size, granule).error == "invalid_argument"
    assert host.c.allocations == 0


def test_the_very_top_of_the_address_space_works(core, host):
    """A range that ends at 2^64 has no overflow at its end."""
    top = Range(core, host, base=2**64 - 4 * PAGE, size=4 * PAGE)
    assert top.alloc(4 * PAGE) == 2**64 - 4 * PAGE
    assert top.free(2**64 - 4 * PAGE) == "ok"
    assert top.largest == 4 * PAGE


@pytest.mark.parametrize("refused", [1, 2])
def test_init_without_memory_leaves_nothing(core, host, refused):
    """Either allocation of init may fail."""
    host.c.refuse_at = refused
    assert Range(core, host).error == "no_memory"
    assert host.c.live == 0


@pytest.mark.parametrize("refused", [1, 2])
def test_alloc_without_memory_changes_nothing(pages, host, refused):
    """A split that needs two nodes and gets none or one is undone."""
    pages.alloc(PAGE)
    host.c.refuse_at = host.c.allocations + refused
    before = host.c.live
    assert pages.alloc(PAGE, 4 * PAGE) == "no_memory"
    assert (host.c.live, pages.free_bytes) == (before, 63 * PAGE)
    host.c.refuse_at = 0
    assert pages.alloc(PAGE, 4 * PAGE) == 4 * PAGE


def test_growing_index_without_memory_is_harmless(core, host):
    """With thousands of ranges and no memory for a larger index, lookups still work."""
    many = Range(core, host, size=4096 * PAGE)
    starts = [many.alloc(PAGE) for _ in range(63)]
    host.c.refuse_at = host.c.allocations + 2  # the node is made, the larger index is not
    starts.append(many.alloc(PAGE))
    host.c.refuse_at = 0
    starts += [many.alloc(PAGE) for _ in range(1000)]
    assert [many.free(start) for start in starts] == ["ok"] * len(starts)
    assert many.largest == 4096 * PAGE


@settings(deadline=None, max_examples=80)
@given(data=st.data())
def test_ranges_never_overlap_and_fit_is_always_found(core, data):
    """Against a model of intervals: aligned, disjoint, and no false "no space"."""
    base = data.draw(st.integers(0, 40)) * PAGE
    size = data.draw(st.integers(1, 64)) * PAGE
    with closing(core.host()) as host:
        ranges = Range(core, host, base, size)
        used: dict[int, int] = {}
        for _ in range(data.draw(st.integers(0, 40))):
            if used and data.draw(st.booleans()):
                start = data.draw(st.sampled_from(sorted(used)))
                assert ranges.free(start) == "ok"
                del used[start]
                continue
            want = data.draw(st.integers(1, size + PAGE))
            align = 1 << data.draw(st.integers(0, 18))
            _check_alloc(ranges, used, (base, size), (want, align))
            assert ranges.free_bytes == size - sum(used.values())
            gaps = _gaps(used, base, size)
            assert ranges.largest == max((end - start for start, end in gaps), default=0)
        core.axl_range_deinit(ranges.c)
        assert host.c.live == 0


def _gaps(used, base, size):
    """Free intervals of the model."""
    edges = [base, *(e for s in sorted(used) for e in (s, s + used[s])), base + size]
    return [(a, b) for a, b in zip(edges[::2], edges[1::2], strict=True) if a < b]


def _check_alloc(ranges, used, bounds, request):
    """Allocate and compare with what the model says is possible."""
    (base, size), (want, align) = bounds, request
    need = -(-want // PAGE) * PAGE
    step = max(align, PAGE)
    possible = [s for s, e in _gaps(used, base, size) if -(-s // step) * step + need <= e]
    got = ranges.alloc(want, align)
    if not possible:
        assert got == "no_space"
        return
    assert isinstance(got, int)
    assert got % step == 0
    assert any(s <= got and got + need <= e for s, e in _gaps(used, base, size))
    used[got] = need
