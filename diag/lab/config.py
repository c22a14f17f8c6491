# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""What a lab session is made of, as the command line says it and as its folder keeps it."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Self

from diag.lab.errors import LabError
from diag.lab.kernel import DEBUG, DEFAULT_VERSION
from diag.lab.machine import MachineOptions

STATE_VERSION = 2
_MEMORY_MIB = 1024
_DEBUG_MEMORY_MIB = 3072
"""KASAN and kmemleak keep about as much again; with 1 GiB insmod ended in a panic."""


def _memory_mib(kernel: str) -> int:
    return _DEBUG_MEMORY_MIB if kernel == DEBUG else _MEMORY_MIB


@dataclass(frozen=True, slots=True)
class LabConfig:
    """One guest: its rack, kernel and machine.

    `accel` is tcg, kvm or auto (kvm where a trial succeeds), or icount: tcg with a clock that
    goes on one nanosecond per instruction, so that times are counts of instructions.
    `append` goes to the kernel's command line. Only the first `endpoints` are plugged in,
    None: all; the ports of the others stay empty. With `msi` no endpoint has MSI-X.
    `memory_mib` of the guest, None: what its kernel needs for a rack of 32 endpoints.
    """

    rack: str
    kernel: str = DEFAULT_VERSION
    accel: str = "auto"
    memory_mib: int | None = None
    cpus: int = 2
    iommu: bool = False
    msi: bool = False
    endpoints: int | None = None
    append: str = ""

    def machine(self, accel: str) -> MachineOptions:
        """Options of the machine, with the accelerator decided."""
        return MachineOptions(
            memory_mib=self.memory_mib or _memory_mib(self.kernel),
            cpus=self.cpus,
            accel=accel,
            iommu=self.iommu,
            endpoints=self.endpoints,
            append=self.append,
        )

    def save(self, path: Path) -> None:
        """Write the state file."""
        path.write_text(json.dumps({"version": STATE_VERSION, **asdict(self)}) + "\n")

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read the state file; LabError when it is damaged."""
        try:
            values = json.loads(path.read_text())
            if values.pop("version") != STATE_VERSION:
                raise LabError(f"{path}: written by another version; run accel-lab down")
            return cls(**{field.name: values[field.name] for field in fields(cls)})
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise LabError(
                f"{path}: not a session's state ({error}); run accel-lab down"
            ) from error
