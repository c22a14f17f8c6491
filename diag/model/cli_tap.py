# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""accel-rack tap: record what every endpoint's link would carry."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from diag.model.cli_common import FAILED, AsJson, EndpointOption, RackName, ask, show_json

tap_app = typer.Typer(
    help="Record transaction-layer packets of a rack into a file.",
    no_args_is_help=True,
    rich_markup_mode=None,
)


@tap_app.command()
def start(
    file: Annotated[Path, typer.Argument(help="New file for the records.")],
    endpoint: EndpointOption = None,
    name: RackName = None,
) -> None:
    """Start recording, for instance: accel-rack tap start run.axltlp."""
    path = str(file.absolute())
    ask(name, "tap.start", path=path, endpoint=endpoint)
    typer.echo(f"recording to {path}; stop with: accel-rack tap stop")


@tap_app.command()
def stop(name: RackName = None, as_json: AsJson = False) -> None:
    """Stop recording and finish the file. Exit status 1 if something went wrong."""
    _report(ask(name, "tap.stop"), as_json=as_json)


@tap_app.command()
def status(name: RackName = None, as_json: AsJson = False) -> None:
    """Whether a tap is running and how much it recorded and lost."""
    _report(ask(name, "tap.status"), as_json=as_json)


def _report(answer: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        show_json(answer)
    elif answer["path"] is None:
        typer.echo("no tap is running")
    else:
        state = "recording to" if answer["running"] else "recorded to"
        typer.echo(
            f"{state} {answer['path']}: {answer['records']} records, {answer['dropped']} dropped"
        )
    for text in answer.get("errors", []):
        typer.echo(f"accel-rack: {text}", err=True)
    if answer.get("errors"):
        raise typer.Exit(FAILED)
