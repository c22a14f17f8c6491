# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""The process that serves a session's endpoints to QEMU.

The same device and server as in the embedded rack, without its firmware: here BARs and
command register are set by the guest.
"""

from __future__ import annotations

import logging
import signal
import sys
from pathlib import Path

from diag.lab.config import LabConfig
from diag.lab.machine import SessionFiles
from diag.model.endpoint import Endpoint
from diag.model.fabric import Fabric
from diag.model.loop import Loop
from diag.model.rack.enumerate import enumerate_rack
from diag.model.rack.placement import Placement
from diag.model.rack.rack_endpoint import endpoint_config
from diag.model.rack.spec import load_rack
from diag.model.vfio_user.server import VfioUserServer


def serve(placement: Placement, folder: Path, loop: Loop) -> list[VfioUserServer]:
    """Listen on the socket of every endpoint."""
    sizes = [endpoint.bar2_bytes for endpoint in placement.endpoints]
    fabric = Fabric(sizes, name=f"axl-{placement.name}")
    servers = []
    for placed in placement.endpoints:
        endpoint = Endpoint(endpoint_config(placed), loop, fabric)
        servers.append(VfioUserServer(folder / placed.socket, endpoint, loop))
    return servers


def main() -> int:
    """Serve the endpoints of the session folder that is the only argument, until SIGTERM."""
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s: %(message)s")
    files = SessionFiles(Path(sys.argv[1]))
    loop = Loop()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    servers = serve(enumerate_rack(load_rack(LabConfig.load(files.state).rack)), files.folder, loop)
    try:
        loop.run()
    finally:
        for server in servers:
            server.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
