# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""What a source of topology must do. A new source is a new file in sources/."""

from __future__ import annotations

from typing import Any, Protocol

from diag.topo.model import Rack


class SourceError(Exception):
    """A source cannot be read; the message says where, why and what to do."""


class SourceUsageError(SourceError):
    """What the user named is no source: another word is needed, not another try."""


class Source(Protocol):
    """Reads a PCI tree.

    Every method returns or fails within a few seconds, whatever the devices do.
    """

    name: str
    """What the user would write after --source."""

    def read(self) -> Rack:
        """The tree as it is now; SourceError if there is none."""

    def registers(self, n: int, block: str) -> list[dict[str, Any]]:
        """A register block of an endpoint, decoded as `registers.get` of a rack does.

        SourceError where the source has no registers.
        """


class MachineSource(Source, Protocol):
    """A source of the machine itself, through its operating system."""

    def has_endpoints(self) -> bool:
        """Whether the axl driver drives any device here."""
