# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""PyTorch's default compiler on axl: each operator is called as eager mode calls it.

Inductor writes loops in C++ or Triton, which the device does not run. What it makes for axl
is a program of calls; tensors of the CPU in the same graph get its loops. The device module
has `Scheduling` and the wrapper classes, by which inductor finds this file
(torch/_inductor/codegen/common.py, init_backend_registration). That its loops can neither
read nor write a tensor there is only a function to say, `unsupported_input_tensor`, which
knows types of elements and nothing of devices: it is asked after the device.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sympy  # type: ignore[import-untyped]
import torch
from torch._dynamo.device_interface import DeviceInterface, register_interface_for_device
from torch._inductor import ir, lowering
from torch._inductor.codegen.common import (
    BackendFeature,
    DeviceOpOverrides,
    register_device_op_overrides,
)
from torch._inductor.codegen.cpp_wrapper_cpu import CppWrapperCpu as CppWrapperCodegen
from torch._inductor.codegen.wrapper import PythonWrapperCodegen
from torch._inductor.codegen.wrapper_fxir import WrapperFxCodegen
from torch._inductor.scheduler import BaseSchedulerNode, BaseScheduling
from torch.utils._ordered_set import OrderedSet

from pyaccel.torch import device

aten = torch.ops.aten

__all__ = ["CppWrapperCodegen", "PythonWrapperCodegen", "Scheduling", "WrapperFxCodegen"]


class Scheduling(BaseScheduling):
    """Joins nothing: every node is a call."""

    def get_backend_features(self, _device: torch.device) -> OrderedSet[BackendFeature]:
        """None of those that loops can have."""
        return OrderedSet()

    def can_fuse_vertical(self, _node1: BaseSchedulerNode, _node2: BaseSchedulerNode) -> bool:
        """Never."""
        return False

    def can_fuse_horizontal(self, _node1: BaseSchedulerNode, _node2: BaseSchedulerNode) -> bool:
        """Never."""
        return False

    def group_fn(self, sizes: Sequence[Sequence[sympy.Expr]]) -> tuple[tuple[sympy.Expr, ...], ...]:
        """Sizes as they are."""
        return tuple(tuple(size) for size in sizes)

    def codegen_node(self, node: Any) -> None:
        """A loop after all: inductor copies a tensor into another layout."""
        raise NotImplementedError(
            f"inductor wants to run a loop on axl ({node}); use torch.compile(backend='axl')"
        )

    def flush(self) -> None:
        """Nothing is kept back."""


class _Operations(DeviceOpOverrides):
    """Lines of the generated program that concern the device."""

    def import_get_raw_stream_as(self, name: str) -> str:
        return f"def {name}(_index):\n    return 0\n"

    def set_device(self, device_idx: int) -> str:
        return f"torch.axl.set_device({device_idx})"

    def synchronize(self) -> str:
        return "torch.axl.synchronize()"

    def device_guard(self, device_idx: int) -> str:
        return f"torch.axl.device({device_idx})"


class _Interface(DeviceInterface):
    """What inductor asks about devices, answered by `torch.axl`."""

    class Worker(DeviceInterface.Worker):
        """Of processes that compile."""

        @staticmethod
        def current_device() -> int:
            """Index."""
            return int(device.current_device())

    @staticmethod
    def current_device() -> int:
        """Index."""
        return int(device.current_device())

    @staticmethod
    def device_count() -> int:
        """Endpoints that are visible."""
        return int(device.device_count())

    @staticmethod
    def is_available() -> bool:
        """Whether there is one."""
        return bool(device.is_available())

    @staticmethod
    def set_device(index: Any) -> None:
        """Of this thread."""
        device.set_device(index)

    @staticmethod
    def synchronize(index: Any = None) -> None:
        """Wait for all streams."""
        device.synchronize(index)

    @staticmethod
    def is_bf16_supported(including_emulation: bool = False) -> bool:  # noqa: ARG004 - as PyTorch's
        """bfloat16 is an element type of the device."""
        return True


_cannot_touch = lowering.unsupported_input_tensor


def _loops_cannot_touch(tensor: torch.Tensor, node: torch.fx.Node | None = None) -> bool:
    """In place of inductor's `unsupported_input_tensor`."""
    return tensor.device.type == "axl" or bool(_cannot_touch(tensor, node))


_lift = lowering.lowerings[aten.lift_fresh_copy.default]


def _lift_constant(tensor: Any) -> Any:
    """In place of inductor's lowering of a constant's copy, which asks nothing."""
    if tensor.get_device().type != "axl":
        return _lift(tensor)
    layout = ir.FixedLayout(
        tensor.get_device(), tensor.get_dtype(), tensor.get_size(), tensor.get_stride()
    )
    source = ir.ExternKernel.realize_input(tensor)
    return ir.TensorBox.create(ir.DeviceCopy(layout, [source], (False,)))


register_device_op_overrides("axl", _Operations())
register_interface_for_device("axl", _Interface)
lowering.lowerings[aten.lift_fresh_copy.default] = _lift_constant
lowering.unsupported_input_tensor = _loops_cannot_touch  # type: ignore[assignment]
