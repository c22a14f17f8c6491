# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""A part of what `make test-torch` runs: some operators of every family, few samples of each."""

from __future__ import annotations

import pytest
import torch

from tests.torch.suites import opinfo

OPERATORS = [
    "add", "sub", "mul", "div.floor_rounding", "pow", "atan2", "maximum", "eq", "lt", "where",
    "clamp", "lerp", "addcmul", "addcdiv", "exp", "log", "sqrt", "sigmoid", "tanh", "erf", "abs",
    "neg", "sum", "mean", "prod", "amax", "argmax", "var", "std", "any", "all",
    "linalg.vector_norm", "mm", "bmm", "addmm", "matmul", "softmax", "log_softmax", "cat", "stack",
    "gather", "scatter",
    "scatter_add", "index_select", "masked_fill", "tril", "flip", "arange", "cumsum", "sort",
    "nn.functional.layer_norm", "nn.functional.batch_norm", "nn.functional.cross_entropy",
    "nn.functional.mse_loss", "nn.functional.embedding", "nn.functional.gelu",
    "nn.functional.conv1d", "nn.functional.conv2d", "nn.functional.max_pool2d",
]  # fmt: skip


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
def test_operators(dtype: torch.dtype) -> None:
    """They agree with the CPU, forward and backward."""
    outcomes = list(opinfo.run(dtype, OPERATORS, most=2))

    assert {each.status for each in outcomes} <= {"passed", "excluded"}, [
        f"{each.name}: {each.reason}" for each in outcomes if each.status == "failed"
    ]
    assert len(outcomes) > len(OPERATORS) * 3 // 4


def test_a_wrong_value_fails() -> None:
    """The comparison sees a single element that differs, and a shape and a type that do."""
    right = torch.ones(3)
    for wrong in (torch.tensor([1, 1, 1.1]), torch.ones(3, 1), torch.ones(3, dtype=torch.float64)):
        with pytest.raises(AssertionError):
            opinfo.compare([wrong], [right], torch.float32, exact=True)
