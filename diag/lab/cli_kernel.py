# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""accel-lab kernel: kernels that are built here."""

from __future__ import annotations

from typing import Annotated

import typer

from diag.lab.cli_common import guarded, say
from diag.lab.kernel_build import build_debug_kernel

app = typer.Typer(help="Kernels that are built here.", no_args_is_help=True, rich_markup_mode=None)


@app.callback()
def _root() -> None:
    """Kernels that are built here."""


@app.command()
def build(
    jobs: Annotated[
        int | None, typer.Option(min=1, help="Compilers at a time; one per processor by default.")
    ] = None,
) -> None:
    """Build the debug kernel (KASAN, lockdep, kmemleak) for `--kernel debug`; takes an hour."""

    def action() -> int:
        kernel = build_debug_kernel(say, jobs)
        say(f"kernel {kernel.release} is ready: accel-lab up --kernel debug")
        return 0

    guarded(action)
