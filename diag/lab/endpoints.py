# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""The process that serves a session's endpoints to QEMU: a rack without firmware.

Workers, vfio-user servers, faults, telemetry and TLP tap are those of the embedded rack,
with its control socket. BARs and command registers are left to the guest, so the addresses
in the rack's topology file mean nothing here; the places of ports and endpoints do.
"""

from __future__ import annotations

import logging
import os
import sys
from pathlib import Path

from diag.lab.config import LabConfig
from diag.lab.machine import SessionFiles
from diag.lab.rack import session_rack
from diag.model.rack.runtime_dir import lock_rack, write_pid
from diag.model.rack.supervisor import RackStartError, Supervisor


def main() -> int:
    """Serve the session folder that is the only argument, until SIGTERM."""
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s")
    files = SessionFiles(Path(sys.argv[1]))
    files.rack.path.mkdir(mode=0o700)
    lock = lock_rack(files.rack)
    if lock is None:
        sys.stderr.write(f"{files.rack.path} belongs to another process\n")
        return 1
    write_pid(lock)
    supervisor = Supervisor(
        session_rack(LabConfig.load(files.state)), files.rack, auto_restart=False, firmware=False
    )
    try:
        supervisor.run(files.endpoints_ready.touch)
    except RackStartError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    finally:
        os.close(lock)
    return 0


if __name__ == "__main__":
    sys.exit(main())
