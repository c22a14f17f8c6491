# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""Draw the pictures of the README anew: `python docs/images/render.py`.

They show real output: a rack is started, opened, looked at and traced.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path

from rich.console import Console
from rich.text import Text

import pyaccel

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
COLUMNS = 84


def tool(module: str, *words: str) -> str:
    """Output of one of the project's commands."""
    command = [sys.executable, "-m", module, *words]
    return subprocess.run(command, check=True, capture_output=True, text=True, cwd=ROOT).stdout


def draw_tree(source: str) -> None:
    """accel-info.svg: the tree while a program holds every endpoint."""
    with ExitStack() as held:
        for endpoint in pyaccel.devices(source):
            held.enter_context(pyaccel.open(endpoint.uri))
        tree = tool("diag.topo.cli")
    with Path(os.devnull).open("w", encoding="utf-8") as nowhere:
        console = Console(record=True, width=COLUMNS, file=nowhere)
        text = Text.from_ansi("$ accel-info\n" + tree)
        text.highlight_words(["committed"], "green")
        text.highlight_regex(r"card:0x\w+/\d", "cyan")
        console.print(text)
        console.save_svg(str(HERE / "accel-info.svg"), title="accel-info", unique_id="axl")


def draw_latency(folder: Path) -> None:
    """latency.png: the stages of a training."""
    capture = str(folder / "digits.axt")
    program = [sys.executable, str(ROOT / "examples/digits.py")]
    tool("diag.trace.cli", "record", "-o", capture, "--", *program)
    tool("diag.trace.cli", "plot", capture, "-o", str(HERE / "latency.png"))


def main() -> None:
    """Both pictures."""
    with tempfile.TemporaryDirectory(prefix="axl-") as name:
        os.environ["AXL_RUNTIME_DIR"] = name
        tool("diag.model.cli", "up", "--rack", "2x2")
        try:
            draw_tree(f"rack:{name}/2x2")
            draw_latency(Path(name))
        finally:
            tool("diag.model.cli", "down", "--all")


if __name__ == "__main__":
    main()
