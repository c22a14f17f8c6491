# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""Injecting PCIe errors: at ports by QEMU, at endpoints by the kernel's aer_inject.

QEMU's ports send a real error message up the tree. A vfio-user endpoint ignores QEMU's
injection; there aer_inject overlays the AER registers that the kernel reads, and no TLP
is lost. While that module is loaded it also shows the root ports' error status as it last
made it, so that nobody sees the messages of ports: it is removed before QEMU injects.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Final, Literal

from diag.lab.errors import LabError, LabUsageError
from diag.lab.rack import place_rack
from diag.lab.session import Session
from diag.lab.topology import port_id
from diag.model.rack.placement import PlacedEndpoint, PlacedPort, bdf_word

Severity = Literal["fatal", "nonfatal"]

_COMMAND_TIMEOUT_S: Final = 60.0
_UNCORRECTABLE_MASK, _SEVERITY, _CORRECTABLE_MASK = "ECAP_AER+8.L", "ECAP_AER+c.L", "ECAP_AER+14.L"
_ROOT_STATUS_CLEAR: Final = "ECAP_AER+30.L=7f"


@dataclass(frozen=True, slots=True)
class PcieError:
    """One error of PCIe 6.0 s7.8.4: its bit in the AER registers and its name in QEMU."""

    bit: int
    qemu_name: str
    correctable: bool = False


ERRORS: Final[dict[str, PcieError]] = {
    "data-link-protocol": PcieError(4, "DLP"),
    "surprise-down": PcieError(5, "SDN"),
    "poisoned-tlp": PcieError(12, "POISON_TLP"),
    "flow-control": PcieError(13, "FCP"),
    "completion-timeout": PcieError(14, "COMP_TIME"),
    "completer-abort": PcieError(15, "COMP_ABORT"),
    "unexpected-completion": PcieError(16, "UNX_COMP"),
    "receiver-overflow": PcieError(17, "RX_OVER"),
    "malformed-tlp": PcieError(18, "MALF_TLP"),
    "ecrc": PcieError(19, "ECRC"),
    "unsupported-request": PcieError(20, "UNSUP"),
    "internal": PcieError(22, "INTN"),
    "receiver": PcieError(0, "RCVR", correctable=True),
    "bad-tlp": PcieError(6, "BAD_TLP", correctable=True),
    "bad-dllp": PcieError(7, "BAD_DLLP", correctable=True),
    "replay-rollover": PcieError(8, "REP_ROLL", correctable=True),
    "replay-timeout": PcieError(12, "REP_TIMER", correctable=True),
}
"""The errors that can be injected, by our name."""


def inject(
    session: Session,
    target: PlacedEndpoint | PlacedPort,
    name: str,
    severity: Severity | None = None,
) -> None:
    """Let `target` report an error; returns before the kernel has recovered from it.

    Args:
        session: the guest.
        target: a port, or an endpoint.
        name: one of `ERRORS`.
        severity: what an uncorrectable error is from now on; None leaves the register alone.
    """
    error = ERRORS.get(name)
    if error is None:
        raise LabUsageError(f"there is no error {name[:40]!r}; known: {', '.join(ERRORS)}")
    if severity is not None and error.correctable:
        raise LabUsageError(f"{name} is correctable: it is neither fatal nor non-fatal")
    _refuse_masked(session, target.bdf, name, error)
    if severity is not None:
        bit = 1 << error.bit
        _setpci(session, target.bdf, f"{_SEVERITY}={bit if severity == 'fatal' else 0:x}:{bit:x}")
    if isinstance(target, PlacedPort):
        _inject_at_port(session, target, error)
    else:
        _inject_at_endpoint(session, target, error)


def _refuse_masked(session: Session, bdf: str, name: str, error: PcieError) -> None:
    """A masked error tells nobody, and aer_inject keeps its bit for the next injection."""
    register = _CORRECTABLE_MASK if error.correctable else _UNCORRECTABLE_MASK
    mask = int(_setpci(session, bdf, register), 16)
    if mask >> error.bit & 1:
        raise LabError(
            f"{bdf} masks {name} (mask {mask:#010x}); unmask it: "
            f"accel-lab run -- setpci -s {bdf} {register}={mask & ~(1 << error.bit):x}"
        )


def _inject_at_port(session: Session, port: PlacedPort, error: PcieError) -> None:
    _uncover_root_ports(session)
    line = f"pcie_aer_inject_error {port_id(port.bdf)} {error.qemu_name}"
    with session.qmp() as connection:
        answer = connection.execute("human-monitor-command", {"command-line": line})
    if not str(answer).startswith("OK"):
        raise LabError(f"QEMU did not inject at {port.bdf}: {str(answer).strip()}")


def _uncover_root_ports(session: Session) -> None:
    """Remove aer_inject; what it hid meanwhile is forgotten, or nothing would interrupt again."""
    roots = [port.bdf for port in place_rack(session.config).ports if port.kind == "root"]
    clear = " && ".join(f"setpci -s {bdf} {_ROOT_STATUS_CLEAR}" for bdf in roots)
    script = f"if test -e /sys/module/aer_inject; then rmmod aer_inject && {clear}; fi"
    _guest(session, ["sh", "-c", script])


def _inject_at_endpoint(session: Session, endpoint: PlacedEndpoint, error: PcieError) -> None:
    """Write one `struct aer_error_inj` (drivers/pci/pcie/aer_inject.c)."""
    word = bdf_word(endpoint.bdf)
    place = (word >> 8 & 0xFF, word >> 3 & 0x1F, word & 7)
    bits = (0, 1 << error.bit) if error.correctable else (1 << error.bit, 0)
    request = struct.pack("<BBBx7I", *place, *bits, 0, 1, 2, 3, word >> 16)
    script = "modprobe aer_inject && exec dd of=/dev/aer_inject bs=64 status=none"
    _guest(session, ["sh", "-c", script], request)


def _setpci(session: Session, bdf: str, register: str) -> str:
    return _guest(session, ["setpci", "-s", bdf, register])


def _guest(session: Session, command: list[str], stdin: bytes = b"") -> str:
    done = session.guest.run(command, timeout_s=_COMMAND_TIMEOUT_S, stdin=stdin)
    if done.status:
        raise LabError(f"{command[0]} failed in the guest: {done.stderr.decode().strip()}")
    return done.stdout.decode()
