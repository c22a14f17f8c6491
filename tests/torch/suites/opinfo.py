# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""PyTorch's own operator database (OpInfo) on axl: `python -m tests.torch.suites.opinfo`.

Every sample of every operator runs on the CPU and on axl, forward and, in float types,
backward; results and gradients have to agree. An operator fails with its first sample that
differs. What cannot pass is a row in `opinfo-excluded.yaml` with a reason. Operators whose
results are random or uninitialised are compared by shape and type alone: OpInfo says which.
"""

from __future__ import annotations

import argparse
import json
import signal
import sys
import time
import types
import warnings
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import torch
import yaml
from torch.testing._internal.common_methods_invocations import op_db
from torch.utils._pytree import tree_flatten, tree_map

EXCLUDED: Final = Path(__file__).with_name("opinfo-excluded.yaml")
UNDETERMINED: Final = (
    "empty", "rand", "normal", "bernoulli", "multinomial", "dropout", "exponential", "geometric",
    "cauchy", "log_normal", "uniform", "rrelu", "pca_lowrank", "svd_lowrank", "randn", "resize",
    "nn.functional.feature_alpha_dropout", "fractional_max_pool",
)  # fmt: skip
"""Parts of names: their values are random or uninitialised by contract."""
DETERMINED: Final = {"nn.functional.multi_head_attention_forward": {"training": False}}
"""Arguments by operator without which its samples drop elements at random."""
TOLERANCE: Final = {torch.float32: (1e-3, 1e-4), torch.bfloat16: (6e-2, 6e-2)}
LONG_SUMS: Final = ("conv", "scaled_dot_product_attention", "div.trunc_rounding")
"""Parts of names: in bfloat16 a small element may be what is left of large ones."""
SECONDS: Final = 60


@dataclass(frozen=True, slots=True)
class Outcome:
    """One operator in one type. `status`: passed, failed, excluded or no samples."""

    name: str
    dtype: str
    status: str
    samples: int
    reason: str


class TooLongError(Exception):
    """The operator took longer than SECONDS."""


def excluded() -> dict[str, str]:
    """Reasons by operator's full name, with its type in brackets if that is for one alone."""
    rows: dict[str, str] = yaml.safe_load(EXCLUDED.read_text()) or {}
    return rows


def full_name(op: Any) -> str:
    """The name with its variant."""
    return f"{op.name}.{op.variant_test_name}" if op.variant_test_name else str(op.name)


def moved(value: Any, device: str) -> Any:
    """Copies of all tensors on a device, with the same strides; leaves want gradients again."""

    def move(leaf: Any) -> Any:
        if isinstance(leaf, torch.device):
            return torch.device(device)
        if not isinstance(leaf, torch.Tensor):
            return "axl" if isinstance(leaf, str) and leaf == "cpu" and device == "axl" else leaf
        copy = leaf.detach().clone() if device == "cpu" else leaf.detach().to(device)
        return copy.requires_grad_(leaf.requires_grad)

    return tree_map(move, value)


def tensors(value: Any) -> list[torch.Tensor]:
    """All tensors in a structure."""
    return [leaf for leaf in tree_flatten(value)[0] if isinstance(leaf, torch.Tensor)]


def random_by_contract(name: str) -> bool:
    """Whether values cannot be compared."""
    return any(part in name for part in UNDETERMINED)


def compare(
    ours: list[torch.Tensor],
    theirs: list[torch.Tensor],
    dtype: Any,
    exact: bool,
    long_sums: bool = False,
) -> None:
    """AssertionError if two lists of tensors differ."""
    assert len(ours) == len(theirs), f"{len(ours)} tensors instead of {len(theirs)}"
    for a, b in zip(ours, theirs, strict=True):
        assert a.shape == b.shape, f"{tuple(a.shape)} instead of {tuple(b.shape)}"
        assert a.dtype == b.dtype, f"{a.dtype} instead of {b.dtype}"
        if exact:
            relative, absolute = TOLERANCE[dtype]
            if dtype == torch.bfloat16 and long_sums:
                absolute = max(absolute, steps_of_the_largest(b))
            torch.testing.assert_close(
                a.detach().cpu(), b.detach(), rtol=relative, atol=absolute, equal_nan=True,
                check_device=False, check_layout=False,
            )  # fmt: skip


def steps_of_the_largest(values: torch.Tensor) -> float:
    """Two of bfloat16: each side may lose one in a sum."""
    if not values.is_floating_point() or not values.numel():
        return 0.0
    largest = torch.nan_to_num(values.detach().float(), 0.0, 0.0, 0.0).abs().max()
    return float(largest) * 2**-6


def gradients(result: Any, inputs: list[torch.Tensor], device: str) -> list[torch.Tensor]:
    """Of the sum over all differentiable results, weighted so that no symmetry hides an error."""
    outputs = [t for t in tensors(result) if t.requires_grad and t.is_floating_point()]
    wanted = [t for t in inputs if t.requires_grad]
    if not outputs or not wanted:
        return []
    weights = [
        torch.linspace(0.5, 1.5, max(t.numel(), 1), dtype=t.dtype)[: t.numel()]
        .reshape(t.shape).to(device)
        for t in outputs
    ]  # fmt: skip
    found = torch.autograd.grad(outputs, wanted, weights, allow_unused=True)
    return [torch.zeros(()) if g is None else g for g in found]


def run_sample(op: Any, sample: Any, dtype: Any, backward: bool, exact: bool) -> None:
    """One call on both devices; raises what is wrong on axl alone."""
    long_sums = any(part in full_name(op) for part in LONG_SUMS)
    results, grads = [], []
    for device in ("cpu", "axl"):
        arguments = moved((sample.input, *sample.args), device)
        named = moved(sample.kwargs, device)
        torch.manual_seed(11)
        try:
            result = op.op(*arguments, **named)
        except Exception:
            if device == "cpu":
                return  # nothing to compare with
            raise
        results.append(tensors(result))
        if backward:
            try:
                grads.append(gradients(result, tensors((arguments, named)), device))
            except Exception:
                if device == "cpu":
                    backward = False
                    continue
                raise
    compare(results[1], results[0], dtype, exact, long_sums)
    if backward:
        compare(grads[1], grads[0], dtype, exact, long_sums)


def _alarm(_signal: int, _frame: types.FrameType | None) -> None:
    raise TooLongError(f"took longer than {SECONDS} s")


def run_op(op: Any, dtype: torch.dtype, most: int | None) -> Outcome:
    """All samples of one operator (or the first `most`)."""
    name, count = full_name(op), 0
    kind = str(dtype).removeprefix("torch.")
    backward = bool(op.supports_autograd) and dtype in op.supported_backward_dtypes("cpu")
    signal.signal(signal.SIGALRM, _alarm)
    signal.alarm(SECONDS)
    try:
        for sample in op.sample_inputs("cpu", dtype, requires_grad=backward):
            if most is not None and count >= most:
                break
            sample.kwargs.update(DETERMINED.get(name, {}))
            drops = bool(sample.kwargs.get("dropout_p"))
            run_sample(op, sample, dtype, backward, not (drops or random_by_contract(name)))
            count += 1
        torch.axl.synchronize()
    except Exception as error:  # noqa: BLE001 - whatever it is, the operator failed
        text = str(error).strip().splitlines() or [""]
        detail = " | ".join(line.strip() for line in text[:3] if line.strip())
        return Outcome(name, kind, "failed", count, f"{type(error).__name__}: {detail}")
    finally:
        signal.alarm(0)
    return Outcome(name, kind, "passed" if count else "no samples", count, "")


def run(
    dtype: torch.dtype, names: list[str] | None = None, most: int | None = None
) -> Iterator[Outcome]:
    """Outcomes of all operators that have the type on the CPU, in the database's order."""
    reasons = excluded()
    for op in op_db:
        if dtype not in op.supported_dtypes("cpu"):
            continue
        name = full_name(op)
        if names is not None and name not in names:
            continue
        kind = str(dtype).removeprefix("torch.")
        reason = reasons.get(name) or reasons.get(f"{name}[{kind}]")
        if reason is not None:
            yield Outcome(name, kind, "excluded", 0, reason)
        else:
            yield run_op(op, dtype, most)


def table(outcomes: list[Outcome]) -> str:
    """The page for docs/reference."""
    lines = [
        "<!-- SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only -->",
        "# Operators of PyTorch's OpInfo database on axl",
        "",
        "Generated by `make test-torch` on the embedded rack; do not edit.",
        f"torch {torch.__version__}. Results and gradients are compared with the CPU's.",
        "",
        "| Type | Operators | Passed | Failed | Excluded | Samples |",
        "|---|---|---|---|---|---|",
    ]
    for kind in dict.fromkeys(each.dtype for each in outcomes):
        rows = [each for each in outcomes if each.dtype == kind]
        counted = [
            sum(each.status == status for each in rows)
            for status in ("passed", "failed", "excluded")
        ]
        samples = sum(each.samples for each in rows)
        lines.append(f"| {kind} | {len(rows)} | {' | '.join(map(str, counted))} | {samples} |")
    bad = [each for each in outcomes if each.status != "passed"]
    lines += ["", "| Operator | Type | Status | Reason |", "|---|---|---|---|"]
    lines += [
        f"| `{each.name}` | {each.dtype} | {each.status} | {cell(each.reason)} |" for each in bad
    ]
    return "\n".join(lines) + "\n"


def cell(text: str) -> str:
    """Text that fits into a table."""
    return text.replace("|", "/").replace("\n", " ")[:160]


def main() -> int:
    """Run and write; exit status 1 if an operator failed that is not excluded."""
    from pyaccel import testing

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--dtype", action="append", choices=["float32", "bfloat16"])
    parser.add_argument("--op", action="append", help="this operator alone")
    parser.add_argument("--most", type=int, help="samples of an operator at most")
    parser.add_argument("--out", type=Path, help="write the table here")
    parser.add_argument("--json", type=Path, help="write the outcomes here")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    outcomes: list[Outcome] = []
    begin = time.monotonic()
    with testing.rack("1x1"):
        for kind in options.dtype or ["float32", "bfloat16"]:
            for outcome in run(getattr(torch, kind), options.op, options.most):
                outcomes.append(outcome)
                if outcome.status != "passed":
                    print(f"{outcome.status:9} {outcome.name} {outcome.reason}", flush=True)
    if options.json:
        options.json.write_text(json.dumps([asdict(each) for each in outcomes], indent=1))
    if options.out:
        options.out.write_text(table(outcomes))
    failed = sum(each.status == "failed" for each in outcomes)
    print(f"{len(outcomes)} operators, {failed} failed, {time.monotonic() - begin:.0f} s")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
