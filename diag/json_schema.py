# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""Pieces that the JSON Schemas of the tools' documents are made of. Pure."""

from __future__ import annotations

from typing import Any, Final

DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"
TEXT: Final = {"type": "string", "maxLength": 400}


def count(most: int) -> dict[str, Any]:
    """A whole number from 0 to `most`."""
    return {"type": "integer", "minimum": 0, "maximum": most}


U32: Final = count((1 << 32) - 1)
U64: Final = count((1 << 64) - 1)
INTEGER: Final = {"type": "integer"}
NUMBER: Final = {"type": "number"}
BOOLEAN: Final = {"type": "boolean"}


def or_null(schema: dict[str, Any]) -> dict[str, Any]:
    """The same, or null where it is not known."""
    return {"anyOf": [schema, {"type": "null"}]}


def array(items: dict[str, Any], most: int | None = None) -> dict[str, Any]:
    """A list of `items`, at most that many."""
    return {"type": "array", "items": items} | ({} if most is None else {"maxItems": most})


def members(properties: dict[str, Any], description: str) -> dict[str, Any]:
    """An object with exactly these members."""
    return {
        "type": "object",
        "description": description,
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }
