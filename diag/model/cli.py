# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""accel-rack: start, stop and disturb embedded racks of simulated cards."""

from __future__ import annotations

import os
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from typing import Annotated, Any, Final

import typer

from diag.model.cli_common import (
    FAILED,
    AsJson,
    RackName,
    ask,
    show_json,
    show_rows,
    the_rack,
    told_errors,
    usage_error,
)
from diag.model.cli_faults import fault_app
from diag.model.cli_tap import tap_app
from diag.model.rack.client import RackClient, RackUnreachableError
from diag.model.rack.control import RpcError
from diag.model.rack.launch import (
    start_rack,
    stop_rack,
    supervisor_command,
    supervisor_environment,
)
from diag.model.rack.runtime_dir import RackDir, is_locked, list_racks, rack_dir
from diag.model.rack.spec import load_rack, shipped_racks

DEFAULT_RACK: Final = "2x2"
_EPILOG = """
Examples:

  accel-rack up                          one rack of shape 2x2

  accel-rack up --rack 8x8 --name big    another one beside it

  accel-rack status --json

  accel-rack fault inject lost_completion --endpoint 1 --queue 0 --set after=10

  accel-rack down --all
"""

app = typer.Typer(
    help=__doc__,
    epilog=_EPILOG,
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.add_typer(fault_app, name="fault")
app.add_typer(tap_app, name="tap")


def _show_version(wanted: bool) -> None:
    if wanted:
        try:
            number = version("accelstack")
        except PackageNotFoundError:
            number = "(not installed)"
        typer.echo(f"accel-rack {number}")
        raise typer.Exit


@app.callback()
def _root(
    _version: Annotated[
        bool,
        typer.Option("--version", callback=_show_version, is_eager=True, help="Print the version."),
    ] = False,
) -> None:
    """Start, stop and disturb embedded racks of simulated cards."""


@app.command()
def up(
    shape: Annotated[
        str | None, typer.Argument(metavar="[RACK]", help="The same as --rack.")
    ] = None,
    rack: Annotated[
        str | None,
        typer.Option(
            "--rack", help="Shipped rack (see: accel-rack racks) or rack file; 2x2 by default."
        ),
    ] = None,
    name: Annotated[
        str | None, typer.Option("--name", "-n", help="Name of the running rack.")
    ] = None,
    foreground: Annotated[
        bool, typer.Option("--foreground", help="Stay here; Ctrl-C stops the rack.")
    ] = False,
    auto_restart: Annotated[
        bool, typer.Option("--auto-restart", help="Start workers that die again.")
    ] = False,
) -> None:
    """Start a rack; it is usable when this returns."""
    if None not in {shape, rack}:
        raise usage_error("name the rack once")
    chosen = shape or rack or DEFAULT_RACK
    with told_errors():
        spec = load_rack(chosen)
        if foreground:
            command = supervisor_command(chosen, name, auto_restart=auto_restart)
            os.execve(command[0], command, supervisor_environment())  # noqa: S606 - no shell
        directory = start_rack(chosen, name, auto_restart=auto_restart)
    typer.echo(f"rack {directory.name} is up: {spec.description or chosen}")
    count = spec.endpoint_count
    typer.echo(f"  {count} endpoint{'s' * (count != 1)} in {directory.path}")
    typer.echo(f"next: accel-info, accel-rack status, accel-rack down {directory.name}")


@app.command()
def down(
    name: Annotated[str | None, typer.Argument(help="Rack; not needed when there is one.")] = None,
    every: Annotated[bool, typer.Option("--all", help="All racks.")] = False,
) -> None:
    """Stop a rack and remove what it left."""
    if every and name is not None:
        raise usage_error("name a rack or use --all, not both")
    with told_errors():
        one = _only_rack if name is None else partial(rack_dir, name)
        chosen = list_racks() if every else [one()]
        for directory in chosen:
            _stop(directory)
        if not chosen:
            typer.echo("no rack is running")


@app.command()
def status(
    name: Annotated[str | None, typer.Argument(help="Rack; all by default.")] = None,
    as_json: AsJson = False,
) -> None:
    """What is running, and how it is. Exit status 1 if a worker is not well."""
    with told_errors():
        chosen = list_racks() if name is None else [the_rack(name)]
        reports = [_report(directory) for directory in chosen]
    if as_json:
        show_json({"schema": 1, "racks": reports})
    else:
        _show_reports(reports)
    if any(not report["well"] for report in reports):
        raise typer.Exit(FAILED)


@app.command()
def racks(as_json: AsJson = False) -> None:
    """The rack files that are shipped."""
    specs = {shape: load_rack(shape) for shape in shipped_racks()}
    if as_json:
        rows = [
            {"name": n, "endpoints": s.endpoint_count, "description": s.description}
            for n, s in specs.items()
        ]
        show_json({"schema": 1, "racks": rows})
        return
    show_rows(
        ("RACK", "ENDPOINTS", "DESCRIPTION"),
        [(n, str(s.endpoint_count), s.description) for n, s in specs.items()],
    )


@app.command("restart-card")
def restart_card(
    card: Annotated[int, typer.Argument(min=0, help="Card number, from 0.")],
    name: RackName = None,
) -> None:
    """Power-cycle a card: a new worker process, memory empty, addresses stale."""
    answer = ask(name, "card.restart", card=card)
    pids = ", ".join(str(worker["pid"]) for worker in answer["workers"])
    typer.echo(f"card {card} is up again (pid {pids}); topology generation {answer['generation']}")


@app.command("kill-card")
def kill_card(
    card: Annotated[int, typer.Argument(min=0, help="Card number, from 0.")],
    name: RackName = None,
) -> None:
    """Drill: SIGKILL the worker of a card, as a crash would."""
    answer = ask(name, "card.kill", card=card)
    pids = ", ".join(map(str, answer["killed"]))
    typer.echo(f"killed pid {pids}; bring the card back with: accel-rack restart-card {card}")


@app.command()
def endpoint(
    action: Annotated[str, typer.Argument(help="remove, restore or reset.")],
    number: Annotated[int, typer.Argument(min=0, help="Endpoint number, from 0.")],
    name: RackName = None,
) -> None:
    """Take an endpoint off the bus (surprise link-down), bring it back, or hot-reset it."""
    if action not in {"remove", "restore", "reset"}:
        raise usage_error(f"{action}: is none of remove, restore, reset")
    answer = ask(name, f"endpoint.{action}", endpoint=number)
    typer.echo(f"endpoint {number} is {answer['state']} (generation {answer['generation']})")


def _only_rack() -> RackDir:
    """The only rack that has a folder, running or not."""
    found = list_racks()
    return found[0] if len(found) == 1 else the_rack(None)


def _stop(directory: RackDir) -> None:
    if not directory.path.is_dir():
        typer.echo(f"rack {directory.name} is not running")
        return
    was_running = stop_rack(directory)
    text = "is down" if was_running else "was not running; its leftovers are removed"
    typer.echo(f"rack {directory.name} {text}")


def _report(directory: RackDir) -> dict[str, Any]:
    head: dict[str, Any] = {"name": directory.name, "directory": str(directory.path)}
    if not is_locked(directory):
        advice = f"its supervisor was killed; clear it: accel-rack down {directory.name}"
        return {**head, "running": False, "well": False, "reason": advice, "info": None}
    try:
        with RackClient(directory, timeout_s=3) as client:
            info = client.call("rack.info")
            who = client.call("who")["endpoints"]
    except (RackUnreachableError, RpcError) as error:
        return {**head, "running": True, "well": False, "reason": str(error), "info": None}
    bad = [w for w in info["workers"] if w["state"] != "running"]
    bad_endpoints = [row for row in who if row["state"] != "online"]
    reason = bad[0]["reason"] if bad else bad_endpoints[0]["reason"] if bad_endpoints else None
    well = not bad and not bad_endpoints
    return {**head, "running": True, "well": well, "reason": reason, "info": info, "who": who}


def _show_reports(reports: list[dict[str, Any]]) -> None:
    if not reports:
        typer.echo("no rack is running; start one: accel-rack up")
    for report in reports:
        info = report["info"]
        if info is None:
            typer.echo(f"rack {report['name']}: {report['reason']}")
            continue
        _show_report(report, info)


def _show_report(report: dict[str, Any], info: dict[str, Any]) -> None:
    typer.echo(
        f"rack {report['name']} (shape {info['rack']}, generation {info['generation']}),"
        f" pid {info['pid']}, up {info['uptime_s']} s"
    )
    typer.echo(f"  {report['directory']}")
    by_number = {row["n"]: row for row in report["who"]}
    rows = [_worker_row(worker, by_number) for worker in info["workers"]]
    show_rows(("  CARDS", "PID", "STATE", "STARTS", "ENDPOINTS", "CLIENTS"), rows)
    for n, endpoint_row in by_number.items():
        if endpoint_row["state"] != "online":
            typer.echo(f"  endpoint {n} is {endpoint_row['state']}: {endpoint_row['reason']}")


def _worker_row(worker: dict[str, Any], who: dict[int, dict[str, Any]]) -> tuple[str, ...]:
    clients = [f"{n}:{who[n]['pid']}" for n in worker["endpoints"] if who[n].get("pid")]
    return (
        "  " + _span(worker["cards"]),
        str(worker["pid"] or "—"),
        worker["state"],
        str(worker["starts"]),
        _span(worker["endpoints"]),
        " ".join(clients) or "—",
    )


def _span(numbers: list[int]) -> str:
    consecutive = numbers == list(range(numbers[0], numbers[0] + len(numbers)))
    if consecutive and len(numbers) > 2:
        return f"{numbers[0]}-{numbers[-1]}"
    return ",".join(map(str, numbers))


def main() -> None:
    """Console script."""
    app(prog_name="accel-rack")


if __name__ == "__main__":
    main()
