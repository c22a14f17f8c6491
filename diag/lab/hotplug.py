# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""Taking endpoints out of a running guest and putting them in, through the port's slot.

QEMU presses the slot's attention button; the guest's pciehp waits five seconds, as the
specification wants it, calls the driver's remove() and switches the slot off.
"""

from __future__ import annotations

import time

from diag.lab.errors import LabError
from diag.lab.qmp import Qmp
from diag.lab.session import Session
from diag.lab.topology import endpoint_device, endpoint_id
from diag.model.rack.placement import PlacedEndpoint

TIMEOUT_S = 60.0
_POLL_S = 0.1


def unplug(session: Session, endpoint: PlacedEndpoint) -> None:
    """Take an endpoint out; returns when its slot is empty."""
    if endpoint.irq == "msix":
        # QEMU 11.1: memory_region_del_subregion() finds the MSI-X table in another region.
        raise LabError(
            f"{endpoint.bdf} has MSI-X, and QEMU ends with an assertion when such an endpoint is "
            "unplugged; boot with --msi"
        )
    name = endpoint_id(endpoint.n)
    with session.qmp() as connection:
        if not is_plugged(connection, endpoint):
            raise LabError(f"{endpoint.bdf} is not plugged in")
        connection.execute("device_del", {"id": name})
        _wait(connection, endpoint, plugged=False)


def plug(session: Session, endpoint: PlacedEndpoint) -> None:
    """Put an endpoint in; returns when the guest's kernel has found it."""
    with session.qmp() as connection:
        if is_plugged(connection, endpoint):
            raise LabError(f"{endpoint.bdf} is plugged in already")
        connection.execute("device_add", endpoint_device(endpoint, session.files.rack.path))
    folder = f"/sys/bus/pci/devices/{endpoint.bdf}"
    deadline = time.monotonic() + TIMEOUT_S
    while session.guest.run(["test", "-e", folder], timeout_s=TIMEOUT_S).status:
        if time.monotonic() > deadline:
            raise LabError(f"the guest does not find {endpoint.bdf}; see accel-lab log")
        time.sleep(_POLL_S)


def is_plugged(connection: Qmp, endpoint: PlacedEndpoint) -> bool:
    """Whether QEMU has the endpoint."""
    found = connection.execute("qom-list", {"path": "/machine/peripheral"})
    return any(row["name"] == endpoint_id(endpoint.n) for row in found)


def _wait(connection: Qmp, endpoint: PlacedEndpoint, *, plugged: bool) -> None:
    deadline = time.monotonic() + TIMEOUT_S
    while is_plugged(connection, endpoint) != plugged:
        if time.monotonic() > deadline:
            raise LabError(
                f"the guest does not let go of {endpoint.bdf} in {TIMEOUT_S:.0f} s; "
                "see accel-lab log"
            )
        time.sleep(_POLL_S)
