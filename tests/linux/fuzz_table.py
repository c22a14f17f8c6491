# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""The table of ioctls that ioctl_fuzzer.c is compiled with, from axl_accel.h itself.

A field is known by its name and comment alone, so a new ioctl takes part without a line here.
"""

from __future__ import annotations

from pyaccel.spec.formats import CmdHeader
from tests.linux.session import copy, fence_wait, nop
from tests.linux.uapi import Interface, declarations, numbers, pointers

_KINDS = {
    "pad": "ZERO",
    "bytes": "BYTES",
    "timeout_ns": "TIMEOUT",
    **dict.fromkeys(("flags", "memory", "in_sync_count", "coalesce_count"), "FEW"),
    **dict.fromkeys(("slots_log2", "slot_count", "coalesce_us", "kind"), "SMALL"),
}
_ALWAYS = {"va", "out_sync", "event_fd", "mmap_offset", "results_offset", "user_address", "slots"}
_ARRAY = "static const unsigned char {}_slot[64] = {{ {} }};"


def table() -> str:
    """The header's text."""
    interface = Interface(declarations())
    names: set[str] = set(_ALWAYS)
    calls, fields = [], []
    for name in sorted(numbers()):
        rows = interface.scalars(name)
        names.update(field for field, _, _ in rows)
        listed = ", ".join(
            f"{{ NAME_{field}, {_kind(field)}, {offset}, {size} }}" for field, offset, size in rows
        )
        fields.append(f"static const struct field fields_{name}[] = {{ {listed} }};")
        calls.append(
            f'\t{{ "{name}", {interface.request(name, 0):#x}, {interface.size(name)}, '
            f"{len(rows)}, fields_{name}, {int(name == 'reset')}, "
            f"{int(name.endswith(('_destroy', '_unmap')))} }},"
        )
    return "\n".join([*_types(names), *_slots(), *fields, *_calls(calls), ""])


def _kind(field: str) -> str:
    return "POINTER" if field in pointers() else _KINDS.get(field, "PLAIN")


def _types(names: set[str]) -> list[str]:
    listed = ", ".join(f"NAME_{name}" for name in sorted(names))
    return [
        f"enum {{ {listed}, NAMES }};",
        "enum kind { PLAIN, ZERO, FEW, SMALL, BYTES, TIMEOUT, POINTER };",
        "struct field { unsigned short name; enum kind kind; unsigned short offset, size; };",
        "struct call { const char *text; unsigned long request; unsigned int size, field_count;",
        "\tconst struct field *fields; int forbidden, destroys; };",
    ]


def _slots() -> list[str]:
    """Commands whose addresses are filled in; one waits for a value that is always there."""
    made = {"nop": nop(), "copy": copy(0, 0, 0), "wait": fence_wait(0, 0)}
    arrays = [_ARRAY.format(name, ", ".join(map(str, data))) for name, data in made.items()]
    return [*arrays, f"#define PAYLOAD {len(CmdHeader().pack())}"]


def _calls(calls: list[str]) -> list[str]:
    return ["static const struct call ioctls[] = {", *calls, "};"]
