# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""accel-trace: record what every command did and when, and see where the time went."""

from __future__ import annotations

import json
import os
import signal
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from diag import terminal
from diag.trace import show as view
from diag.trace.capture import Capture, read_capture
from diag.trace.commands import match
from diag.trace.errors import EXIT_FAILED, TraceError, UsageError
from diag.trace.export import export as write_export
from diag.trace.latency import DEFAULT_KEY, KEY_COLUMNS
from diag.trace.record import record_rack
from diag.trace.report import Report, command_json, make_report, to_json
from diag.trace.report_text import to_text

app = typer.Typer(
    name="accel-trace",
    help="Record the life of every command, and show where its time went.",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="""
Try:

  accel-trace record -o run.axt -- python train.py

  accel-trace report run.axt

  accel-trace plot run.axt -o run.png

Captures end in .axt and are Arrow streams: docs/reference/capture.md.""",
)

CaptureFile = Annotated[Path, typer.Argument(metavar="FILE", help="Capture made by `record`.")]
Json = Annotated[bool, typer.Option("--json", help="One JSON document, with schema version.")]
Output = Annotated[Path, typer.Option("--output", "-o", metavar="FILE", help="File to write.")]
Queues = Annotated[list[int] | None, typer.Option("--queue", "-q", help="Only this queue.")]
Endpoints = Annotated[
    list[str] | None, typer.Option("--endpoint", "-e", help="Only this one: name, BDF or row.")
]
Stages = Annotated[list[str] | None, typer.Option("--stage", help="Only this stage.")]
Limit = Annotated[int, typer.Option("--limit", "-n", min=0, help="Lines at most; 0: all.")]


def _version(asked: bool) -> None:
    if not asked:
        return
    print(terminal.version_text("accel-trace"))
    raise typer.Exit


@app.callback()
def _main(
    _version_asked: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    """Record the life of every command, and show where its time went."""


@app.command(context_settings={"allow_interspersed_args": False})
def record(
    output: Output,
    command: Annotated[
        list[str] | None, typer.Argument(metavar="[-- COMMAND...]", help="Program to record.")
    ] = None,
    source: Annotated[
        str, typer.Option(help="auto, rack, rack:NAME or rack:DIR (a folder).")
    ] = "auto",
    duration: Annotated[
        float | None, typer.Option(min=0.0, metavar="S", help="Stop after S seconds.")
    ] = None,
) -> None:
    """Record every process on a rack, those that run already and those that start.

    With COMMAND, runs it, records until it ends, and exits with its status. Without, records
    until --duration or Ctrl-C. An older FILE is kept as FILE.old.

    Try:

      accel-trace record -o run.axt -- python train.py

      accel-trace record -o run.axt --duration 10
    """
    if command and duration is not None:
        raise UsageError(
            "--duration and COMMAND exclude each other",
            advice="With COMMAND, recording ends when it ends.",
        )
    raise typer.Exit(record_rack(source, output, command or None, duration))


@app.command()
def report(
    file: CaptureFile,
    json_: Json = False,
    by: Annotated[
        str, typer.Option(help="Group by these: endpoint,pid,queue,opcode,size,direction.")
    ] = ",".join(DEFAULT_KEY),
    worst: Annotated[int, typer.Option(min=0, help="How many of the slowest to list.")] = 5,
) -> None:
    """Latency per stage with percentiles, lost commands, bandwidth, and what was not seen.

    Percentiles are nearest-rank: each is the latency of a real command.

    Try:

      accel-trace report run.axt

      accel-trace report run.axt --by endpoint,queue --worst 20

      accel-trace report run.axt --json | jq .latency.submit_complete.p99_ns
    """
    found = _analyse(file, _group_key(by), worst)
    if json_:
        _print_json(to_json(found))
    else:
        print(to_text(found, terminal.width()))
    _fail_if_damaged(found.capture)


@app.command()
def show(  # noqa: PLR0913, PLR0917 - one argument per option
    file: CaptureFile,
    commands: Annotated[
        bool, typer.Option("--commands", "-c", help="One line per command, not per event.")
    ] = False,
    limit: Limit = 0,
    queue: Queues = None,
    endpoint: Endpoints = None,
    stage: Stages = None,
    json_: Json = False,
) -> None:
    """Every event in a line, or every command.

    Times are seconds since the recording began.

    Try:

      accel-trace show run.axt --limit 20

      accel-trace show run.axt --commands --queue 1
    """
    capture = read_capture(file)
    wanted = view.Filter(
        frozenset(queue or ()),
        view.endpoint_rows(capture, endpoint or []),
        view.stage_codes(stage or []),
    )
    (_show_commands if commands else _show_events)(capture, wanted, limit, json_)
    for warning in capture.warnings():
        print(f"accel-trace: {warning}", file=sys.stderr)
    _fail_if_damaged(capture)


@app.command()
def plot(file: CaptureFile, output: Output) -> None:
    """One figure: time per stage, its distribution, and the time line (.png, .svg, .pdf).

    Try: accel-trace plot run.axt -o run.png
    """
    # Only here: matplotlib costs half a second that no other command needs to spend.
    from diag.trace.plot import plot as draw  # noqa: PLC0415

    found = _analyse(file)
    draw(found, output)
    print(f"accel-trace: wrote {output}", file=sys.stderr)
    _fail_if_damaged(found.capture)


@app.command()
def export(
    file: CaptureFile,
    output: Output,
    to: Annotated[str, typer.Option(help="csv, parquet or chrome (JSON for Perfetto).")],
) -> None:
    """Events as CSV or Parquet, or commands as a trace for https://ui.perfetto.dev.

    Try:

      accel-trace export run.axt --to parquet -o run.parquet

      accel-trace export run.axt --to chrome -o run.json
    """
    capture = read_capture(file)
    count = write_export(capture, to, output)
    print(f"accel-trace: wrote {count:,} rows to {output}", file=sys.stderr)
    for warning in capture.warnings():
        print(f"accel-trace: {warning}", file=sys.stderr)
    _fail_if_damaged(capture)


def _analyse(file: Path, key: tuple[str, ...] = ("endpoint", "queue"), worst: int = 0) -> Report:
    return make_report(read_capture(file), key, worst)


def _group_key(by: str) -> tuple[str, ...]:
    names = tuple(dict.fromkeys(name.strip() for name in by.split(",") if name.strip()))
    unknown = [name for name in names if name not in KEY_COLUMNS]
    if unknown or not names:
        raise UsageError(
            f"cannot group by {', '.join(unknown) or 'nothing'}",
            where="--by",
            advice=f"Use any of {', '.join(KEY_COLUMNS)}, separated by commas.",
        )
    return names


def _show_events(capture: Capture, wanted: Any, limit: int, as_json: bool) -> None:
    items = view.events(capture, wanted, limit)
    if as_json:
        schema = {"schema": view.EVENTS_SCHEMA, "version": view.SCHEMA_VERSION}
        _print_json(schema | {"events": list(items)})
        return
    for item in items:
        print(view.event_line(item, capture.info.start_ns))


def _show_commands(capture: Capture, wanted: Any, limit: int, as_json: bool) -> None:
    if wanted.stages:
        raise UsageError("--stage filters events, not commands", advice="Leave out --commands.")
    rows = view.commands(match(capture.batches)[0], wanted, limit)
    if as_json:
        schema = {"schema": view.COMMANDS_SCHEMA, "version": view.SCHEMA_VERSION}
        found = [command_json(capture.endpoint_name, row) for row in rows]
        _print_json(schema | {"commands": found})
        return
    for row in rows:
        print(view.command_line(capture, row, capture.info.start_ns))


def _print_json(document: dict[str, Any]) -> None:
    # ASCII only: nothing in it can drive a terminal, and every encoding has it.
    json.dump(document, sys.stdout, allow_nan=False)
    print()


def _fail_if_damaged(capture: Capture) -> None:
    """What could be read was shown; a script must still notice that it was not all."""
    if capture.end.damage is not None:
        raise typer.Exit(EXIT_FAILED)


def main() -> None:
    """Entry point of the console script."""
    terminal.accept_any_encoding()
    try:
        app()
    except TraceError as error:
        print(f"accel-trace: {error}", file=sys.stderr)
        sys.exit(error.exit_status)
    except BrokenPipeError:
        # `| head` has seen enough. Python would complain once more when it flushes at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(128 + signal.SIGPIPE)


if __name__ == "__main__":
    main()
