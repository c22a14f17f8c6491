# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""RANDOM: Philox4x32-10 (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", 2011)."""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

from diag.model.compute.convert import convert
from diag.model.compute.dtypes import ANY, BITS, FLOATS, STORAGE, Array, require
from pyaccel.spec.formats import Dtype, Random

Words = npt.NDArray[np.uint32]
_U64 = npt.NDArray[np.uint64]
_M0: Final = np.uint64(0xD2511F53)
_M1: Final = np.uint64(0xCD9E8D57)
_W0: Final = 0x9E3779B9
_W1: Final = 0xBB67AE85
_M32: Final = 0xFFFFFFFF
_LOW: Final = np.uint64(_M32)
_32: Final = np.uint64(32)
_ROUNDS: Final = 10
_UNIT: Final = 2.0**-24
_CHUNK_BLOCKS: Final = 1 << 16
"""Blocks made at once: the working set then stays in the second-level cache."""


def blocks(seed: int, subsequence: int, first: int, count: int) -> Words:
    """Philox blocks first..first+count as (count, 4) words; the counter's low half wraps."""
    low = np.arange(count, dtype=np.uint64) + np.uint64(first & 0xFFFFFFFFFFFFFFFF)
    c0, c1 = low & _LOW, low >> _32
    c2 = np.full(count, subsequence & _M32, dtype=np.uint64)
    c3 = np.full(count, subsequence >> 32 & _M32, dtype=np.uint64)
    k0, k1 = seed & _M32, seed >> 32 & _M32
    for _ in range(_ROUNDS):
        p0, p1 = c0 * _M0, c2 * _M1
        c0, c2 = (p1 >> _32) ^ c1 ^ np.uint64(k0), (p0 >> _32) ^ c3 ^ np.uint64(k1)
        c1, c3 = p1 & _LOW, p0 & _LOW
        k0, k1 = (k0 + _W0) & _M32, (k1 + _W1) & _M32
    return np.stack((c0, c1, c2, c3), axis=1).astype(np.uint32)


def _unit(words: Words) -> npt.NDArray[np.float64]:
    """U in [0, 1) from the upper 24 bits."""
    return (words >> np.uint32(8)).astype(np.float64) * _UNIT


def _normal(words: Words) -> npt.NDArray[np.float64]:
    """Box-Muller on the pairs (0, 1) and (2, 3) of each block; the first word is the radius."""
    pairs = words.reshape(-1, 2)
    # 1 - u lies in (0, 1]: the logarithm is finite.
    radius = np.sqrt(-2 * np.log(1 - _unit(pairs[:, 0])))
    angle = 2 * np.pi * _unit(pairs[:, 1])
    return np.stack((radius * np.cos(angle), radius * np.sin(angle)), axis=1).reshape(-1)


def _shape_values(op: Random, words: Words, params: tuple[float, float], stored: Dtype) -> Array:
    if op is Random.BITS:
        if stored is Dtype.BOOL:
            return (words & np.uint32(1)).astype(np.bool_)
        return words.astype(STORAGE[stored])
    if op is Random.BERNOULLI:
        return convert(_unit(words) < params[0], stored)
    if op is Random.NORMAL:
        return convert(params[0] + params[1] * _normal(words), stored)
    return convert(params[0] + _unit(words) * (params[1] - params[0]), stored)


_ALLOWED: Final[dict[Random, frozenset[Dtype]]] = {
    Random.BITS: BITS,
    Random.UNIFORM: ANY - {Dtype.BOOL},
    Random.NORMAL: FLOATS,
    Random.BERNOULLI: ANY,
}


def generate(
    op: Random,
    stored: Dtype,
    count: int,
    params: tuple[float, float],
    counter: tuple[int, int, int],
) -> Array:
    """`count` values as they are stored; counter is (seed, offset, subsequence)."""
    require(stored, _ALLOWED[op], op.name)
    seed, offset, subsequence = counter
    parts = []
    for start in range(0, -(-count // 4), _CHUNK_BLOCKS):
        number = min(_CHUNK_BLOCKS, -(-count // 4) - start)
        words = blocks(seed, subsequence, offset + start, number).reshape(-1)
        parts.append(_shape_values(op, words, params, stored))
    return np.concatenate(parts)[:count]
