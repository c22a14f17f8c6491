# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""Words that rack files, placements and the runtime directory share.

They stand apart from the rack file because who only talks to a rack must not have to wait for
the import of a YAML parser.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

NAME_PATTERN: Final = r"[a-zA-Z0-9][a-zA-Z0-9._-]{0,47}"
"""Of a rack."""
Irq = Literal["msix", "msi"]


@dataclass(frozen=True, slots=True)
class LinkSpec:
    """A link.

    Speed as the number of the Link Speed field (1 is 2.5 GT/s, 6 is 64 GT/s), width in lanes;
    what it trained to, and what both its ends could do.
    """

    speed: int = 4
    width: int = 16
    max_speed: int = 4
    max_width: int = 16
