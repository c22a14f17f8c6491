# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""The JSON Schema of what `accel-trace report --json` and `show --json` print. Pure.

Also published under docs/reference: `python -m diag.schemas` writes it, a test compares.
"""

from __future__ import annotations

from typing import Any, Final

from diag.json_schema import (
    BOOLEAN,
    DIALECT,
    INTEGER,
    NUMBER,
    U32,
    U64,
    array,
    members,
    or_null,
)
from diag.trace.latency import KEY_COLUMNS, PERCENTILES, SPANS
from diag.trace.schema import EVENT_COLUMNS

_TEXT: Final = {"type": "string"}
_NAME: Final = or_null(_TEXT)
_ENDPOINT: Final = members(
    {"row": U32, "serial": _NAME, "index": or_null(U32), "bdf": _NAME, "name": _TEXT},
    "A row of the endpoint table; the serial is text because it needs 64 bits.",
)
_STATS: Final = members(
    {
        "count": U64,
        "negative_count": U64,
        "min_ns": INTEGER,
        "mean_ns": NUMBER,
        **dict.fromkeys(PERCENTILES, INTEGER),
        "max_ns": INTEGER,
    },
    "Nearest-rank percentiles of the commands with both stamps.",
)
_LATENCY: Final = members(
    {span.name: or_null(_STATS) for span in SPANS}, "Per span; null if no command has both ends."
)
_STAMPS: Final = {"type": "object", "additionalProperties": or_null(INTEGER)}
_COMMAND_MEMBERS: Final = {
    "endpoint": _TEXT,
    "endpoint_row": U32,
    "pid": U32,
    "queue": U32,
    "sequence": U64,
    "opcode": _NAME,
    "op": or_null(U32),
    "direction": _NAME,
    "bytes": or_null(U64),
    "status": _NAME,
    "total_ns": or_null(U64),
    "last_stage": _TEXT,
    "stamps_ns": _STAMPS,
}
_COMMAND: Final = members(_COMMAND_MEMBERS, "One command; stamps_ns has its time at each stage.")
_UNFINISHED: Final = members(
    _COMMAND_MEMBERS
    | {
        "age_ns": or_null(U64),
        "is_lost": BOOLEAN,
        "later_completed_count": U64,
        "was_given_up": BOOLEAN,
        "is_certain": BOOLEAN,
    },
    "A command that the device never completed.",
)
_CAPTURE: Final = members(
    {
        "path": _TEXT,
        "file_bytes": U64,
        "format_version": U32,
        "is_complete": BOOLEAN,
        "rack": _NAME,
        "host": _TEXT,
        "command": or_null(array(_TEXT)),
        "clock": _TEXT,
        "start_ns": INTEGER,
        "end_ns": or_null(INTEGER),
        "realtime_offset_ns": INTEGER,
        "event_count": U64,
        "endpoints": array(_ENDPOINT),
    },
    "Where the events come from.",
)
_RING: Final = members(
    {"ring": _TEXT, "endpoint": U32, "pid": U64, "dropped_count": U64, "time_ns": U64},
    "A ring that dropped events.",
)
_REFUSED: Final = members(
    {"ring": _TEXT, "reason": _TEXT, "time_ns": INTEGER}, "A ring that broke its contract."
)
_LOSS: Final = members(
    {
        "ring_dropped_count": U64,
        "rings": array(_RING),
        "refused_rings": array(_REFUSED),
        "file_leftover_bytes": U64,
        "file_damage": _NAME,
        "ignored_event_count": U64,
        "repeated_stamp_count": U64,
    },
    "Everything that is missing, by stage.",
)
_RECORDER: Final = members(
    {
        **dict.fromkeys(("events", "bytes", "cpu_ns", "wall_ns", "polls", "end_ns"), INTEGER),
        "exit_status": or_null(INTEGER),
        "reason": _TEXT,
    },
    "What recording cost and how it ended.",
)
_GROUP: Final = members(
    {
        "key": {
            "type": "object",
            "propertyNames": {"enum": list(KEY_COLUMNS)},
            "additionalProperties": _NAME,
        },
        "command_count": U64,
        "bytes": U64,
        "latency": _LATENCY,
    },
    "Commands that share a key.",
)
_TRAFFIC: Final = members(
    {
        "direction": _NAME,
        "command_count": U64,
        "bytes": U64,
        "window_ns": INTEGER,
        "busy_ns": or_null(INTEGER),
        "bytes_per_s": or_null(NUMBER),
        "busy_bytes_per_s": or_null(NUMBER),
    },
    "Bytes of the completed commands of one direction.",
)
_REPORT: Final = members(
    {
        "schema": {"const": "axl.trace.report"},
        "version": {"const": 1},
        "capture": _CAPTURE,
        "warnings": array(_TEXT),
        "loss": _LOSS,
        "recorder": or_null(_RECORDER),
        "command_count": U64,
        "latency": _LATENCY,
        "group_key": array({"enum": list(KEY_COLUMNS)}),
        "groups": array(_GROUP),
        "traffic": array(_TRAFFIC),
        "unfinished_count": U64,
        "lost_count": U64,
        "uncertain_count": U64,
        "unfinished": array(_UNFINISHED),
        "failed_count": U64,
        "failed": array(_COMMAND),
        "worst": array(_COMMAND),
        "event_count_by_stage": {"type": "object", "additionalProperties": U64},
    },
    "accel-trace report --json",
)
_NAMED: Final = ("endpoint", "stage", "origin", "status")
_NAMED_OR_NULL: Final = ("opcode", "direction")
_EVENT: Final = members(
    dict.fromkeys(EVENT_COLUMNS, U64)
    | dict.fromkeys(_NAMED, _TEXT)
    | dict.fromkeys(_NAMED_OR_NULL, _NAME)
    | {"op": or_null(U32)},
    "One event; what a stage does not say is null.",
)
_EVENTS: Final = members(
    {"schema": {"const": "axl.trace.events"}, "version": {"const": 1}, "events": array(_EVENT)},
    "accel-trace show --json",
)
_COMMANDS: Final = members(
    {
        "schema": {"const": "axl.trace.commands"},
        "version": {"const": 1},
        "commands": array(_COMMAND),
    },
    "accel-trace show --commands --json",
)

SCHEMA: Final[dict[str, Any]] = {
    "$schema": DIALECT,
    "title": "AXL trace documents",
    "oneOf": [_REPORT, _EVENTS, _COMMANDS],
}
