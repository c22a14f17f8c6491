# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""The JSON Schema of topology documents, also published under docs/reference. Pure.

`python -m diag.schemas` writes it; a test compares the published file.
"""

from __future__ import annotations

from typing import Any, Final

from diag.json_schema import BOOLEAN, DIALECT, TEXT, U32, U64, array, count, members, or_null
from diag.topo.model import ADDRESS_STATES, HEALTHS, PORT_KINDS

_BDF: Final = {"type": "string", "pattern": "^[0-9a-f]{4}:[0-9a-f]{2}:[01][0-9a-f]\\.[0-7]$"}
_IDENTITY: Final = "^card:0x[0-9a-f]{16}/[0-9]{1,3}$"
_HEX: Final = {"type": "string", "pattern": "^0x[0-9a-f]{1,16}$"}

_COUNTER: Final = or_null(U64)
_LINK: Final = members(
    {
        "speed": or_null(count(15)),
        "width": or_null(count(63)),
        "max_speed": or_null(count(15)),
        "max_width": or_null(count(63)),
    },
    "Speed as in the Link Speed field (1 is 2.5 GT/s, 6 is 64 GT/s), width in lanes.",
)
_AER: Final = members(
    {"correctable_count": _COUNTER, "nonfatal_count": _COUNTER, "fatal_count": _COUNTER},
    "Error counters; null where the source has none.",
)
_PCI: Final = members(
    {
        "vendor_id": or_null(count(0xFFFF)),
        "device_id": or_null(count(0xFFFF)),
        "class_code": or_null(count(0xFFFFFF)),
        "driver": or_null({"type": "string", "maxLength": 64}),
        "numa_node": or_null(count(65535)),
        "iommu_group": or_null(U32),
    },
    "What Linux knows of a function; null from other sources.",
)
_PEER: Final = members(
    {
        "identity": {"type": "string", "pattern": _IDENTITY},
        "bdf": _BDF,
        "reachable": BOOLEAN,
        "reason": or_null(TEXT),
    },
    "Another endpoint; the reason says why requests do not go there directly.",
)
_UNAVAILABLE: Final = {"type": "object", "maxProperties": 64, "additionalProperties": TEXT}
_PORT: Final = members(
    {
        "bdf": _BDF,
        "kind": {"enum": list(PORT_KINDS)},
        "parent": or_null(_BDF),
        "slot": or_null(count(8191)),
        "secondary": or_null(count(255)),
        "subordinate": or_null(count(255)),
        "link": _LINK,
        "window_base": or_null(_HEX),
        "window_limit": or_null(_HEX),
        "acs_redirects": or_null(BOOLEAN),
        "aer": _AER,
        "pci": _PCI,
        "unavailable": _UNAVAILABLE,
    },
    "A port or bridge; the window covers the memory BARs below (from Linux: the prefetchable "
    "ones, if there are any), limit inclusive.",
)
_ADDRESS: Final = members(
    {
        "state": {"enum": list(ADDRESS_STATES)},
        "reason": or_null(TEXT),
        "generation": or_null(U32),
    },
    "The device address that the driver set up.",
)
_ENDPOINT: Final = members(
    {
        "n": count(4095),
        "bdf": _BDF,
        "parent": or_null(_BDF),
        "path": {"type": "array", "items": _BDF, "maxItems": 64},
        "slot": or_null(count(8191)),
        "card": or_null(count(4095)),
        "serial": or_null(_HEX),
        "index": or_null(count(255)),
        "count": or_null({"type": "integer", "minimum": 1, "maximum": 255}),
        "identity": or_null({"type": "string", "pattern": _IDENTITY}),
        "link": _LINK,
        "bars": {
            "type": "array",
            "maxItems": 6,
            "items": members(
                {"number": count(5), "address": or_null(_HEX), "size_bytes": _COUNTER},
                "A base address register; address null: none was assigned.",
            ),
        },
        "irq": or_null({"type": "string", "maxLength": 16}),
        "memory_bytes": _COUNTER,
        "health": {"enum": list(HEALTHS)},
        "health_reason": or_null(TEXT),
        "generation": or_null(U32),
        "address": or_null(_ADDRESS),
        "client_pid": or_null(U32),
        "aer": _AER,
        "pci": _PCI,
        "peers": or_null(array(_PEER, 4096)),
        "unavailable": _UNAVAILABLE,
    },
    "An endpoint; unavailable says by member name why something is null.",
)
FINDING: Final = members(
    {
        "severity": {"enum": ["error", "warning", "note"]},
        "rule": {"type": "string", "maxLength": 64},
        "subject": TEXT,
        "text": TEXT,
        "advice": TEXT,
    },
    "Something to look at.",
)

SCHEMA: Final[dict[str, Any]] = {
    "$schema": DIALECT,
    "title": "AXL topology",
    **members(
        {
            "format": {"const": "axl-topology"},
            "version": {"const": 3},
            "name": {"type": "string", "maxLength": 64},
            "source": TEXT,
            "generation": or_null(U32),
            "live": BOOLEAN,
            "live_reason": or_null(TEXT),
            "ports": array(_PORT, 4096),
            "endpoints": array(_ENDPOINT, 4096),
            "findings": array(FINDING, 65536),
        },
        "A PCI tree as accel-info --json prints it.",
    ),
}
