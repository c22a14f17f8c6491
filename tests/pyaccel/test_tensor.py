# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""Views: the same element in the same place as NumPy's."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyaccel.dtypes import as_dtype, promote
from pyaccel.spec.formats import Dtype
from pyaccel.tensor import Tensor
from tests.build.model_machine import ModelBuffer, ModelTensor


def counting(*shape: int) -> ModelTensor:
    """0, 1, 2 ... in a shape."""
    values = bytearray(np.arange(max(int(np.prod(shape)), 1), dtype=np.int32).tobytes())
    return ModelTensor(ModelBuffer(memoryview(values), 0x1000), shape, "int32")


indices = st.one_of(
    st.integers(-4, 3),
    st.slices(4),
    st.builds(slice, st.integers(-6, 6), st.integers(-6, 6), st.sampled_from([-2, -1, 1, 3])),
)


@given(st.lists(indices, max_size=3))
def test_indexing_gives_the_elements_that_numpy_gives(keys) -> None:
    """Integers and slices with any step select as NumPy does, and stay in the buffer."""
    tensor = counting(4, 4, 4)

    assert np.array_equal(tensor[tuple(keys)].numpy(), tensor.numpy()[tuple(keys)])


@given(st.permutations([0, 1, 2]))
def test_permuted_dimensions_agree_with_numpy(axes) -> None:
    """permute() reorders dimensions without moving elements."""
    tensor = counting(2, 3, 4)

    assert np.array_equal(tensor.permute(*axes).numpy(), tensor.numpy().transpose(axes))
    assert tensor.permute(*axes).is_contiguous == (axes == [0, 1, 2])


def test_reshape_guesses_one_extent() -> None:
    """-1 stands for what is left; a transposed tensor must be copied first."""
    tensor = counting(4, 6)

    assert tensor.reshape(3, -1).shape == (3, 8)
    with pytest.raises(ValueError, match="copy it"):
        tensor.T.reshape(24)
    with pytest.raises(ValueError, match="do not fill"):
        tensor.reshape(5, -1)


def test_index_outside_raises() -> None:
    """An index outside the extent raises IndexError, and too many do so as well."""
    with pytest.raises(IndexError):
        counting(4)[4]
    with pytest.raises(IndexError, match="2 indices for 1"):
        counting(4)[0, 0]


@pytest.mark.parametrize(
    ("shape", "options", "words"),
    [
        ((5,), {}, "covers bytes 0..20 of a buffer of 16"),
        ((4,), {"offset": 4}, "covers bytes 4..20"),
        ((2,), {"strides": (-1,)}, "covers bytes -4"),
        ((2,), {"offset": 2}, "no multiple"),
        ((1,) * 9, {}, "9 dimensions"),
        ((-1,), {}, "outside"),
        ((1,), {"strides": (1, 1)}, "2 strides for 1"),
        ((1,), {"strides": (2**31,)}, "32 bits"),
    ],
)
def test_a_tensor_cannot_leave_its_buffer(shape, options, words: str) -> None:
    """Shape, strides and offset are held against the buffer's size."""
    with pytest.raises(ValueError, match=words):
        Tensor(ModelBuffer(memoryview(bytearray(16)), 0), shape, **options)


def test_empty_tensors_touch_nothing() -> None:
    """An extent of 0 needs no memory."""
    tensor = Tensor(ModelBuffer(memoryview(bytearray(16)), 0), (3, 0))

    assert (tensor.size, tensor.nbytes, tensor.is_contiguous) == (0, 0, True)


@pytest.mark.parametrize(
    ("given_as", "dtype"),
    [
        ("float32", Dtype.F32),
        ("bf16", Dtype.BF16),
        (np.float16, Dtype.F16),
        (np.dtype("<i8"), Dtype.I64),
        (bool, Dtype.BOOL),
        (float, Dtype.F64),
        ("torch.bfloat16", Dtype.BF16),
        (Dtype.U8, Dtype.U8),
    ],
)
def test_element_types_are_known_by_many_names(given_as, dtype: Dtype) -> None:
    """NumPy's, PyTorch's, Python's and the contract's names all work."""
    assert as_dtype(given_as) is dtype


def test_an_element_type_without_equal_is_refused() -> None:
    """Types that the hardware lacks raise TypeError with those that it has."""
    with pytest.raises(TypeError, match="float32"):
        as_dtype(np.complex64)


@given(st.sampled_from(list(Dtype)), st.sampled_from(list(Dtype)))
def test_promotion_does_not_depend_on_the_order(first: Dtype, second: Dtype) -> None:
    """promote() is symmetric, keeps equal types and never turns a float into an integer."""
    both = promote(first, second)
    floats = {Dtype.F16, Dtype.BF16, Dtype.F32, Dtype.F64}

    assert both is promote(second, first)
    assert (both in floats) == (first in floats or second in floats)
    assert promote(first, first) is first
