# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""accel-rack fault: the fault catalogue, and faults of running endpoints."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from diag.model.cli_common import (
    FAILED,
    AsJson,
    EndpointOption,
    RackName,
    ask,
    parse_settings,
    show_json,
    show_rows,
    usage_error,
)

_EPILOG = """
Examples:

  accel-rack fault list

  accel-rack fault inject lost_completion --endpoint 1 --queue 0 --set after=10

  accel-rack fault active

  accel-rack fault clear --endpoint 1
"""

fault_app = typer.Typer(
    help="Faults of the simulated devices, repeatable by seed.",
    epilog=_EPILOG,
    no_args_is_help=True,
    rich_markup_mode=None,
)


@fault_app.command("list")
def list_faults(as_json: AsJson = False) -> None:
    """The catalogue: every fault and its parameters."""
    # It imports the whole device, which no other command needs.
    from diag.model.rack import fault_catalogue  # noqa: PLC0415

    faults = fault_catalogue.describe()
    if as_json:
        show_json({"schema": 1, "faults": faults})
        return
    common = set.intersection(*({p["name"] for p in fault["parameters"]} for fault in faults))
    for fault in faults:
        typer.echo(f"{fault['name']}\n  {_first_line(fault['doc'])}")
        for parameter in fault["parameters"]:
            if parameter["name"] not in common:
                typer.echo(f"    {_parameter(parameter)}")
    typer.echo("every fault also takes")
    for parameter in faults[0]["parameters"]:
        if parameter["name"] in common:
            typer.echo(f"    {_parameter(parameter)}")


@fault_app.command()
def inject(  # noqa: PLR0913, PLR0917 - one per option
    fault: Annotated[str, typer.Argument(help="Name from: accel-rack fault list.")],
    endpoint: Annotated[int, typer.Option("--endpoint", "-e", min=0, help="Endpoint number.")],
    queue: Annotated[
        int | None, typer.Option("--queue", "-q", min=0, max=15, help="Queue; all by default.")
    ] = None,
    seed: Annotated[
        int | None, typer.Option("--seed", min=0, help="Makes the fault repeatable.")
    ] = None,
    settings: Annotated[
        list[str] | None, typer.Option("--set", metavar="NAME=VALUE", help="A parameter.")
    ] = None,
    name: RackName = None,
    as_json: AsJson = False,
) -> None:
    """Arm a fault of one endpoint."""
    parameters = parse_settings(settings or [])
    answer = ask(
        name,
        "fault.inject",
        fault=fault,
        endpoint=endpoint,
        queue=queue,
        seed=seed,
        set=parameters,
    )
    if as_json:
        show_json(answer)
        return
    typer.echo(f"endpoint {endpoint}: {_armed(answer)}")
    typer.echo(f"see: accel-rack fault log; end it: accel-rack fault clear --endpoint {endpoint}")


@fault_app.command()
def active(endpoint: EndpointOption = None, name: RackName = None, as_json: AsJson = False) -> None:
    """The armed faults."""
    answer = ask(name, "fault.active", endpoint=endpoint)
    if as_json:
        show_json(answer)
        return
    rows = [(row["n"], fault) for row in answer["endpoints"] for fault in row.get("faults", [])]
    if not rows:
        typer.echo("no fault is armed")
    for n, fault in rows:
        typer.echo(f"endpoint {n}: {_armed(fault)}")
    _tell_missing(answer)


@fault_app.command()
def clear(
    endpoint: EndpointOption = None,
    fault_id: Annotated[
        int | None, typer.Option("--id", min=0, help="Only this one (of --endpoint).")
    ] = None,
    name: RackName = None,
) -> None:
    """Disarm faults: all of the rack, of one endpoint, or one by its id."""
    if fault_id is not None and endpoint is None:
        raise usage_error("--id needs --endpoint: ids count per endpoint")
    answer = ask(name, "fault.clear", endpoint=endpoint, id=fault_id)
    count = sum(row.get("cleared", 0) for row in answer["endpoints"])
    typer.echo(f"{count} faults cleared")
    _tell_missing(answer)
    if fault_id is not None and not count:
        typer.echo(f"accel-rack: endpoint {endpoint} has no fault {fault_id}", err=True)
        raise typer.Exit(FAILED)


@fault_app.command()
def log(endpoint: EndpointOption = None, name: RackName = None, as_json: AsJson = False) -> None:
    """What the faults did so far."""
    answer = ask(name, "fault.log", endpoint=endpoint)
    if as_json:
        show_json(answer)
        return
    lines = [
        (
            str(row["n"]),
            str(entry["time_ns"]),
            f"{entry['fault']}#{entry['id']}",
            *(str(entry[key]) for key in ("queue", "opcode", "sequence")),
        )
        for row in answer["endpoints"]
        for entry in row.get("log", [])
    ]
    if lines:
        show_rows(("ENDPOINT", "TIME_NS", "FAULT", "QUEUE", "OPCODE", "SEQUENCE"), lines)
    else:
        typer.echo("no fault struck yet")
    _tell_missing(answer)


def _armed(fault: dict[str, Any]) -> str:
    given = {key: value for key, value in fault["parameters"].items() if value is not None}
    words = "".join(f" {key}={value}" for key, value in given.items())
    fired = f", fired {fault['fired']} times" if "fired" in fault else ""
    return f"{fault['fault']} id={fault['id']}{words}{fired}"


def _parameter(parameter: dict[str, Any]) -> str:
    if parameter["choices"]:
        bounds = " | ".join(parameter["choices"])
    else:
        unit = f" {parameter['unit']}" if parameter["unit"] else ""
        bounds = f"{_number(parameter['low'])}..{_number(parameter['high'])}{unit}"
    default = "none" if parameter["default"] is None else parameter["default"]
    return f"{parameter['name']} ({bounds}; default {default}): {parameter['doc']}"


def _number(value: float) -> str:
    return str(int(value)) if value == int(value) else f"{value:g}"


def _first_line(text: str | None) -> str:
    return (text or "").strip().partition("\n")[0]


def _tell_missing(answer: dict[str, Any]) -> None:
    for row in answer["endpoints"]:
        if row.get("reason"):
            typer.echo(f"accel-rack: endpoint {row['n']}: {row['reason']}", err=True)
