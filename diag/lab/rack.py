# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""The rack of a session: its rack file, with what the session's options change."""

from __future__ import annotations

from dataclasses import replace

from diag.lab.config import LabConfig
from diag.lab.errors import LabUsageError
from diag.model.rack.enumerate import PlacementError, enumerate_rack
from diag.model.rack.placement import Placement
from diag.model.rack.spec import CardSpec, PortSpec, RackSpec, SwitchSpec, load_rack
from diag.model.rack.yaml_table import RackFileError


def session_rack(config: LabConfig) -> RackSpec:
    """What the rack consists of; RackFileError when its file is wrong."""
    spec = load_rack(config.rack)
    return with_msi_only(spec) if config.msi else spec


def place_rack(config: LabConfig) -> Placement:
    """The rack of a session, enumerated; LabUsageError with the rack file's error."""
    try:
        placement = enumerate_rack(session_rack(config))
    except (RackFileError, PlacementError) as error:
        raise LabUsageError(str(error)) from error
    count = len(placement.endpoints)
    if config.endpoints is not None and config.endpoints > count:
        raise LabUsageError(f"rack {config.rack} has {count} endpoints, not {config.endpoints}")
    return placement


def with_msi_only(spec: RackSpec) -> RackSpec:
    """The same rack with endpoints that have MSI instead of MSI-X."""
    return replace(spec, root_ports=tuple(_port_with_msi(port) for port in spec.root_ports))


def _port_with_msi(port: PortSpec) -> PortSpec:
    below = port.below
    if isinstance(below, SwitchSpec):
        below = SwitchSpec(tuple(_port_with_msi(inner) for inner in below.ports))
    elif isinstance(below, CardSpec):
        endpoints = tuple(replace(endpoint, irq="msi") for endpoint in below.endpoints)
        below = replace(below, endpoints=endpoints)
    return replace(port, below=below)
