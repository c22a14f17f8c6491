# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""accel-lab: a rack as real PCIe devices behind switches in a QEMU guest."""

from __future__ import annotations

import json
import signal
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from typing import Annotated, Any, TextIO

import typer

from diag.lab import cli_devices, cli_kernel
from diag.lab.cli_common import Name, Target, guarded, report, say, the_session
from diag.lab.cli_devices import have_driver
from diag.lab.config import LabConfig
from diag.lab.console import attach
from diag.lab.errors import LabUsageError
from diag.lab.session import Session, running_sessions, session_name
from diag.terminal import accept_any_encoding, version_text

DEFAULT_RACK = "2x2"
LAB_FAILED = 125
"""Exit status of `run` when the lab, not the command, failed."""
TERMINATED = 128 + signal.SIGTERM

_EPILOG = "\n\n".join(  # noqa: FLY002 - one example a line
    (
        "Examples:",
        "accel-lab run --rack 2x2 --driver -- ls /dev/accel",
        "accel-lab run -- lspci -tv",
        "accel-lab up --rack 8x4 --iommu",
        "accel-lab shell 8x4",
        "accel-lab down --all",
    )
)

app = typer.Typer(
    help=__doc__,
    epilog=_EPILOG,
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.add_typer(cli_devices.app)
app.add_typer(cli_devices.driver_app, name="driver")
app.add_typer(cli_kernel.app, name="kernel")

Rack = Annotated[
    str | None,
    typer.Option(help="Shipped rack name or rack file; else the guest that is up, or 2x2."),
]
Kernel = Annotated[str | None, typer.Option(help="Leading part of its version, or debug.")]
Accel = Annotated[str | None, typer.Option(help="auto, tcg, kvm, icount (counted tcg).")]
Memory = Annotated[
    int | None,
    typer.Option(
        min=256, max=65536, help="MiB of guest memory; 1024, and 3072 with the debug kernel."
    ),
]
Cpus = Annotated[int | None, typer.Option(min=1, max=64, help="Guest processors.")]
Iommu = Annotated[bool | None, typer.Option(help="Translate DMA with an Intel IOMMU.")]
Msi = Annotated[bool | None, typer.Option(help="Endpoints with MSI instead of MSI-X.")]
Endpoints = Annotated[
    int | None, typer.Option(min=0, help="Plug in only the first so many; 0: switches only.")
]
Append = Annotated[str | None, typer.Option(help="More kernel command line.")]
WithDriver = Annotated[bool, typer.Option("--driver", help="Load axl.ko: /dev/accel/accel*.")]
AsJson = Annotated[bool, typer.Option("--json", help="Machine-readable output.")]


@dataclass(frozen=True, slots=True)
class _Given:
    """Options of `up` and `run` as given; None where they were not. Names as in LabConfig."""

    rack: str | None
    kernel: str | None
    accel: str | None
    memory_mib: int | None
    cpus: int | None
    iommu: bool | None
    msi: bool | None
    endpoints: int | None
    append: str | None


def _choose(name: str | None, given: _Given) -> tuple[Session, LabConfig]:
    """The session that is meant, and its configuration: what is not given stays as it is."""
    running = running_sessions()
    if name is None and given.rack is None and running:
        session = the_session(None)
    else:
        session = Session(name or session_name(given.rack or DEFAULT_RACK))
    base = session.config if session.is_running else LabConfig(DEFAULT_RACK)
    return session, replace(base, **{k: v for k, v in asdict(given).items() if v is not None})


def _show_version(wanted: bool) -> None:
    if wanted:
        print(version_text("accel-lab"))
        raise typer.Exit


@app.callback()
def _root(
    _: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Version.")
    ] = False,
) -> None:
    """A rack as real PCIe devices behind switches, with an unmodified Linux kernel."""


@app.command()
def up(  # noqa: PLR0913, PLR0917 - one per option
    rack: Rack = None,
    name: Name = None,
    kernel: Kernel = None,
    accel: Accel = None,
    memory: Memory = None,
    cpus: Cpus = None,
    iommu: Iommu = None,
    msi: Msi = None,
    endpoints: Endpoints = None,
    append: Append = None,
    driver: WithDriver = False,
) -> None:
    """Boot a rack's guest; it stays up until `accel-lab down`."""
    given = _Given(rack, kernel, accel, memory, cpus, iommu, msi, endpoints, append)

    def action() -> int:
        session, config = _choose(name, given)
        booted = session.up(config, say)
        if driver:
            have_driver(session, [])
        say(f"{session.name} is up" if booted else f"{session.name} was up already")
        return report(session.check_kernel_log())

    guarded(action)


@app.command(context_settings={"ignore_unknown_options": True})
def run(  # noqa: PLR0913, PLR0917 - one per option
    command: Annotated[list[str], typer.Argument(help="Program and arguments, after --.")],
    rack: Rack = None,
    name: Name = None,
    kernel: Kernel = None,
    accel: Accel = None,
    memory: Memory = None,
    cpus: Cpus = None,
    iommu: Iommu = None,
    msi: Msi = None,
    endpoints: Endpoints = None,
    append: Append = None,
    driver: WithDriver = False,
    once: Annotated[bool, typer.Option("--once", help="Switch the guest off after it.")] = False,
    stdin: Annotated[bool, typer.Option("--stdin", help="Pass standard input on.")] = False,
    timeout: Annotated[float | None, typer.Option("--timeout", help="Seconds.")] = None,
    allow: Annotated[
        list[str] | None, typer.Option("--allow", help="Pattern of kernel log lines to accept.")
    ] = None,
) -> None:
    """Run a program in the guest, which is booted when it is not up.

    Output and exit status are the program's. 1 also when the kernel logged a warning or worse
    meanwhile, 125 when the lab failed.
    """
    given = _Given(rack, kernel, accel, memory, cpus, iommu, msi, endpoints, append)

    def action() -> int:
        # As Ctrl-C: the program in the guest is ended, and with --once the guest.
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(TERMINATED))
        session, config = _choose(name, given)
        try:
            if session.up(config, say) and not once:
                say(f"{session.name} stays up; accel-lab down {session.name} ends it")
            if driver:
                have_driver(session, [])
            data = sys.stdin.buffer.read() if stdin else b""
            return _run(session, command, data, timeout, tuple(allow or ()))
        finally:
            if once:
                session.down()

    guarded(action, LAB_FAILED)


@app.command()
def down(
    name: Target = None,
    every: Annotated[bool, typer.Option("--all", help="Every session.")] = False,
) -> None:
    """Switch a guest off."""

    def action() -> int:
        for session in running_sessions() if every else [the_session(name)]:
            session.down()
            say(f"{session.name} is down")
        return 0

    guarded(action)


@app.command()
def status(as_json: AsJson = False) -> None:
    """List the guests that are up."""

    def action() -> int:
        rows = [_row(session) for session in running_sessions()]
        if as_json:
            print(json.dumps({"version": 1, "sessions": rows}, indent=2))
            return 0
        for row in rows:
            ready = "ready" if row["ready"] else "booting"
            print(f"{row['name']}  {ready}  rack {row['rack']}  kernel {row['kernel']}")
        if not rows:
            say("no guest is up; start one: accel-lab up --rack 2x2")
        return 0

    guarded(action)


@app.command()
def shell(name: Target = None) -> None:
    """A shell in the guest; Control-] leaves it."""

    def action() -> int:
        attach(the_session(name).files)
        return 0

    guarded(action)


@app.command()
def log(
    name: Target = None,
    check: Annotated[bool, typer.Option("--check", help="Only what should not be there.")] = False,
) -> None:
    """The guest's kernel log; with --check, exit status 1 when something is unexpected."""

    def action() -> int:
        session = the_session(name)
        if check:
            return report(session.check_kernel_log())
        sys.stdout.write(session.kernel_log())
        return 0

    guarded(action)


@app.command()
def qmp(
    command: Annotated[str, typer.Argument(help="QMP command, such as query-pci.")],
    arguments: Annotated[str, typer.Argument(help="Its arguments, a JSON object.")] = "{}",
    name: Name = None,
) -> None:
    """Send one command to QEMU's control socket and print the answer as JSON."""

    def action() -> int:
        values = _json_object(arguments)
        with the_session(name).qmp() as connection:
            print(json.dumps(connection.execute(command, values), indent=2))
        return 0

    guarded(action)


def _run(
    session: Session,
    command: list[str],
    stdin: bytes,
    timeout_s: float | None,
    allowed: tuple[str, ...],
) -> int:
    start = session.kernel_log_bytes()
    result = session.guest.stream(
        command, _writer(sys.stdout), _writer(sys.stderr), timeout_s=timeout_s, stdin=stdin
    )
    return result or report(session.check_kernel_log(start, allowed))


def _writer(stream: TextIO) -> Callable[[bytes], None]:
    def write(data: bytes) -> None:
        if data:
            stream.buffer.write(data)
            stream.flush()

    return write


def _row(session: Session) -> dict[str, Any]:
    config = session.config
    return {
        "name": session.name,
        "ready": session.is_ready,
        "rack": config.rack,
        "kernel": config.kernel,
        "iommu": config.iommu,
        "folder": str(session.files.folder),
    }


def _json_object(text: str) -> dict[str, Any]:
    try:
        value = json.loads(text)
    except ValueError as error:
        raise LabUsageError(f"arguments {text!r} are not JSON: {error}") from error
    if not isinstance(value, dict):
        raise LabUsageError(f"arguments {text!r} are not a JSON object")
    return value


def main() -> None:
    """Entry point of the console script."""
    accept_any_encoding()
    app(prog_name="accel-lab")


if __name__ == "__main__":
    main()
