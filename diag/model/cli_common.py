# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""What the commands of accel-rack share: which rack, errors and exit statuses."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Annotated, Any, Final

import typer

from diag.model.rack.client import RackClient, RackUnreachableError
from diag.model.rack.control import INVALID_PARAMS, METHOD_NOT_FOUND, RpcError
from diag.model.rack.enumerate import PlacementError
from diag.model.rack.launch import LaunchError
from diag.model.rack.runtime_dir import RackDir, RuntimeDirError, is_locked, list_racks, rack_dir
from diag.model.rack.yaml_table import RackFileError, UnknownRackError, plain_value

FAILED: Final = 1
USAGE: Final = 2

RackName = Annotated[
    str | None,
    typer.Option("--name", "-n", help="Which running rack; not needed when there is one."),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for programs.")]
EndpointOption = Annotated[
    int | None, typer.Option("--endpoint", "-e", min=0, help="Endpoint number; all by default.")
]


@contextmanager
def told_errors() -> Iterator[None]:
    """Turn what can go wrong into one line on standard error and an exit status."""
    try:
        yield
    except RpcError as error:
        typer.echo(f"accel-rack: {error.message}", err=True)
        wrong_usage = error.code in (INVALID_PARAMS, METHOD_NOT_FOUND)
        raise typer.Exit(USAGE if wrong_usage else FAILED) from None
    except (
        RackFileError,
        PlacementError,
        RuntimeDirError,
        LaunchError,
        RackUnreachableError,
    ) as error:
        typer.echo(f"accel-rack: {error}", err=True)
        raise typer.Exit(USAGE if isinstance(error, UnknownRackError) else FAILED) from None


def usage_error(text: str) -> typer.Exit:
    """Say what is wrong with the command line; raise what this returns."""
    typer.echo(f"accel-rack: {text}", err=True)
    return typer.Exit(USAGE)


def running_racks() -> list[RackDir]:
    """Racks whose supervisor lives."""
    return [directory for directory in list_racks() if is_locked(directory)]


def the_rack(name: str | None) -> RackDir:
    """The named rack, or the only one that runs."""
    if name is not None:
        directory = rack_dir(name)
        if not is_locked(directory):
            raise LaunchError(f"rack {name} is not running; start it: accel-rack up --name {name}")
        return directory
    racks = running_racks()
    if not racks:
        raise LaunchError("no rack is running; start one: accel-rack up")
    if len(racks) > 1:
        names = ", ".join(directory.name for directory in racks)
        raise usage_error(f"several racks are running ({names}); choose one with --name")
    return racks[0]


def ask(name: str | None, method: str, **params: Any) -> Any:
    """Call a method of the rack; errors are told and end the command."""
    with told_errors(), RackClient(the_rack(name)) as client:
        return client.call(method, **params)


def show_json(value: Any) -> None:
    """Print a JSON document."""
    typer.echo(json.dumps(value, indent=2, ensure_ascii=False))


def parse_settings(items: list[str]) -> dict[str, int | float | str]:
    """`--set name=value` options as a mapping."""
    settings: dict[str, int | float | str] = {}
    for item in items:
        name, equals, value = item.partition("=")
        if not equals or not name:
            raise usage_error(f"--set {item}: write NAME=VALUE")
        if name in settings:
            raise usage_error(f"--set {name}: given twice")
        settings[name] = plain_value(value)
    return settings


def show_rows(header: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> None:
    """A table with columns as wide as they must be."""
    widths = [max(len(row[i]) for row in [header, *rows]) for i in range(len(header))]
    for row in [header, *rows]:
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        typer.echo("  ".join(cells).rstrip())
