# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""What can be done from the screen, and how dangerous it is."""

from __future__ import annotations

import datetime as dt
import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from diag.model.rack.client import RackClient, RackUnreachableError
from diag.model.rack.control import RpcError
from diag.topo.document import to_document
from diag.topo.model import Endpoint, Rack
from diag.tui.latencies import Captured, captured
from diag.tui.picture import Picture

_DEVICES: Final = Path("/sys/bus/pci/devices")
_TIMEOUT_S: Final = 20.0
CAPTURE_S: Final = 10


class ActionError(Exception):
    """It was not done; the message says why and what to do."""


@dataclass(frozen=True, slots=True)
class Done:
    """What was done, in words, and what it measured if it did."""

    text: str
    captured: Captured | None = None


@dataclass(frozen=True, slots=True)
class Action:
    """Something to choose. `warning` is what the user has to agree to; None: it is harmless."""

    title: str
    run: Callable[[], Done]
    """Does it, blocking."""
    warning: str | None = None


def actions(picture: Picture, address: str | None) -> list[Action]:
    """What can be done now with the object at a bus address."""
    found = [Action("save a snapshot of the rack", lambda: _save(picture.rack))]
    member = picture.members.get(address or "")
    where = _control(picture.rack)
    if where is not None:
        found.append(_capture_action(where))
    if not isinstance(member, Endpoint):
        return found
    return [*found, *(_on_driver(picture, member) if where is None else _on_rack(where, member))]


def _control(rack: Rack) -> Path | None:
    """The folder of an embedded rack."""
    kind, _, folder = rack.source.partition(":")
    return Path(folder) if kind == "rack" and folder.startswith("/") else None


def _on_rack(where: Path, endpoint: Endpoint) -> list[Action]:
    user = "no program uses it"
    if endpoint.client_pid is not None:
        user = f"pid {endpoint.client_pid} uses it and loses its jobs"
    n, card = endpoint.n, endpoint.card
    reset = Action(
        f"reset endpoint {n}",
        lambda: _call(where, "endpoint.reset", f"endpoint {n} was reset", endpoint=n),
        f"Resets endpoint {n} ({endpoint.bdf}) through its bus: {user}.",
    )
    if card is None:
        return [reset]
    restart = Action(
        f"restart card {card}",
        lambda: _call(where, "card.restart", f"card {card} was restarted", card=card),
        f"Takes the power from card {card} and gives it back: programs that use any of its"
        " endpoints lose them.",
    )
    return [reset, restart]


def _on_driver(picture: Picture, endpoint: Endpoint) -> list[Action]:
    """Of the kernel's endpoints: what this user may do to them."""
    reset = _DEVICES / endpoint.bdf / "reset"
    if picture.rack.source != "kernel" or not os.access(reset, os.W_OK):
        return []
    readings = picture.sample.readings.get(endpoint.n)
    clients = (readings and readings.clients) or ()
    names = ", ".join(f"{each.name or '?'} (pid {each.pid})" for each in clients)
    users = f"{names} lose their jobs" if names else "no program is seen to use it"
    return [
        Action(
            f"reset endpoint {endpoint.n}",
            lambda: _write(reset, f"endpoint {endpoint.n} was reset"),
            f"Resets endpoint {endpoint.n} ({endpoint.bdf}), what is in its memory is lost: "
            f"{users}.",
        )
    ]


def _write(attribute: Path, done: str) -> Done:
    try:
        attribute.write_text("1")
    except OSError as error:
        raise ActionError(f"{attribute}: {error.strerror}") from None
    return Done(done)


def _capture_action(where: Path) -> Action:
    return Action(
        f"capture every command for {CAPTURE_S} s",
        lambda: _capture(where),
        f"Records what every program on the rack does for {CAPTURE_S} s, into a new file here;"
        " each command takes a little longer meanwhile.",
    )


def _capture(where: Path) -> Done:
    path = Path(f"axl-{_stamp()}.axt").absolute()
    # In a process of its own: what writes captures would double the memory of this one.
    source = f"rack:{where}"
    _trace("record", "-o", str(path), "--source", source, "--duration", str(CAPTURE_S))
    report = _trace("report", str(path), "--json", "--by", "endpoint,opcode")
    try:
        found = captured(json.loads(report))
    except (ValueError, KeyError, TypeError) as error:
        raise ActionError(f"{path}: accel-trace report makes no sense: {error!r}") from None
    return Done(f"captured to {path}; see all of it: accel-trace report {path}", found)


def _trace(*words: str) -> str:
    """What accel-trace prints."""
    try:
        done = subprocess.run(
            [sys.executable, "-m", "diag.trace.cli", *words],
            check=False, capture_output=True, text=True, timeout=CAPTURE_S + _TIMEOUT_S,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        raise ActionError(f"accel-trace {words[0]} did not come to an end") from None
    if done.returncode:
        raise ActionError(done.stderr.strip()[-400:] or f"exit status {done.returncode}")
    return done.stdout


def _call(where: Path, method: str, done: str, **params: int) -> Done:
    try:
        with RackClient(where, _TIMEOUT_S) as client:
            client.call(method, **params)
    except (RackUnreachableError, RpcError) as error:
        raise ActionError(str(error)) from None
    return Done(done)


def _stamp() -> str:
    return dt.datetime.now(tz=dt.UTC).strftime("%Y%m%dT%H%M%SZ")


def _save(rack: Rack) -> Done:
    path = Path(f"axl-{_stamp()}.json")
    text = json.dumps(to_document(rack), indent=2) + "\n"
    try:
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)
        with os.fdopen(fd, "w", encoding="utf-8") as file:
            file.write(text)
    except OSError as error:
        raise ActionError(f"{path.absolute()}: {error.strerror}") from None
    return Done(f"saved to {path.absolute()}; show it: accel-info --source file:{path}")
