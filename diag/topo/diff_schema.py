# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""The JSON Schema of differences between topologies, also published under docs/reference. Pure."""

from __future__ import annotations

from typing import Any, Final

from diag.json_schema import DIALECT, TEXT, array, members, or_null
from diag.topo.diff import FORMAT, KINDS, VERSION
from diag.topo.schema import FINDING

_CHANGE: Final = members(
    {
        "kind": {"enum": list(KINDS)},
        "subject": TEXT,
        "member": or_null(TEXT),
        "before": {"description": "Any JSON value; null where there was none."},
        "after": {"description": "Any JSON value; null where there is none."},
    },
    "Subject: an identity, a bus address or 'rack'. Member: its path in the topology document; "
    "null for a whole object, whose bus address stands before or after.",
)

SCHEMA: Final[dict[str, Any]] = {
    "$schema": DIALECT,
    "title": "Difference between two AXL topologies",
    **members(
        {
            "format": {"const": FORMAT},
            "version": {"const": VERSION},
            "before": TEXT,
            "after": TEXT,
            "changes": array(_CHANGE),
            "new_findings": array(FINDING),
            "gone_findings": array(FINDING),
        },
        "What accel-info --diff FILE --json prints.",
    ),
}
