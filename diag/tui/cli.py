# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""accel-top: the live rack in a terminal: links, errors, queues, DMA."""

from __future__ import annotations

import gc
import os
import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from diag.terminal import accept_any_encoding, version_text
from diag.topo.protocol import SourceError, SourceUsageError
from diag.topo.sources import follow

if TYPE_CHECKING:
    from diag.tui.recording.writer import Writer

FAILED: Final = 1
USAGE: Final = 2

_EPILOG = """
Examples:

  accel-top                              the running rack, or the kernel driver's devices

  accel-top --source rack:2x2 --readonly

  accel-top --record night.axs           the screen, and every sample into a file

  accel-top --loop --record night.axs    the same without a screen

  accel-top --replay night.axs           what happened, at any speed

  accel-top --once --json | jq '.endpoints[].rates'

  accel-top --loop --json --samples 60 > minute.jsonl

  accel-top --serve 8000                 the screen in a browser: http://127.0.0.1:8000

  accel-top --exporter 9470              metrics for Prometheus at http://127.0.0.1:9470/metrics
"""

app = typer.Typer(rich_markup_mode=None, pretty_exceptions_enable=False)


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(version_text("accel-top"))
        raise typer.Exit


@app.command(help=__doc__, epilog=_EPILOG, context_settings={"help_option_names": ["-h", "--help"]})
def top(  # noqa: PLR0913, PLR0917 - one per option
    source: Annotated[
        str, typer.Option("--source", help="auto, kernel, rack, rack:NAME, rack:DIR or file:PATH.")
    ] = "auto",
    interval: Annotated[
        float, typer.Option("--interval", min=0.1, max=3600, help="Seconds between samples.")
    ] = 1.0,
    once: Annotated[bool, typer.Option("--once", help="Print one sample and end.")] = False,
    loop: Annotated[bool, typer.Option("--loop", help="Print a line for every sample.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="JSON (with --once, --loop).")] = False,
    samples: Annotated[
        int | None, typer.Option("--samples", min=1, help="End --loop after so many samples.")
    ] = None,
    exporter: Annotated[
        str | None,
        typer.Option("--exporter", metavar="[HOST:]PORT", help="Serve metrics for Prometheus."),
    ] = None,
    serve: Annotated[
        int | None,
        typer.Option("--serve", metavar="PORT", help="The screen in a browser, on 127.0.0.1."),
    ] = None,
    record: Annotated[Path | None, typer.Option("--record", help="Record into a new file.")] = None,
    replay: Annotated[Path | None, typer.Option("--replay", help="Show a recording.")] = None,
    readonly: Annotated[bool, typer.Option("--readonly", help="Offer no actions.")] = False,
    _version: Annotated[
        bool,
        typer.Option("--version", callback=_show_version, is_eager=True, help="Print the version."),
    ] = False,
) -> None:
    """Show a rack."""
    modes = [once or (as_json and not loop), loop, exporter is not None, replay is not None,
             serve is not None]  # fmt: skip
    _check(modes, record=record is not None, samples=samples)
    try:
        if replay is not None:
            _replay(replay)
        elif exporter is not None:
            _export(source, exporter)
        elif serve is not None:
            _serve(source, interval, serve)
        elif modes[0]:
            _once(source, interval, as_json=as_json)
        elif loop:
            _loop(source, interval, samples, record, as_json=as_json)
        else:
            _screen(source, interval, record, readonly=readonly)
    except SourceError as error:
        typer.echo(f"accel-top: {error}", err=True)
        raise typer.Exit(USAGE if isinstance(error, SourceUsageError) else FAILED) from None


def _check(modes: list[bool], *, record: bool, samples: int | None) -> None:
    if sum(modes) > 1:
        raise typer.BadParameter("choose one of --once, --loop, --exporter, --serve and --replay")
    if record and (modes[0] or any(modes[2:])):
        raise typer.BadParameter("--record goes with the screen or with --loop")
    if samples is not None and not modes[1]:
        raise typer.BadParameter("--samples goes with --loop")


# Textual takes 0.3 s to import, which no other mode should wait for.


def _screen(source: str, interval: float, record: Path | None, *, readonly: bool) -> None:
    # Nothing that is made before the first frame is garbage; the frame switches it on again.
    gc.disable()
    from diag.tui.app import TopApp  # noqa: PLC0415
    from diag.tui.collector import Collector  # noqa: PLC0415

    sampler = follow(source)
    writer = _writer(record)
    TopApp(Collector(sampler, interval, writer), readonly=readonly).run()
    _finish(writer)


def _replay(path: Path) -> None:
    from diag.tui.app import TopApp  # noqa: PLC0415
    from diag.tui.recording.reader import Reader  # noqa: PLC0415
    from diag.tui.replay import Player  # noqa: PLC0415

    TopApp(Player(Reader(path)), readonly=True).run()


def _once(source: str, interval: float, *, as_json: bool) -> None:
    from diag.tui import modes  # noqa: PLC0415

    if not modes.once(follow(source), interval, _say, as_json=as_json):
        raise typer.Exit(FAILED)


def _loop(
    source: str, interval: float, count: int | None, record: Path | None, *, as_json: bool
) -> None:
    from diag.tui import modes  # noqa: PLC0415

    sampler = follow(source)
    writer = _writer(record)
    found = modes.pictures(sampler, interval, writer)
    try:
        with suppress(KeyboardInterrupt):
            modes.loop(found, count, _say, as_json=as_json)
    except BrokenPipeError:
        # Whoever reads has enough; the interpreter must not complain at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    _finish(writer)


def _export(source: str, address: str) -> None:
    from diag.tui.exporter import serve  # noqa: PLC0415

    thread = serve(follow(source), address)
    typer.echo(f"accel-top: metrics at {address}/metrics until Ctrl-C", err=True)
    with suppress(KeyboardInterrupt):
        thread.join()


def _serve(source: str, interval: float, port: int) -> None:
    from diag.tui.browser import serve  # noqa: PLC0415

    follow(source)  # a wrong source is said here, not in every browser
    serve(port, source, interval)


def _writer(path: Path | None) -> Writer | None:
    if path is None:
        return None
    from diag.tui.recording.writer import Writer  # noqa: PLC0415

    return Writer(path)


def _finish(writer: Writer | None) -> None:
    if writer is None:
        return
    writer.close()
    if writer.problem is not None:
        raise SourceError(writer.problem)
    typer.echo(
        f"accel-top: recorded to {writer.path}; see it with: accel-top --replay {writer.path}",
        err=True,
    )


def _say(line: str) -> None:
    # A pipe gets every line at once.
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def main() -> None:
    """Console script."""
    accept_any_encoding()
    app(prog_name="accel-top")


if __name__ == "__main__":
    main()
