# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""Philox4x32-10 against the published known-answer vectors, and RANDOM on top of it."""

from __future__ import annotations

import math

import numpy as np
import pytest

from diag.model.compute import philox
from pyaccel.spec.formats import Dtype, Random, Status
from tests.build.commands import random
from tests.build.host import Bench

M32 = 0xFFFFFFFF
KNOWN = [
    # Random123, kat_vectors: counter, key, result of philox 4x32 10
    ((0, 0, 0, 0), (0, 0), (0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8)),
    ((M32,) * 4, (M32, M32), (0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD)),
    (
        (0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344),
        (0xA4093822, 0x299F31D0),
        (0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1),
    ),
]


def scalar(counter: list[int], key: list[int]) -> list[int]:
    """One block in plain Python integers."""
    c, k = list(counter), list(key)
    for _ in range(10):
        low, high = c[0] * 0xD2511F53, c[2] * 0xCD9E8D57
        c = [high >> 32 ^ c[1] ^ k[0], high & M32, low >> 32 ^ c[3] ^ k[1], low & M32]
        k = [(k[0] + 0x9E3779B9) & M32, (k[1] + 0xBB67AE85) & M32]
    return c


def words(seed: int, offset: int, subsequence: int, count: int) -> list[int]:
    """The words of consecutive blocks, from the scalar version."""
    result: list[int] = []
    for block in range(-(-count // 4)):
        low = (offset + block) & 0xFFFFFFFFFFFFFFFF
        counter = [low & M32, low >> 32, subsequence & M32, subsequence >> 32]
        result += scalar(counter, [seed & M32, seed >> 32])
    return result[:count]


@pytest.mark.parametrize(("counter", "key", "expected"), KNOWN)
def test_blocks_match_the_known_answers(
    counter: tuple[int, ...], key: tuple[int, ...], expected: tuple[int, ...]
) -> None:
    """The three vectors of the Random123 distribution."""
    low, high = counter[0] | counter[1] << 32, counter[2] | counter[3] << 32
    assert tuple(philox.blocks(key[0] | key[1] << 32, high, low, 1)[0].tolist()) == expected
    assert tuple(scalar(list(counter), list(key))) == expected


def test_bits_are_the_words_in_order(bench: Bench) -> None:
    """Element i is word i%4 of block offset + i/4, across a carry into the upper word."""
    counter = (0x123456789ABCDEF0, 0xFFFFFFFE, 77)
    out = bench.out((3, 7), Dtype.I64)
    command = random(Random.BITS, (3, 7), out, (0, 0), counter)
    assert bench.run(command).status == Status.OK
    assert bench.get(out, (21,)).tolist() == words(*counter, 21)


def test_counter_wraps_in_its_low_half(bench: Bench) -> None:
    """The 64-bit low part wraps; the subsequence does not change."""
    counter = (1, 0xFFFFFFFFFFFFFFFF, 5)
    out = bench.out((8,), Dtype.I64)
    bench.run(random(Random.BITS, (8,), out, (0, 0), counter))
    assert bench.get(out, (8,)).tolist() == words(*counter, 8)


def test_uniform_follows_the_formula(bench: Bench) -> None:
    """Low + u * (high - low) with u the upper 24 bits of the word."""
    out = bench.out((10,), Dtype.F64)
    bench.run(random(Random.UNIFORM, (10,), out, (-1.0, 3.0), (9, 0, 0)))
    expected = [-1 + 4 * (word >> 8) / 2**24 for word in words(9, 0, 0, 10)]
    assert bench.get(out, (10,)).tolist() == expected


def test_normal_is_box_muller_on_pairs(bench: Bench) -> None:
    """Words 2j and 2j+1 of a block give elements 2j and 2j+1."""
    out = bench.out((6,), Dtype.F64)
    bench.run(random(Random.NORMAL, (6,), out, (10.0, 2.0), (3, 4, 5)))
    raw = words(3, 4, 5, 6)
    expected = []
    for first, second in zip(raw[::2], raw[1::2], strict=True):
        radius = math.sqrt(-2 * math.log(1 - (first >> 8) / 2**24))
        angle = 2 * math.pi * (second >> 8) / 2**24
        expected += [10 + 2 * radius * math.cos(angle), 10 + 2 * radius * math.sin(angle)]
    np.testing.assert_allclose(bench.get(out, (6,)), expected, rtol=1e-12)


def test_bernoulli_compares_with_the_probability(bench: Bench) -> None:
    """1 where u < p, in any type."""
    out = bench.out((100,), Dtype.BOOL)
    bench.run(random(Random.BERNOULLI, (100,), out, (0.3, 0), (1, 2, 3)))
    expected = [int((word >> 8) / 2**24 < 0.3) for word in words(1, 2, 3, 100)]
    assert bench.get(out, (100,)).tolist() == expected


def test_large_output_equals_its_parts() -> None:
    """Working in chunks does not show in the numbers."""
    count = 4 * 65536 + 9
    whole = philox.generate(Random.BITS, Dtype.I32, count, (0, 0), (1, 2, 3))
    tail = philox.generate(Random.BITS, Dtype.I32, 9, (0, 0), (1, 2 + 65536, 3))
    assert whole[-9:].tolist() == tail.tolist()


def test_normal_needs_a_float_type(bench: Bench) -> None:
    """NORMAL into integers is refused."""
    out = bench.out((4,), Dtype.I32)
    command = random(Random.NORMAL, (4,), out, (0.0, 1.0), (0, 0, 0))
    assert bench.run(command).status == Status.UNSUPPORTED_DTYPE
