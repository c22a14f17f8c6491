# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""An endpoint in its place: what firmware does after power-on and after every reset."""

from __future__ import annotations

from diag.model.bus import ResetKind
from diag.model.endpoint import Endpoint, EndpointConfig
from diag.model.fabric import Fabric
from diag.model.loop import Loop
from diag.model.pci_caps import AER_UNCORRECTABLE_MASK_OFFSET
from diag.model.rack.placement import PlacedEndpoint, bdf_word
from pyaccel.spec.formats import BAR_MEMORY, BAR_MSIX, BAR_REGISTERS


class RackEndpoint(Endpoint):
    """An endpoint whose BARs and command register are set up again after every reset.

    Args:
        placed: where it sits.
        loop: event loop of the worker that serves it.
        fabric: shared with all endpoints of the rack.
        firmware: set BARs and place up; without it a guest's firmware and kernel do that.
    """

    def __init__(
        self, placed: PlacedEndpoint, loop: Loop, fabric: Fabric, *, firmware: bool = True
    ) -> None:
        super().__init__(endpoint_config(placed), loop, fabric)
        self.placed = placed
        self._firmware = firmware
        self._set_up()

    def reset(self, kind: ResetKind) -> None:
        """Reset, then do what firmware does: the embedded rack's clients enumerate nothing."""
        super().reset(kind)
        self._set_up()

    def _set_up(self) -> None:
        if not self._firmware:
            return
        space, placed = self.config_space, self.placed
        space.assign_bar(BAR_REGISTERS, placed.bar0)
        space.assign_bar(BAR_MEMORY, placed.bar2)
        space.assign_bar(BAR_MSIX, placed.bar4)
        space.enable(memory=True, bus_master=True)
        # Platforms unmask what they handle; masked, a fatal internal error would not count.
        space.write(AER_UNCORRECTABLE_MASK_OFFSET, bytes(4))
        word = bdf_word(placed.bdf)
        self.capture_place(word >> 8 & 0xFF, word & 0xFF)
        self.update_running()


def endpoint_config(placed: PlacedEndpoint) -> EndpointConfig:
    """What the rack file says of an endpoint, as the device takes it."""
    return EndpointConfig(
        n=placed.n,
        serial=placed.serial,
        index=placed.index,
        count=placed.count,
        card=placed.card,
        memory_bytes=placed.bar2_bytes,
        link_speed=placed.link.speed,
        link_width=placed.link.width,
        max_link_speed=placed.link.max_speed,
        max_link_width=placed.link.max_width,
        irq=placed.irq,
        # Repeatable, and different for every endpoint.
        seed=placed.serial << 8 | placed.index,
    )
