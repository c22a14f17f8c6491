# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""The layer diagram, executable: who may import whom."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
IO_MODULES = {
    "asyncio", "fcntl", "io", "mmap", "multiprocessing", "os", "pathlib", "select", "selectors",
    "shutil", "signal", "socket", "subprocess", "sys", "tempfile", "threading", "time",
}  # fmt: skip
IO_CALLS = {"open", "print", "input", "exec", "eval", "compile", "__import__"}
PROJECT = ("diag", "pyaccel")
PURE_PACKAGES = ("diag/trace", "diag/topo")
"""Folders where everything is pure but the shells below: a new file is covered by itself."""
SHELLS = {
    "diag/trace/capture.py": "files",
    "diag/trace/cli.py": "command line",
    "diag/trace/export.py": "files",
    "diag/trace/plot.py": "files",
    "diag/trace/record.py": "processes and terminal",
    "diag/trace/recorder.py": "processes and clocks",
    "diag/trace/report.py": "imports the reader of files",
    "diag/trace/report_text.py": "imports the report",
    "diag/trace/rings.py": "files",
    "diag/trace/show.py": "imports the reader of files",
    "diag/trace/sources.py": "runtime folders",
    "diag/trace/switch.py": "files and locks",
    "diag/topo/cli.py": "command line",
    "diag/topo/library.py": "asks libaxl",
    "diag/topo/sources/__init__.py": "chooses a source",
    "diag/topo/sources/attributes.py": "files and threads",
    "diag/topo/sources/file.py": "files",
    "diag/topo/sources/following.py": "threads and clocks",
    "diag/topo/sources/clients.py": "files and clocks",
    "diag/topo/sources/deadline.py": "threads",
    "diag/topo/sources/kernel.py": "files",
    "diag/topo/sources/kernel_sampler.py": "files and clocks",
    "diag/topo/sources/kernel_tree.py": "files",
    "diag/topo/sources/library_telemetry.py": "asks libaxl",
    "diag/topo/sources/machine.py": "files",
    "diag/topo/sources/rack.py": "sockets",
    "diag/topo/sources/setupapi.py": "asks Windows",
    "diag/topo/sources/tree_sampler.py": "clocks",
}
"""Modules that may do I/O there, and what for."""

RULES: list[tuple[str, str, str]] = [
    # (files, what they must not import, what to do instead)
    ("pyaccel/**/*.py", "diag", "pyaccel stands below diag; move the code or pass it in"),
    ("diag/model/**/*.py", "diag.topo", "the model knows nothing of the tools that look at it"),
    ("diag/model/**/*.py", "diag.trace", "the model knows nothing of the tools that look at it"),
    ("diag/topo/**/*.py", "diag.trace", "topology and trace meet in the tools above them"),
    ("diag/tui/widgets/*.py", "diag.topo", "widgets draw cells; views make them of pictures"),
    ("diag/tui/views/*.py", "diag.topo.sources", "views get pictures; a collector reads sources"),
    ("diag/tui/*.py", "diag.trace", "topology and trace meet in the tools above them"),
    ("diag/topo/**/*.py", "diag.tui", "the tree knows nothing of the tools that look at it"),
    ("diag/**/*.py", "pyaccel._axl", "use the public pyaccel API"),
]


def is_decoder(path: Path) -> bool:
    """Whether a module parses bytes: by its place, its name, a `feed` method, or its docstring."""
    tree = ast.parse(path.read_text())
    methods = (
        item.name
        for node in tree.body
        if isinstance(node, ast.ClassDef)
        for item in node.body
        if isinstance(item, ast.FunctionDef)
    )
    says_so = re.search(r"\bPure\b", ast.get_docstring(tree) or "")
    named = path.parent.name == "decode" or path.name == "protocol.py"
    return bool(named or says_so or "feed" in methods)


def pure_modules() -> list[str]:
    """Every module that must do no I/O, found in the tree."""
    found = {path for path in ROOT.glob("diag/**/*.py") if is_decoder(path)}
    for folder in PURE_PACKAGES:
        found |= set((ROOT / folder).rglob("*.py"))
    return sorted(name for name in map(relative, found) if name not in SHELLS)


def relative(path: Path) -> str:
    """The path as it is written in the lists above."""
    return str(path.relative_to(ROOT))


def module_file(name: str) -> Path | None:
    """The file of a module of ours; None for others, and for names inside a module."""
    if name.split(".", maxsplit=1)[0] not in PROJECT:
        return None
    base = ROOT / name.replace(".", "/")
    choices = (base.with_suffix(".py"), base / "__init__.py")
    return next((path for path in choices if path.is_file()), None)


def reachable(path: Path) -> set[Path]:
    """The module and all modules of ours that it imports, directly or not."""
    waiting, found = [path], set[Path]()
    while waiting:
        here = waiting.pop()
        if here not in found:
            found.add(here)
            waiting += [file for name in imports(here) if (file := module_file(name))]
    return found


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


@pytest.mark.parametrize("name", pure_modules())
def test_decoders_and_analysis_do_no_input_or_output(name: str) -> None:
    """What takes bytes and returns values has no sockets, files or clocks, nor has what it uses."""
    used = reachable(ROOT / name)
    bad = {relative(path): sorted(top_level(path) & IO_MODULES) for path in used}

    assert {path: names for path, names in bad.items() if names} == {}
    assert calls(ROOT / name) & IO_CALLS == set()


def top_level(path: Path) -> set[str]:
    """The first parts of the names of imported modules."""
    return {name.split(".")[0] for name in imports(path)}


def calls(path: Path) -> set[str]:
    """Plain functions that a file calls."""
    return {
        node.func.id
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
    }


def test_the_search_finds_the_decoders() -> None:
    """The rule would prove nothing if it looked at nothing; every shell exists."""
    found = pure_modules()

    assert {
        "diag/model/rack/control.py", "diag/model/vfio_user/protocol.py",
        "diag/trace/decode/capture.py", "diag/trace/decode/ring.py", "diag/trace/latency.py",
        "diag/topo/document.py",
    } <= set(found)  # fmt: skip
    assert [name for name in SHELLS if not (ROOT / name).is_file()] == []
