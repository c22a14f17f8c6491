# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""accel-info: the PCI tree of a rack, its links, identities and addresses."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from diag.printable import printable
from diag.terminal import accept_any_encoding, version_text
from diag.topo.diff import compare, difference_document
from diag.topo.document import document_of, to_document
from diag.topo.findings import Finding, find
from diag.topo.library import opens_as
from diag.topo.model import Endpoint, Port, Rack
from diag.topo.protocol import Source, SourceError, SourceUsageError
from diag.topo.render import Insight, plain, render_endpoint, render_port, render_table, render_tree
from diag.topo.render_diff import render_difference
from diag.topo.sampling import Readings
from diag.topo.sources import open_source, sampler_of
from diag.topo.sources.file import FileSource

FAILED: Final = 1
USAGE: Final = 2
BLOCKS: Final = ("IDENT", "CTRL", "ADDR", "TELEMETRY", "ERROR")
_COLOURS: Final = {"error": "red", "warning": "yellow", "note": "blue"}

_EPILOG = """
Examples:

  accel-info                                    the tree, and what is wrong

  accel-info 1                                  endpoint 1 with its registers

  accel-info card:0x00a0c00000000001/0            the same by what never changes

  accel-info 0000:02:00.0                       a port, or an endpoint, by address

  accel-info --json | jq .endpoints[].address

  accel-info --save before.json; accel-info --source file:before.json

  accel-info --diff before.json                 what has changed since then
"""

app = typer.Typer(rich_markup_mode=None, pretty_exceptions_enable=False)


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(version_text("accel-info"))
        raise typer.Exit


@app.command(help=__doc__, epilog=_EPILOG, context_settings={"help_option_names": ["-h", "--help"]})
def info(  # noqa: PLR0913, PLR0917 - one per option
    subject: Annotated[
        str | None,
        typer.Argument(metavar="[OBJECT]", help="Endpoint number, bus address, or identity."),
    ] = None,
    source: Annotated[
        str, typer.Option("--source", help="auto, kernel, rack, rack:NAME, rack:DIR or file:PATH.")
    ] = "auto",
    table: Annotated[bool, typer.Option("--table", help="One line per endpoint.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="The whole tree as JSON.")] = False,
    save: Annotated[Path | None, typer.Option("--save", help="Save a snapshot.")] = None,
    diff: Annotated[
        str | None,
        typer.Option("--diff", metavar="FILE", help="What has changed since that snapshot."),
    ] = None,
    check: Annotated[
        bool,
        typer.Option(
            "--check",
            help="Exit status 1 if there is an error or a warning; with --diff, a new one.",
        ),
    ] = False,
    _version: Annotated[
        bool,
        typer.Option("--version", callback=_show_version, is_eager=True, help="Print the version."),
    ] = False,
) -> None:
    """Show a rack."""
    try:
        opened = open_source(source)
        rack = opened.read()
        if save is not None:
            _save(rack, save)
        if diff is not None:
            if subject is not None or table:
                raise SourceUsageError("--diff compares whole trees: neither OBJECT nor --table")
            worrying = _show_difference(FileSource(diff).read(), rack, as_json=as_json)
        else:
            worrying = find(rack)
            _show(opened, rack, subject, table=table, as_json=as_json)
    except SourceError as error:
        typer.echo(f"accel-info: {error}", err=True)
        raise typer.Exit(USAGE if isinstance(error, SourceUsageError) else FAILED) from None
    if check and any(finding.severity != "note" for finding in worrying):
        raise typer.Exit(FAILED)


def _show_difference(before: Rack, after: Rack, *, as_json: bool) -> Sequence[Finding]:
    """Print it; the findings that are new."""
    difference = compare(before, after)
    if as_json:
        _print_json(difference_document(difference, before, after))
    else:
        for line in render_difference(difference, _paint()):
            typer.echo(line)
    return difference.new_findings


def _show(source: Source, rack: Rack, subject: str | None, *, table: bool, as_json: bool) -> None:
    if subject is not None:
        _show_one(source, rack, _find(rack, subject), as_json=as_json)
    elif as_json:
        _print_json(to_document(rack))
    else:
        lines = render_table(rack) if table else render_tree(rack, _paint())
        for line in lines:
            typer.echo(line)


def _show_one(source: Source, rack: Rack, found: Endpoint | Port, *, as_json: bool) -> None:
    if as_json:
        _print_json(document_of(rack, found))
        return
    if isinstance(found, Endpoint):
        uri = opens_as(source.name, found)
        insight = Insight(_readings(source, found), _registers(source, found))
        lines = render_endpoint(rack, found, insight, uri)
    else:
        lines = render_port(rack, found)
    for line in lines:
        typer.echo(line)


def _readings(source: Source, endpoint: Endpoint) -> Readings | str:
    try:
        sample = sampler_of(source).sample()
    except SourceError as error:
        return str(error)
    # Numbers may have changed since the tree was read; the key has not.
    numbers = {each.key: each.n for each in sample.rack.endpoints}
    readings = sample.readings.get(numbers.get(endpoint.key, -1))
    return readings or "the source has none of it"


def _registers(source: Source, endpoint: Endpoint) -> dict[str, list[dict[str, Any]] | str]:
    blocks: dict[str, list[dict[str, Any]] | str] = {}
    for name in BLOCKS:
        try:
            blocks[name] = source.registers(endpoint.n, name)
        except SourceError as error:
            # What keeps one block from us keeps them all from us.
            return {**blocks, "registers": str(error)}
    return blocks


def _find(rack: Rack, subject: str) -> Endpoint | Port:
    wanted = subject.lower()
    for endpoint in rack.endpoints:
        identity = endpoint.identity or ""
        names = {str(endpoint.n), f"ep{endpoint.n}", identity, identity.replace("0x", "")}
        if wanted and wanted in names:
            return endpoint
    long = wanted if wanted.count(":") == 2 else f"0000:{wanted}"
    members: list[Endpoint | Port] = [*rack.endpoints, *rack.ports]
    for member in members:
        if member.bdf == long:
            return member
    count = len(rack.endpoints)
    numbers = f"a number (0..{count - 1}), " if count else ""
    typer.echo(
        f"accel-info: {printable(subject, 60)}: no such endpoint or port;"
        f" give {numbers}a bus address or card:SERIAL/INDEX",
        err=True,
    )
    raise typer.Exit(USAGE)


def _save(rack: Rack, path: Path) -> None:
    text = json.dumps(to_document(rack), indent=2) + "\n"
    try:
        path.write_text(text, "utf-8")
    except OSError as error:
        raise SourceUsageError(f"{path}: cannot be written: {error.strerror}") from None
    typer.echo(f"accel-info: saved to {path}", err=True)


def _print_json(value: Any) -> None:
    # ASCII only: nothing in it can drive a terminal, and every encoding has it.
    typer.echo(json.dumps(value, indent=2))


def _paint() -> Any:
    if not sys.stdout.isatty() or os.environ.get("NO_COLOR"):
        return plain
    return lambda text, severity: typer.style(text, fg=_COLOURS[severity])


def main() -> None:
    """Console script."""
    accept_any_encoding()
    app(prog_name="accel-info")


if __name__ == "__main__":
    main()
