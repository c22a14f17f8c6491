# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""The JSON Schema of topology documents, also published under docs/reference.

`python -m diag.topo.schema` prints it; a test compares the published file.
"""

from __future__ import annotations

import json
import sys
from typing import Any, Final

from diag.topo.model import ADDRESS_STATES, HEALTHS, PORT_KINDS

_BDF: Final = {"type": "string", "pattern": "^[0-9a-f]{4}:[0-9a-f]{2}:[01][0-9a-f]\\.[0-7]$"}
_HEX: Final = {"type": "string", "pattern": "^0x[0-9a-f]{1,16}$"}
_TEXT: Final = {"type": "string", "maxLength": 400}


def _count(most: int) -> dict[str, Any]:
    return {"type": "integer", "minimum": 0, "maximum": most}


def _or_null(schema: dict[str, Any]) -> dict[str, Any]:
    return {"anyOf": [schema, {"type": "null"}]}


def _object(members: dict[str, Any], description: str) -> dict[str, Any]:
    return {
        "type": "object",
        "description": description,
        "properties": members,
        "required": list(members),
        "additionalProperties": False,
    }


_COUNTER: Final = _or_null(_count((1 << 64) - 1))
_LINK: Final = _object(
    {
        "speed": _or_null(_count(15)),
        "width": _or_null(_count(63)),
        "max_speed": _or_null(_count(15)),
        "max_width": _or_null(_count(63)),
    },
    "Speed as in the Link Speed field (1 is 2.5 GT/s, 6 is 64 GT/s), width in lanes.",
)
_AER: Final = _object(
    {"correctable_count": _COUNTER, "nonfatal_count": _COUNTER, "fatal_count": _COUNTER},
    "Error counters; null where the source has none.",
)
_PORT: Final = _object(
    {
        "bdf": _BDF,
        "kind": {"enum": list(PORT_KINDS)},
        "parent": _or_null(_BDF),
        "slot": _or_null(_count(8191)),
        "secondary": _count(255),
        "subordinate": _count(255),
        "link": _LINK,
        "window_base": _or_null(_HEX),
        "window_limit": _or_null(_HEX),
        "aer": _AER,
    },
    "A root port or switch port; the window covers all BARs below, limit inclusive.",
)
_ADDRESS: Final = _object(
    {
        "state": {"enum": list(ADDRESS_STATES)},
        "reason": _or_null(_TEXT),
        "generation": _count((1 << 32) - 1),
    },
    "The device address that the driver set up.",
)
_ENDPOINT: Final = _object(
    {
        "n": _count(4095),
        "bdf": _BDF,
        "parent": _BDF,
        "path": {"type": "array", "items": _BDF, "minItems": 1, "maxItems": 64},
        "slot": _or_null(_count(8191)),
        "card": _count(4095),
        "serial": _HEX,
        "index": _count(255),
        "count": {"type": "integer", "minimum": 1, "maximum": 255},
        "identity": {"type": "string", "pattern": "^card:0x[0-9a-f]{16}/[0-9]{1,3}$"},
        "link": _LINK,
        "bars": {
            "type": "array",
            "maxItems": 6,
            "items": _object(
                {"number": _count(5), "address": _HEX, "size_bytes": _COUNTER},
                "A base address register.",
            ),
        },
        "irq": _or_null({"type": "string", "maxLength": 16}),
        "memory_bytes": _COUNTER,
        "health": {"enum": list(HEALTHS)},
        "health_reason": _or_null(_TEXT),
        "generation": _or_null(_count((1 << 32) - 1)),
        "address": _or_null(_ADDRESS),
        "client_pid": _or_null(_count((1 << 32) - 1)),
        "aer": _AER,
        "unavailable": {"type": "object", "maxProperties": 64, "additionalProperties": _TEXT},
    },
    "An endpoint; unavailable says by member name why something is null.",
)
_FINDING: Final = _object(
    {
        "severity": {"enum": ["error", "warning", "note"]},
        "rule": {"type": "string", "maxLength": 64},
        "subject": _TEXT,
        "text": _TEXT,
        "advice": _TEXT,
    },
    "Something to look at.",
)

SCHEMA: Final[dict[str, Any]] = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "title": "AXL topology",
    **_object(
        {
            "format": {"const": "axl-topology"},
            "version": {"const": 1},
            "name": {"type": "string", "maxLength": 64},
            "source": _TEXT,
            "generation": _or_null(_count((1 << 32) - 1)),
            "live": {"type": "boolean"},
            "live_reason": _or_null(_TEXT),
            "ports": {"type": "array", "items": _PORT, "maxItems": 4096},
            "endpoints": {"type": "array", "items": _ENDPOINT, "maxItems": 4096},
            "findings": {"type": "array", "items": _FINDING, "maxItems": 65536},
        },
        "A PCI tree as accel-info --json prints it.",
    ),
}


def main() -> None:
    """Print the schema."""
    json.dump(SCHEMA, sys.stdout, indent=2)
    sys.stdout.write("\n")


if __name__ == "__main__":
    main()
