# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""Publish the JSON Schemas of the tools' documents: `python -m diag.schemas [FOLDER]`."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any, Final

import diag.topo.diff_schema
import diag.topo.schema
import diag.trace.report_schema
import diag.tui.machine

PUBLISHED: Final[dict[str, dict[str, Any]]] = {
    "top.schema.json": diag.tui.machine.SCHEMA,
    "topology-diff.schema.json": diag.topo.diff_schema.SCHEMA,
    "topology.schema.json": diag.topo.schema.SCHEMA,
    "trace-report.schema.json": diag.trace.report_schema.SCHEMA,
}


def text(name: str) -> str:
    """A published file as it must be."""
    return json.dumps(PUBLISHED[name], indent=2) + "\n"


def main() -> None:
    """Write every schema into a folder, docs/reference by default."""
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else "docs/reference")
    for name in PUBLISHED:
        (folder / name).write_text(text(name), encoding="utf-8")


if __name__ == "__main__":
    main()
