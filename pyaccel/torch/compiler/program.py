# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""The program of one FUSED command, from the nodes that it computes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, NamedTuple

import torch
from torch.fx import Node

from pyaccel.spec.formats import (
    FUSED_BINARY,
    FUSED_CONSTANTS,
    FUSED_INSTRUCTIONS,
    FUSED_OUTPUTS,
    MAX_COMMAND_SLOTS,
    MAX_DIMS,
)
from pyaccel.torch.compiler.graphs import on_device
from pyaccel.torch.compiler.instructions import (
    CONDITION_OF,
    CONDITIONS,
    REDUCTIONS,
    emit_node,
    is_known,
)

aten = torch.ops.aten
_FLOATS: Final = (torch.float16, torch.bfloat16, torch.float32, torch.float64)
_DTYPES: Final = (
    *_FLOATS, torch.bool, torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64,
)  # fmt: skip
_OPERANDS: Final = MAX_COMMAND_SLOTS - 3


class Register(NamedTuple):
    """A result; numbered when it is known how many inputs and constants come first."""

    step: int


class Output(NamedTuple):
    """What is stored of a node."""

    node: Node
    register: Any
    reduce: int
    dims: int


class Program:
    """What one command does for nodes that are in an order in which they can be computed."""

    def __init__(self, nodes: Sequence[Node]) -> None:
        self._results: dict[Node, Register] = {}
        self.inputs: dict[Node, int] = {}
        self.constants: dict[float, int] = {}
        self.outputs: list[Output] = []
        self._steps: list[tuple[int, tuple[Any, ...]]] = []
        self.shape = iteration(nodes[0]).shape
        members = set(nodes)
        for node in nodes:
            if is_reduction(node):
                self.outputs.append(self._reduced(node))
                continue
            self._results[node] = self._value(emit_node(self._emit, node))
            if any(user not in members for user in node.users):
                self.outputs.append(Output(node, self._results[node], 0, 0))

    def fits(self) -> bool:
        """Whether a command can hold it; what is reduced is there only when all is done."""
        reduced = {output.node for output in self.outputs if output.reduce}
        return (
            0 < len(self._steps) <= FUSED_INSTRUCTIONS
            and len(self.constants) <= FUSED_CONSTANTS
            and 0 < len(self.outputs) <= FUSED_OUTPUTS
            and 0 < len(self.inputs) <= _OPERANDS - len(self.outputs)
            and reduced.isdisjoint(self.inputs)
        )

    def arguments(self) -> tuple[Any, ...]:
        """Of torch.ops.axl.fused."""
        plain = [output.node.meta["val"] for output in self.outputs if not output.reduce]
        return (
            list(self.inputs),
            list(self.constants),
            [byte for step in self._steps for byte in self._bytes(step)],
            [self._number(output.register) for output in self.outputs],
            [output.reduce for output in self.outputs],
            [output.dims for output in self.outputs],
            list(self.shape),
            [stride for made in plain for stride in made.stride()],
            self.outputs[0].node.meta["val"].dtype,
        )

    def _reduced(self, node: Node) -> Output:
        source, dims = node.args[0], reduced_dims(node)
        mask = sum(1 << dim for dim in dims)
        reduce = 1 + int(REDUCTIONS[node.target])
        return Output(node, self._value(source), reduce, mask)

    def _emit(self, op: int, *operands: Any) -> Register:
        values = tuple(self._value(operand) for operand in operands)
        self._steps.append((int(op), values))
        return Register(len(self._steps) - 1)

    def _value(self, operand: Any) -> Any:
        """A register, a node that is an input, or a float."""
        if isinstance(operand, Register):
            return operand
        if not isinstance(operand, Node):
            self.constants.setdefault(float(operand), len(self.constants))
            return float(operand)
        operand = stored(operand)
        if operand in self._results:
            return self._results[operand]
        if is_inlined(operand):
            made = self._emit(FUSED_BINARY | CONDITIONS[operand.target], *operand.args)
            self._results[operand] = made
            return made
        self.inputs.setdefault(operand, len(self.inputs))
        return operand

    def _number(self, value: Any) -> int:
        if isinstance(value, Node):
            return self.inputs[value]
        if isinstance(value, float):
            return len(self.inputs) + self.constants[value]
        return len(self.inputs) + len(self.constants) + int(value.step)

    def _bytes(self, step: tuple[int, tuple[Any, ...]]) -> list[int]:
        op, operands = step
        registers = [self._number(operand) for operand in operands]
        return [op, *registers, *[0] * (3 - len(registers))]


def stored(node: Node) -> Node:
    """What is read for a node: a command converts what it reads to its type by itself."""
    if node.target is not aten._to_copy.default or set(node.kwargs) != {"dtype"}:
        return node
    source = node.args[0]
    made, given = on_device(node), on_device(source)
    if made is None or given is None or not isinstance(source, Node):
        return node
    return source if made.dtype in _FLOATS and given.dtype in _DTYPES else node


def is_inlined(node: Node) -> bool:
    """Whether a condition is computed where it is used, rather than loaded."""
    if node.target not in CONDITIONS:
        return False
    operands = [on_device(arg) for arg in node.args if isinstance(arg, Node)]
    first = operands[0] if operands else None
    return first is not None and all(
        made is not None and made.dtype == first.dtype and made.dtype in _FLOATS
        for made in operands
    )


def operands(node: Node) -> list[Node]:
    """What is read for a node from outside of the command, or made in it."""
    found: list[Node] = []
    for source in node.all_input_nodes:
        found += map(stored, source.all_input_nodes if is_inlined(source) else [source])
    return found


def is_reduction(node: Node) -> bool:
    """Whether a node is reduced from what others make."""
    return node.target in REDUCTIONS


def reduced_dims(node: Node) -> list[int]:
    """Of a reduction."""
    source = iteration(node)
    dims: Any = node.args[1] if len(node.args) > 1 and node.args[1] else range(source.dim())
    return sorted(dim % source.dim() for dim in dims)


def iteration(node: Node) -> torch.Tensor:
    """What the node is computed over: its operand if it is a reduction, else its result."""
    over = node.args[0] if is_reduction(node) else node
    assert isinstance(over, Node)
    made: torch.Tensor = over.meta["val"]
    return made


def can_fuse(node: Node) -> bool:
    """Whether a command computes just what the node does."""
    return _can_reduce(node) if is_reduction(node) else _can_compute(node)


def _can_reduce(node: Node) -> bool:
    made, source = on_device(node), on_device(node.args[0])
    return (
        made is not None
        and source is not None
        and not node.kwargs
        and source.dtype == made.dtype
        and made.dtype in _FLOATS
        and 0 < source.dim() <= MAX_DIMS
        and source.numel() > 0
    )


def _can_compute(node: Node) -> bool:
    made = on_device(node)
    if made is None or made.dtype not in _FLOATS or not is_known(node.target):
        return False
    if made.dim() > MAX_DIMS or made.numel() == 0 or not _is_dense(made):
        return False
    condition = CONDITION_OF.get(node.target)
    return (
        all(
            _is_operand(arg, made, is_condition=place == condition)
            for place, arg in enumerate(node.args)
        )
        and emit_node(lambda *_: Register(0), node) is not NotImplemented
    )


def _is_operand(arg: object, made: torch.Tensor, *, is_condition: bool) -> bool:
    if not isinstance(arg, Node):
        return isinstance(arg, int | float | str)
    given = on_device(arg)
    if given is None or given.device != made.device or given.dim() > made.dim():
        return False
    if not is_condition:
        return given.dtype == made.dtype
    if not is_inlined(arg):
        return given.dtype == torch.bool
    return all(_is_operand(each, made, is_condition=False) for each in arg.args)


def _is_dense(made: torch.Tensor) -> bool:
    return torch._prims_common.is_non_overlapping_and_dense_or_false(made)
