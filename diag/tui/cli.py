# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""accel-top: the live rack in a terminal: links, errors, queues, DMA."""

from __future__ import annotations

from typing import Annotated, Final

import typer

from diag.terminal import accept_any_encoding, version_text
from diag.topo.protocol import SourceError, SourceUsageError
from diag.topo.sources import follow

FAILED: Final = 1
USAGE: Final = 2

_EPILOG = """
Examples:

  accel-top                        the running rack, or the kernel driver's devices

  accel-top --source rack:2x2      one of several racks

  accel-top --interval 0.2         five samples a second
"""

app = typer.Typer(rich_markup_mode=None, pretty_exceptions_enable=False)


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(version_text("accel-top"))
        raise typer.Exit


@app.command(help=__doc__, epilog=_EPILOG, context_settings={"help_option_names": ["-h", "--help"]})
def top(
    source: Annotated[
        str, typer.Option("--source", help="auto, kernel, rack, rack:NAME, rack:DIR or file:PATH.")
    ] = "auto",
    interval: Annotated[
        float, typer.Option("--interval", min=0.1, max=3600, help="Seconds between samples.")
    ] = 1.0,
    _version: Annotated[
        bool,
        typer.Option("--version", callback=_show_version, is_eager=True, help="Print the version."),
    ] = False,
) -> None:
    """Show a rack."""
    # Textual takes 0.3 s to import, which --help should not wait for.
    from diag.tui.app import TopApp  # noqa: PLC0415
    from diag.tui.collector import Collector  # noqa: PLC0415

    try:
        sampler = follow(source)
    except SourceError as error:
        typer.echo(f"accel-top: {error}", err=True)
        raise typer.Exit(USAGE if isinstance(error, SourceUsageError) else FAILED) from None
    TopApp(Collector(sampler, interval)).run()


def main() -> None:
    """Console script."""
    accept_any_encoding()
    app(prog_name="accel-top")


if __name__ == "__main__":
    main()
