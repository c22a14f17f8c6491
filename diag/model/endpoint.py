# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""One endpoint of the reference device: everything a PCI function does, and no sockets."""

from __future__ import annotations

import logging
import mmap
import os
import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

from diag.model.address import AddressBlock
from diag.model.block_hooks import connect
from diag.model.bus import (
    CONFIG_BYTES,
    FunctionSpec,
    HostBus,
    IrqKind,
    Region,
    RegionSpec,
    ResetKind,
    ShadowDoorbells,
)
from diag.model.clock import DeviceClock
from diag.model.config_space import ConfigSpace
from diag.model.dma import Dma
from diag.model.engine import Engine, Ports
from diag.model.errors import ErrorBlock
from diag.model.fabric import Fabric, sealed_memory
from diag.model.faults import Faults
from diag.model.loop import Loop
from diag.model.memory import DeviceMemory
from diag.model.msix_table import MsixTable
from diag.model.pci_caps import ConfigOptions
from diag.model.registers import DOORBELL_BASE, RegisterFile
from diag.model.telemetry import Sensors
from pyaccel.spec import regs
from pyaccel.spec.formats import BAR0_BYTES, BAR4_BYTES, BAR_MEMORY, MSIX_VECTORS
from pyaccel.spec.regs import ResetCause

if TYPE_CHECKING:
    from diag.model.tlp import TlpTap

_LOG = logging.getLogger(__name__)
DOORBELL_BYTES: Final = BAR0_BYTES - DOORBELL_BASE
MSI_VECTORS: Final = 16
MOST_PPM: Final = 50.0
"""Tolerance of the clock oscillator."""
_SURVIVORS: Final = (
    regs.CTRL_GENERATION,
    regs.CTRL_RESET_CAUSE,
    regs.ADDR_GENERATION,
    regs.CLOCK_TICKS,
    regs.TELEMETRY_MEMORY_CORRECTED,
    regs.TELEMETRY_MEMORY_UNCORRECTED,
    regs.IDENT_BOARD_SERIAL,
    regs.IDENT_ENDPOINT,
    regs.IDENT_MEMORY_BYTES,
)


@dataclass(frozen=True, slots=True)
class EndpointConfig:
    """What differs between endpoints.

    Args:
        n: row in the rack and in the fabric.
        serial: board serial.
        index: endpoint index on the card.
        count: endpoints on the card.
        card: ordinal of the card in the rack.
        memory_bytes: device memory, a power of two of at least 4 KiB.
        link_speed: trained link speed (PCIe 6.0 s7.5.3.8), with the three below.
        link_width: lanes.
        max_link_speed: what the endpoint could do.
        max_link_width: lanes it could use.
        irq: which interrupt mechanism it has.
        seed: makes sensors and faults repeatable.
        clock_ppm: how much faster than nominal its clock runs; None takes it from the seed.
    """

    n: int = 0
    serial: int = 1
    index: int = 0
    count: int = 1
    card: int = 0
    memory_bytes: int = 1 << 24
    link_speed: int = 4
    link_width: int = 16
    max_link_speed: int = 4
    max_link_width: int = 16
    irq: Literal["msix", "msi"] = "msix"
    seed: int = 0
    clock_ppm: float | None = None


class Endpoint:
    """A PCI function that executes commands (implements `bus.PciFunction`).

    Args:
        config: its identity and shape.
        loop: event loop of the worker that serves it.
        fabric: shared with all endpoints of the rack; row `config.n` is this one.
    """

    def __init__(self, config: EndpointConfig, loop: Loop, fabric: Fabric) -> None:
        self.config = config
        self.loop = loop
        self.fabric = fabric
        self.registers = RegisterFile()
        self.clock = DeviceClock(_clock_ppm(config))
        self.memory = DeviceMemory(fabric.memory_fds[config.n], config.memory_bytes)
        self.config_space = ConfigSpace(_config_options(config))
        self.msix = MsixTable()
        self.sensors = Sensors(self.clock, config.seed)
        self.errors = ErrorBlock(self.registers, self.clock, self._event)
        self.address = AddressBlock(
            self.registers,
            (config.serial, config.index),
            config.memory_bytes,
            lambda: self.config_space.bar_address(BAR_MEMORY),
            self._address_changed,
        )
        self.dma = Dma(self.memory, fabric, config.n, self.address)
        self._doorbell_fd = sealed_memory(f"axl-doorbells{config.n}", DOORBELL_BYTES)
        self._doorbell_map = mmap.mmap(self._doorbell_fd, DOORBELL_BYTES)
        self.engine = Engine(
            self.clock,
            self.dma,
            self.errors,
            Ports(
                loop,
                memoryview(self._doorbell_map).cast("I"),
                self._interrupt,
                fabric.notify,
            ),
        )
        self.engine.on_busy = self.sensors.utilisation.add
        fabric.listen(self.engine.recheck)
        self.faults = Faults(self)
        self.spec = self._function_spec()
        self.config_space.on_flr = self._function_level_reset
        self.config_space.on_bar_change = self._bars_changed
        self._attached: HostBus | None = None
        self.link_up = True
        self.on_retrained: Callable[[], None] = _nothing
        """Called when the link has come back and the function was reset."""
        self.internal_errors = 0
        self._identify()
        connect(self)

    # -- bus.PciFunction -----------------------------------------------------------------

    def attach(self, bus: HostBus) -> None:
        """A client is connected and its memory can be used."""
        self._attached = bus
        self.update_running()

    def detach(self) -> None:
        """The client is gone: no DMA after this, and nothing of it left to the next one."""
        self._attached = None
        self.reset(ResetKind.FUNCTION)
        self.scrub()

    def dma_changed(self) -> None:
        """Mappings were removed: no view of host memory is left when this returns."""
        self.engine.drop_views()
        self.engine.kick()

    def doorbell(self) -> None:
        """The shadow doorbell eventfd was signalled: serve until idle or out of time."""
        self.engine.doorbell()

    def region_read(self, region: Region, offset: int, length: int) -> bytes:
        """Read a region; all-ones while the link is down (PCIe 6.0 s2.3.2)."""
        if not self.link_up:
            return b"\xff" * length
        try:
            data = self._read(region, offset, length)
        except Exception:  # noqa: BLE001 - a broken access must not end the worker
            self._contain("read", region, offset)
            data = b"\xff" * length
        if self.engine.tap is not None:
            self._tap_read(region, offset, data)
        return data

    def region_write(self, region: Region, offset: int, data: bytes) -> None:
        """Write a region; dropped while the link is down."""
        if not self.link_up:
            return
        if self.engine.tap is not None:
            self._tap_write(region, offset, data)
        try:
            self._write(region, offset, data)
        except Exception:  # noqa: BLE001 - a broken access must not end the worker
            self._contain("write", region, offset)

    def reset(self, kind: ResetKind) -> None:
        """Reset the whole function; counters that survive do."""
        registers = self.registers
        self.engine.reset()
        self.engine.drop_views()
        registers.reset(_SURVIVORS)
        registers.set(regs.CTRL_GENERATION, registers.get(regs.CTRL_GENERATION) + 1 & 0xFFFFFFFF)
        registers.set(regs.CTRL_RESET_CAUSE, ResetCause(kind))
        self.config_space.reset(kind)
        self.msix.reset()
        self.address.make_stale()
        self.faults.was_reset()
        self._publish()
        self.update_running()

    # -- for the rack --------------------------------------------------------------------

    def capture_place(self, bus: int, devfn: int) -> None:
        """Firmware's configuration write reached the endpoint at bus:device.function."""
        self.address.capture(bus << 8 | devfn)
        if self.engine.tap is not None:
            self.engine.tap.function_id = bus << 8 | devfn

    def scrub(self) -> None:
        """Make device memory zero."""
        self.memory.scrub()

    def lose_link(self) -> None:
        """Surprise link-down (PCIe 6.0 s6.9.5): until `retrain()` nothing gets in or out."""
        self.link_up = False
        self._publish()
        self.update_running()

    def retrain(self) -> None:
        """The link comes up again, whatever took it down; nothing happens while it is up.

        For the function that is a hot reset (PCIe 6.0 s2.9.1).
        """
        if self.link_up:
            return
        self.faults.link_restored()
        self.reset(ResetKind.SECONDARY_BUS)
        self.link_up = True
        self._publish()
        self.update_running()
        self.on_retrained()

    def halt(self) -> None:
        """An uncorrected error stops the device: CTRL.STATUS.HALTED until a function reset."""
        self.registers.update(regs.CTRL_STATUS, HALTED=1)
        self.engine.halt()
        self.update_running()

    @property
    def tap(self) -> TlpTap | None:
        """Records transactions; None when off."""
        return self.engine.tap

    @tap.setter
    def tap(self, tap: TlpTap | None) -> None:
        self.engine.tap = tap
        if tap is not None and self.address.captured is not None:
            tap.function_id = self.address.captured
        self.faults.install()

    def close(self) -> None:
        """Stop and give all descriptors of this endpoint back (not the fabric's)."""
        self.engine.reset()
        self.engine.drop_views()
        self.fabric.forget(self.engine.recheck)
        self.fabric.publish(self.config.n, None, self.config.memory_bytes, enabled=False)
        self.engine.doorbells.release()
        self._doorbell_map.close()
        os.close(self._doorbell_fd)
        self.memory.close()

    # -- inside --------------------------------------------------------------------------

    def _function_spec(self) -> FunctionSpec:
        regions = {
            Region.BAR0: RegionSpec(BAR0_BYTES),
            Region.BAR2: RegionSpec(self.config.memory_bytes, fd=self.memory.fd),
            Region.BAR4: RegionSpec(BAR4_BYTES),
            Region.CONFIG: RegionSpec(CONFIG_BYTES),
        }
        msix = self.config.irq == "msix"
        irqs = {IrqKind.MSIX: MSIX_VECTORS} if msix else {IrqKind.MSI: MSI_VECTORS}
        doorbells = ShadowDoorbells(DOORBELL_BASE, DOORBELL_BYTES, self._doorbell_fd)
        return FunctionSpec(f"axl{self.config.n}", regions, irqs, shadow_doorbells=doorbells)

    def _identify(self) -> None:
        config, registers = self.config, self.registers
        registers.set(regs.IDENT_BOARD_SERIAL, config.serial)
        registers.set(
            regs.IDENT_ENDPOINT, regs.IDENT_ENDPOINT.make(INDEX=config.index, COUNT=config.count)
        )
        registers.set(regs.IDENT_MEMORY_BYTES, config.memory_bytes)

    def _read(self, region: Region, offset: int, length: int) -> bytes:
        if region == Region.BAR0:
            if offset >= DOORBELL_BASE:
                return bytes(length)  # write-only
            return self.registers.read(offset, length)
        if region == Region.CONFIG:
            return self.config_space.read(offset, length)
        if region == Region.BAR2:
            return bytes(self.memory.view[offset : offset + length])
        return self.msix.read(offset, length) if region == Region.BAR4 else b"\xff" * length

    def _write(self, region: Region, offset: int, data: bytes) -> None:
        if region == Region.BAR0:
            if offset >= DOORBELL_BASE:
                self.engine.ring(offset - DOORBELL_BASE, data)
            else:
                self.registers.write(offset, data)
        elif region == Region.CONFIG:
            self.config_space.write(offset, data)
            self.update_running()
        elif region == Region.BAR2:
            self.memory.view[offset : offset + len(data)] = data
        elif region == Region.BAR4:
            self.msix.write(offset, data)

    def _tap_read(self, region: Region, offset: int, data: bytes) -> None:
        tap = self.engine.tap
        assert tap is not None
        value = int.from_bytes(data, "little") if len(data) <= 8 else None
        if region == Region.CONFIG:
            tap.config_read(offset, len(data), value)
        else:
            tap.mmio_read(region, offset, len(data), value)

    def _tap_write(self, region: Region, offset: int, data: bytes) -> None:
        tap = self.engine.tap
        assert tap is not None
        value = int.from_bytes(data, "little") if len(data) <= 8 else None
        if region == Region.CONFIG:
            tap.config_write(offset, len(data), value)
        else:
            tap.mmio_write(region, offset, len(data), value)

    def _contain(self, what: str, region: Region, offset: int) -> None:
        """An access failed inside the device: the others must not feel it."""
        self.internal_errors += 1
        if self.internal_errors & (self.internal_errors - 1) == 0:
            name = Region(region).name
            _LOG.exception("endpoint=%d %s %s+%#x failed", self.config.n, what, name, offset)
        self.errors.record(regs.ErrorCode.FIRMWARE)

    def _function_level_reset(self) -> None:
        self.reset(ResetKind.FUNCTION)

    def _bars_changed(self) -> None:
        self.address.make_stale()
        self._publish()

    def _publish(self) -> None:
        base = self.config_space.bar_address(BAR_MEMORY)
        size = self.config.memory_bytes
        self.fabric.publish(self.config.n, base, size, enabled=self.link_up)

    def _address_changed(self) -> None:
        """Translations of peer pages depend on it."""
        self.engine.drop_views()

    def update_running(self) -> None:
        """Look again whether queues may run: enabled, client there, link up, bus master."""
        reachable = self._attached is not None and self.link_up and self.config_space.bus_master
        self.dma.bus = self._attached if reachable else None
        enabled = self.registers.get(regs.CTRL_CONTROL) & 1
        halted = regs.CTRL_STATUS.get(self.registers.get(regs.CTRL_STATUS), "HALTED")
        self.engine.set_running(bool(reachable and enabled and not halted))

    def _event(self) -> None:
        self._interrupt(self.registers.get(regs.CTRL_EVENT_VECTOR))

    def _interrupt(self, vector: int) -> None:
        if self.dma.bus is None:
            return
        self.dma.bus.raise_interrupt(vector)
        if self.engine.tap is not None:
            self.engine.tap.interrupt(vector)


def _nothing() -> None:
    """Callback of nobody."""


def _clock_ppm(config: EndpointConfig) -> float:
    """Drift of the oscillator: every card has its own, so that tools must correlate clocks."""
    if config.clock_ppm is not None:
        return config.clock_ppm
    generator = random.Random(config.seed)  # noqa: S311 - repeatable, not secret
    return generator.uniform(-MOST_PPM, MOST_PPM)


def _config_options(config: EndpointConfig) -> ConfigOptions:
    return ConfigOptions(
        serial=config.serial,
        memory_bytes=config.memory_bytes,
        link_speed=config.link_speed,
        link_width=config.link_width,
        max_link_speed=config.max_link_speed,
        max_link_width=config.max_link_width,
        msi_vectors=0 if config.irq == "msix" else MSI_VECTORS,
    )
