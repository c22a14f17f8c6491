# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""The layer diagram, executable: who may import whom."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
IO_MODULES = {
    "asyncio",
    "mmap",
    "os",
    "pathlib",
    "select",
    "selectors",
    "socket",
    "subprocess",
    "time",
}

RULES: list[tuple[str, str, str]] = [
    # (files, what they must not import, what to do instead)
    ("pyaccel/**/*.py", "diag", "pyaccel stands below diag; move the code or pass it in"),
    ("diag/model/**/*.py", "diag.topo", "the model knows nothing of the tools that look at it"),
    ("diag/model/**/*.py", "diag.trace", "the model knows nothing of the tools that look at it"),
    ("diag/topo/**/*.py", "diag.trace", "topology and trace meet in the tools above them"),
    ("diag/**/*.py", "pyaccel._axl", "use the public pyaccel API"),
]
DECODERS = [
    "diag/model/vfio_user/protocol.py",
    "diag/model/rack/control.py",
    "diag/trace/decode/capture.py",
    "diag/trace/decode/flat.py",
    "diag/trace/decode/ring.py",
    "diag/trace/commands.py",
    "diag/trace/latency.py",
]


def imports(path: Path) -> set[str]:
    """Every module that a file imports, at any level."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            names.add(node.module)
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def within(name: str, banned: str) -> bool:
    """Whether `name` is `banned` or lies below it."""
    return name == banned or name.startswith(banned + ".")


@pytest.mark.parametrize(("files", "banned", "instead"), RULES)
def test_a_layer_imports_only_what_stands_below_it(files: str, banned: str, instead: str) -> None:
    """No file of a layer imports from a layer above it."""
    paths = list(ROOT.glob(files))
    bad = [str(p.relative_to(ROOT)) for p in paths if any(within(n, banned) for n in imports(p))]

    assert paths
    assert bad == [], instead


@pytest.mark.parametrize("name", DECODERS)
def test_decoders_do_no_input_or_output(name: str) -> None:
    """A decoder takes bytes and returns values: no sockets, files or clocks inside."""
    found = {n.split(".")[0] for n in imports(ROOT / name)} & IO_MODULES

    assert found == set()
