# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""accel-lab's commands that act on a running guest: errors, hot-plug, files, the driver."""

from __future__ import annotations

from typing import Annotated

import typer

from diag.lab import aer as aer_injection
from diag.lab import driver, files, hotplug
from diag.lab.cli_common import Name, guarded, say, the_session
from diag.lab.errors import LabUsageError
from diag.lab.rack import place_rack
from diag.lab.session import Session
from diag.lab.targets import find_endpoint, find_function

app = typer.Typer(rich_markup_mode=None)
driver_app = typer.Typer(help="axl.ko in the guest.", no_args_is_help=True, rich_markup_mode=None)

EndpointName = Annotated[str, typer.Argument(help="Bus address or epN.", metavar="ENDPOINT")]


@app.command()
def aer(
    where: Annotated[
        str, typer.Argument(help="Port or endpoint: bus address, or epN.", metavar="WHERE")
    ],
    error: Annotated[str, typer.Argument(help=f"One of {', '.join(aer_injection.ERRORS)}.")],
    fatal: Annotated[bool, typer.Option("--fatal", help="It is fatal from now on.")] = False,
    nonfatal: Annotated[
        bool, typer.Option("--nonfatal", help="It is non-fatal from now on.")
    ] = False,
    name: Name = None,
) -> None:
    """Let a port or an endpoint report a PCIe error."""

    def action() -> int:
        if fatal and nonfatal:
            raise LabUsageError("an error is fatal or non-fatal, not both")
        session = the_session(name)
        target = find_function(place_rack(session.config), where)
        severity: aer_injection.Severity | None = None
        if fatal or nonfatal:
            severity = "fatal" if fatal else "nonfatal"
        aer_injection.inject(session, target, error, severity)
        say(f"{target.bdf} reported {error}; what the kernel did: accel-lab log")
        return 0

    guarded(action)


@app.command()
def unplug(endpoint: EndpointName, name: Name = None) -> None:
    """Take an endpoint out of its slot (guests with --msi only)."""

    def action() -> int:
        session = the_session(name)
        target = find_endpoint(place_rack(session.config), endpoint)
        hotplug.unplug(session, target)
        say(f"{target.bdf} is unplugged")
        return 0

    guarded(action)


@app.command()
def plug(endpoint: EndpointName, name: Name = None) -> None:
    """Put an endpoint into its slot."""

    def action() -> int:
        session = the_session(name)
        target = find_endpoint(place_rack(session.config), endpoint)
        hotplug.plug(session, target)
        say(f"{target.bdf} is plugged in")
        return 0

    guarded(action)


@app.command()
def cp(
    source: Annotated[str, typer.Argument(help="File or folder; guest:PATH in the guest.")],
    target: Annotated[str, typer.Argument(help="Where to; guest:PATH in the guest.")],
    name: Name = None,
) -> None:
    """Copy files and folders between host and guest."""

    def action() -> int:
        files.copy(the_session(name), source, target)
        return 0

    guarded(action)


@driver_app.command("load")
def driver_load(
    parameters: Annotated[
        list[str] | None, typer.Argument(help="Module parameters, such as queue_timeout_ms=2000.")
    ] = None,
    name: Name = None,
) -> None:
    """Build axl.ko for the guest's kernel if needed, and insert it."""

    def action() -> int:
        have_driver(the_session(name), parameters or [])
        return 0

    guarded(action)


@driver_app.command("unload")
def driver_unload(name: Name = None) -> None:
    """Remove axl.ko from the guest's kernel."""

    def action() -> int:
        driver.unload(the_session(name))
        return 0

    guarded(action)


def have_driver(session: Session, parameters: list[str]) -> None:
    """Load the driver unless it is loaded."""
    if driver.is_loaded(session):
        if parameters:
            raise LabUsageError("axl.ko is loaded; first: accel-lab driver unload")
        return
    say("building axl.ko")
    driver.load(session, driver.build_for(session.config.kernel), parameters)
    say("axl.ko is loaded; the endpoints are /dev/accel/accel*")
