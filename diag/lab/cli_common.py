# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""What the commands of accel-lab share: which guest, errors and exit statuses."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Annotated

import typer

from diag.lab.errors import LabError, LabUsageError
from diag.lab.session import Session, running_sessions

Name = Annotated[str | None, typer.Option(help="Session name; the rack's by default.")]
Target = Annotated[str | None, typer.Argument(help="Session; needed when several are up.")]


def say(text: str) -> None:
    """Tell the user something that is not output."""
    print(f"accel-lab: {text}", file=sys.stderr)  # noqa: T201 - a command prints


def guarded(action: Callable[[], int], failure: int | None = None) -> None:
    """Run `action`; its value is the exit status.

    A LabError is told and is `failure`; without that 2 for wrong usage, 1 for anything else.
    """
    try:
        status = action()
    except LabError as error:
        say(str(error))
        status = failure or (2 if isinstance(error, LabUsageError) else 1)
    except KeyboardInterrupt:
        status = 130
    raise typer.Exit(status)


def report(unexpected: list[str]) -> int:
    """Tell of kernel log lines that should not be there; the exit status."""
    for line in unexpected:
        say(f"kernel: {line}")
    return 1 if unexpected else 0


def the_session(name: str | None) -> Session:
    """The session of that name, or the only one that is up."""
    found = [session for session in running_sessions() if name in (None, session.name)]
    if len(found) == 1:
        return found[0]
    names = ", ".join(session.name for session in found)
    if names:
        raise LabUsageError(f"several guests are up, name one: {names}")
    which = f" named {name}" if name else ""
    raise LabError(f"no guest{which} is up; accel-lab status lists them")
