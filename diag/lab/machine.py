# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""QEMU's command line for a lab guest."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from diag.lab.errors import LabError
from diag.lab.kernel import Kernel
from diag.lab.topology import topology_arguments
from diag.lab.tsc import tsc_khz
from diag.model.rack.placement import Placement
from diag.model.rack.runtime_dir import MAX_SOCKET_PATH, RackDir

# With AMD's vendor string QEMU reserves the last 12 GiB below 1 TiB (HyperTransport), just
# where the firmware puts 64-bit BARs: after a rescan the kernel could not place them again.
_TCG_CPU = "max,vendor=GenuineIntel"
# Without the fast string instructions, of which each byte would count as an instruction.
_ICOUNT_CPU = f"{_TCG_CPU},erms=off,fsrm=off,fsrs=off,fzrm=off,fsrc=off"
_ACCEL = {
    "tcg": ["-accel", "tcg,thread=multi", "-cpu", _TCG_CPU],
    # One nanosecond per instruction. Both processors take turns on one thread.
    "icount": ["-accel", "tcg,thread=single", "-cpu", _ICOUNT_CPU, "-icount", "shift=0"],
    "kvm": ["-accel", "kvm", "-cpu", "host"],
}
_ICOUNT_TSC_KHZ = 1_000_000
_LAB_PORT = "lab"
_LAB_SLOT = 250
_QUIET = (
    "panic=-1 mitigations=off random.trust_cpu=on tsc=reliable no_timer_check audit=0 "
    "pci=hpiosize=0"
)


@dataclass(frozen=True, slots=True)
class MachineOptions:
    """What a guest is made of."""

    memory_mib: int = 1024
    cpus: int = 2
    accel: str = "tcg"
    iommu: bool = False
    endpoints: int | None = None
    append: str = ""


@dataclass(frozen=True, slots=True)
class SessionFiles:
    """Files of one running guest, all in its private folder."""

    folder: Path

    @property
    def qmp(self) -> Path:
        """QEMU's control socket."""
        return self.folder / "qmp.sock"

    @property
    def agent(self) -> Path:
        """Requests to the guest's agent."""
        return self.folder / "agent.sock"

    @property
    def console(self) -> Path:
        """The interactive shell."""
        return self.folder / "console.sock"

    @property
    def kernel_log(self) -> Path:
        """The kernel's console, from its first line."""
        return self.folder / "kernel.log"

    @property
    def share(self) -> Path:
        """The folder that host and guest share (/run/axl-lab/share in the guest)."""
        return self.folder / "share"

    @property
    def initramfs(self) -> Path:
        """The guest's initial file system."""
        return self.folder / "initramfs.cpio"

    @property
    def rack(self) -> RackDir:
        """The rack that serves the endpoints: their sockets and its control socket."""
        return RackDir(self.folder / "rack")

    @property
    def endpoints_ready(self) -> Path:
        """Exists once every endpoint's socket accepts."""
        return self.folder / "endpoints.ready"

    @property
    def state(self) -> Path:
        """What the session was started with (JSON)."""
        return self.folder / "state.json"

    def log(self, name: str) -> Path:
        """Output of one of the session's processes."""
        return self.folder / f"{name}.log"


def machine_arguments(
    options: MachineOptions, kernel: Kernel, files: SessionFiles, placement: Placement, work: Path
) -> list[str]:
    """All of QEMU's arguments; `work` is the checkout that the guest sees live."""
    _check_paths(files, work)
    own = f"{_QUIET} {_clock_append(options)} {_iommu_append(options)}"
    append = f"console=ttyS0 loglevel=7 {own} {options.append}"
    return [
        *_base(options),
        *_consoles(files),
        *_share("host", Path("/"), 1, readonly=True),
        *_share("work", work, 2, readonly=True),
        *_share("share", files.share, 3, readonly=False),
        *topology_arguments(placement, files.rack.path, options.endpoints),
        *("-kernel", str(kernel.image), "-initrd", str(files.initramfs)),
        *("-append", " ".join(append.split())),
    ]


def _check_paths(files: SessionFiles, work: Path) -> None:
    longest = str(files.rack.path / "control.sock")
    if len(longest.encode()) > MAX_SOCKET_PATH:
        raise LabError(f"{longest}: too long for a socket; set AXL_RUNTIME_DIR to a shorter folder")
    for path in (files.folder, work):
        if "," in str(path) or "\n" in str(path):
            raise LabError(f"{path}: QEMU cannot use a path with a comma or a line break")


def _base(options: MachineOptions) -> list[str]:
    size = f"{options.memory_mib}M"
    irqchip = ",kernel-irqchip=off" if options.iommu else ""
    arguments = [
        *("-machine", f"q35,memory-backend=ram,sata=off,smbus=off,vmport=off{irqchip}"),
        *_ACCEL[options.accel],
        *("-smp", str(options.cpus), "-m", size),
        # Shared memory: the endpoints' process maps it and does DMA in place.
        *("-object", f"memory-backend-memfd,id=ram,size={size},share=on"),
        *("-nodefaults", "-no-user-config", "-display", "none", "-no-reboot"),
        # Hot-plug by the ports themselves (pciehp), as on real boards, not by ACPI.
        *("-global", "ICH9-LPC.acpi-pci-hotplug-with-bridge-support=off"),
    ]
    if options.iommu:
        arguments += ["-device", "intel-iommu,caching-mode=on,intremap=off,device-iotlb=off"]
    return arguments


def _clock_append(options: MachineOptions) -> str:
    if options.accel == "icount":
        return f"tsc_early_khz={_ICOUNT_TSC_KHZ}"
    khz = tsc_khz() if options.accel == "tcg" else None
    return f"tsc_early_khz={khz}" if khz else ""


def _iommu_append(options: MachineOptions) -> str:
    return "intel_iommu=on iommu=nopt iommu.passthrough=0" if options.iommu else ""


def _consoles(files: SessionFiles) -> list[str]:
    socket = "server=on,wait=off"
    return [
        *("-chardev", f"file,id=log,path={files.kernel_log},append=on"),
        *("-serial", "chardev:log"),
        *("-chardev", f"socket,id=shell,path={files.console},{socket}"),
        *("-chardev", f"socket,id=agent,path={files.agent},{socket}"),
        *("-qmp", f"unix:{files.qmp},{socket}"),
        *(
            "-device",
            f"pcie-root-port,id={_LAB_PORT},addr=1c.0,chassis={_LAB_SLOT},slot={_LAB_SLOT}",
        ),
        *("-device", f"virtio-serial-pci,id=consoles,{_function(0)}"),
        *("-device", "virtconsole,chardev=shell,nr=0"),
        *("-device", "virtconsole,chardev=agent,nr=1"),
    ]


def _function(number: int) -> str:
    """Where one of the lab's own devices sits, and that it keeps its state in D3hot.

    Behind a root port they have power management; without it Linux resets them when the
    system sleeps, which its 9p driver, and so the root file system, does not survive.
    """
    return f"bus={_LAB_PORT},addr=0.{number},multifunction=on,x-pcie-pm-no-soft-reset=on"


def _share(tag: str, path: Path, function: int, *, readonly: bool) -> list[str]:
    flags = "security_model=none,multidevs=remap" + (",readonly=on" if readonly else "")
    device = f"virtio-9p-pci,fsdev={tag},mount_tag={tag},{_function(function)}"
    return ["-fsdev", f"local,id={tag},path={path},{flags}", "-device", device]
