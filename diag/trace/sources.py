# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""From `--source` to a rack: which one is meant, and which endpoints it has."""

from __future__ import annotations

from pathlib import Path

from diag.model.rack.runtime_dir import (
    RackDir,
    RuntimeDirError,
    is_locked,
    list_racks,
    rack_dir,
)
from diag.model.rack.topology_file import TopologyFileError, parse_topology
from diag.trace.errors import TraceError, UsageError
from diag.trace.model import Endpoint


def endpoint_table(rack: RackDir) -> tuple[Endpoint, ...]:
    """The rack's endpoints, row by row, from its topology file."""
    path = rack.topology
    try:
        placement = parse_topology(path.read_text(encoding="ascii"))
    except OSError as error:
        raise TraceError(
            f"cannot be read: {error.strerror}",
            where=str(path),
            advice="Is the rack up? `accel-rack status` says; `accel-rack up` starts one.",
        ) from None
    except (TopologyFileError, UnicodeDecodeError) as error:
        raise TraceError(str(error), where=str(path), advice="Restart the rack.") from None
    return tuple(
        Endpoint(
            row=row,
            serial=endpoint.serial,
            index=endpoint.index,
            bdf=endpoint.bdf,
            name=f"card:{endpoint.serial:#018x}/{endpoint.index}",
        )
        for row, endpoint in enumerate(placement.endpoints)
    )


def find_rack(source: str) -> RackDir:
    """The rack that `--source` means.

    `auto` and `rack` take the only rack that is up; `rack:NAME` and `rack:DIR` name one.
    """
    kind, _, name = source.partition(":")
    if kind == "kernel":
        raise UsageError(
            "accel-trace cannot record from the kernel driver yet",
            where="--source kernel",
            advice="Use --source rack.",
        )
    if kind not in ("auto", "rack") or (kind == "auto" and name):
        raise UsageError(
            f"{source!r} is no source to record from",
            where="--source",
            advice="Use auto, rack, rack:NAME or rack:DIR (a folder, with a slash in it).",
        )
    try:
        if not name:
            return _only_rack()
        return _checked(RackDir(Path(name).absolute()) if "/" in name else rack_dir(name))
    except RuntimeDirError as error:
        raise UsageError(str(error)) from None


def _only_rack() -> RackDir:
    running = [rack for rack in list_racks() if is_locked(rack)]
    if len(running) == 1:
        return running[0]
    if running:
        names = ", ".join(rack.name for rack in running)
        raise UsageError(
            f"several racks are up: {names}", advice="Name one with --source rack:NAME."
        )
    raise TraceError("no rack is up", advice="Start one: accel-rack up --rack 2x2")


def _checked(rack: RackDir) -> RackDir:
    if not rack.topology.is_file():
        raise TraceError(
            "no rack is up there (no topology file)",
            where=str(rack.path),
            advice="`accel-rack status` lists the racks that are up; `accel-rack up` starts one.",
        )
    return rack
