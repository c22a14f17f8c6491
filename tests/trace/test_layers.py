# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""Decoders and analysis do no I/O: enforced here, because nothing else would notice."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

TRACE = Path(__file__).parents[2] / "diag" / "trace"
PURE = sorted(
    [
        *(TRACE / "decode").glob("*.py"),
        *(TRACE / f"{name}.py" for name in ("schema", "model", "slots", "commands", "latency")),
        *(TRACE / f"{name}.py" for name in ("findings", "table", "errors")),
    ]
)
FORBIDDEN_MODULES = {
    "asyncio", "fcntl", "io", "mmap", "os", "pathlib", "select", "signal", "socket",
    "subprocess", "sys", "tempfile", "threading", "time",
}  # fmt: skip
FORBIDDEN_CALLS = {"open", "print", "input", "exec", "eval", "compile", "__import__"}


def used_names(path):
    """Top-level modules imported and plain functions called in a file."""
    tree = ast.parse(path.read_text())
    modules = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            modules |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            modules.add((node.module or "").split(".")[0])
    calls = {
        node.func.id
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
    }
    return modules, calls


@pytest.mark.parametrize("path", PURE, ids=lambda path: path.stem)
def test_decoders_and_analysis_do_no_io(path):
    """None of them can open, read, wait or look at a clock."""
    modules, calls = used_names(path)
    assert modules & FORBIDDEN_MODULES == set()
    assert calls & FORBIDDEN_CALLS == set()


def test_model_does_not_import_trace():
    """The dependency goes one way: accel-trace reads what the rack defines."""
    model = TRACE.parent / "model"
    offenders = [p.name for p in model.rglob("*.py") if "diag.trace" in p.read_text()]
    assert offenders == []
