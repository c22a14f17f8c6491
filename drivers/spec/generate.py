# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""Generate C, Python and documentation from the hardware contract.

    python drivers/spec/generate.py            write the generated files
    python drivers/spec/generate.py --check    exit 1 and name the files that are stale

The register map is compiled by systemrdl-compiler; formats.yaml is checked here for
alignment and size, so that a layout that would need hidden padding is refused.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import yaml
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from systemrdl.compiler import RDLCompiler
from systemrdl.node import AddrmapNode, FieldNode, RegfileNode, RegNode

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent

OUTPUTS = {
    "axl_regs.h.j2": HERE / "include/axl_regs.h",
    "axl_reg_table.h.j2": HERE / "include/axl_reg_table.h",
    "axl_formats.h.j2": HERE / "include/axl_formats.h",
    "axl_names.h.j2": HERE / "include/axl_names.h",
    "axl_spec_proof.c.j2": HERE / "proof/axl_spec_proof.c",
    "regs.py.j2": ROOT / "pyaccel/spec/regs.py",
    "formats.py.j2": ROOT / "pyaccel/spec/formats.py",
    "registers.md.j2": ROOT / "docs/reference/registers.md",
    "formats.md.j2": ROOT / "docs/reference/formats.md",
    "axl_tracepoints.h.j2": ROOT / "drivers/linux/axl_tracepoints.h",
    "trace-events.md.j2": ROOT / "docs/reference/trace-events.md",
}

TYPES = {  # name: (bytes, C, struct code, NumPy)
    "u8": (1, "uint8_t", "B", "u1"),
    "u16": (2, "axl_le16", "H", "<u2"),
    "u32": (4, "axl_le32", "I", "<u4"),
    "u64": (8, "axl_le64", "Q", "<u8"),
    "i32": (4, "axl_le32", "i", "<i4"),
}


class SpecError(Exception):
    """The contract contradicts itself; the message names the place."""


def camel(name: str) -> str:
    """cmd_header -> CmdHeader."""
    return "".join(part.capitalize() for part in name.split("_"))


def c_number(value: int, width: int) -> str:
    """An unsigned C constant of at least `width` bits."""
    return f"0x{value:x}ull" if width > 32 else f"0x{value:x}u"


# --- registers ---------------------------------------------------------------


def access_of(field: FieldNode) -> str:
    """ro, rw, wo or rw1c."""
    if field.get_property("onwrite") is not None:
        return "rw1c"
    return {"r": "ro", "rw": "rw", "w": "wo"}[field.get_property("sw").name]


def field_entry(field: FieldNode, width: int, enums: dict[str, Any]) -> dict[str, Any]:
    """What the templates need of one field; collects the enum it is encoded with."""
    encode = field.get_property("encode")
    enum = None
    if encode is not None:
        enum = encode.type_name.removeprefix("axl_").removesuffix("_e")
        members = [{"name": m.name, "value": m.value, "doc": m.rdl_desc} for m in encode]
        enums[enum] = {"name": enum, "py_name": camel(enum), "members": members}
    ones = (1 << field.width) - 1
    return {
        "name": field.inst_name,
        "high": field.high,
        "low": field.low,
        "access": access_of(field),
        "doc": field.get_property("desc") or "",
        "enum": enum,
        "reset": field.get_property("reset") or 0,
        "c_mask": c_number(ones << field.low, width),
        "c_ones": c_number(ones, width),
    }


def array_of(node: RegfileNode | RegNode) -> tuple[int, int]:
    """(elements, stride in bytes) of an array; (1, 0) of a single node."""
    if not node.is_array:
        return 1, 0
    dimensions, stride = node.array_dimensions, node.array_stride
    if not dimensions or len(dimensions) != 1 or stride is None:
        raise SpecError(f"{node.inst_name}: only arrays of one dimension are supported")
    return dimensions[0], stride


def register_entry(block: RegfileNode, reg: RegNode, enums: dict[str, Any]) -> dict[str, Any]:
    """What the templates need of one register."""
    width = reg.get_property("regwidth")
    fields = [field_entry(f, width, enums) for f in reg.fields()]
    reset = sum(f["reset"] << f["low"] for f in fields)
    offset = block.raw_address_offset + reg.raw_address_offset
    arrays = [(arg, array_of(node)) for arg, node in (("b", block), ("n", reg)) if node.is_array]
    counts = tuple(count for _, (count, _) in arrays)
    strides = tuple(stride for _, (_, stride) in arrays)
    terms = "".join(
        f" + ({arg}) * {stride:#x}u" for (arg, _), stride in zip(arrays, strides, strict=True)
    )
    last = offset + sum((c - 1) * s for c, s in zip(counts, strides, strict=True))
    return {
        "name": reg.inst_name,
        "title": reg.get_property("name"),
        "offset": offset,
        "width": width,
        "count": array_of(reg)[0],
        "counts": counts,
        "strides": strides,
        "reset": reset,
        "fields": sorted(fields, key=lambda f: -f["high"]),
        "c_args": f"({', '.join(arg for arg, _ in arrays)})" if arrays else "",
        "c_last_args": f"({', '.join(str(c - 1) for c in counts)})" if arrays else "",
        "c_offset": f"({offset:#06x}u{terms})" if arrays else f"{offset:#06x}u",
        "c_last_offset": f"{last:#x}u",
        "c_reset": c_number(reset, width),
    }


def load_registers(path: Path) -> dict[str, Any]:
    """Compile the RDL file into template data."""
    compiler = RDLCompiler()
    compiler.compile_file(str(path))
    top = compiler.elaborate().top
    assert isinstance(top, AddrmapNode)
    enums: dict[str, Any] = {}
    blocks = [
        {
            "name": block.inst_name,
            "title": block.get_property("name"),
            "doc": block.get_property("desc") or "",
            "count": array_of(block)[0],
            "registers": [register_entry(block, reg, enums) for reg in block.registers()],
        }
        for block in top.children()
        if isinstance(block, RegfileNode)
    ]
    return {"blocks": blocks, "register_enums": list(enums.values()), "bar0_bytes": top.size}


# --- formats -----------------------------------------------------------------


def enum_entry(name: str, body: dict[str, Any]) -> dict[str, Any]:
    """One enum or flag set; refuses a value given twice."""
    members = [{"name": key, **value} for key, value in body["values"].items()]
    twice = [v for v, n in Counter(m["value"] for m in members).items() if n > 1]
    if twice:
        raise SpecError(f"enum {name}: value {twice[0]} is used twice")
    flags = name.endswith("_flag")
    return {
        "name": name,
        "doc": body["doc"],
        "members": members,
        "py_name": camel(name),
        "py_base": "IntFlag" if flags else "IntEnum",
        "end": max(m["value"] for m in members) + 1,
    }


def struct_field(struct: str, raw: dict[str, Any], offset: int, position: int) -> dict[str, Any]:
    """One field at `offset`; `position` is its index among the unpacked values."""
    size, c_type, code, np_type = TYPES[raw["type"]]
    count = raw.get("count", 1)
    name = raw["name"]
    if offset % size:
        raise SpecError(f"struct {struct}: {name} at {offset} is not {size}-byte aligned")
    one = count == 1
    reserved = name.startswith("reserved")
    default = " = 0" if one else f" = (0,) * {count}"
    return {
        "name": name,
        "doc": raw["doc"],
        "offset": offset,
        "count": count,
        "bytes": size * count,
        "type": raw["type"],
        "c_type": c_type,
        "code": code if one else f"{count}{code}",
        "np_entry": f'("{name}", "{np_type}")' if one else f'("{name}", "{np_type}", ({count},))',
        "py_type": "int" if one else "tuple[int, ...]",
        "py_default": default,
        "py_pack": f"self.{name}" if one else f"*self.{name}",
        "py_unpack": f"v[{position}]" if one else f"v[{position}:{position + count}]",
        "reserved": reserved,
    }


def struct_entry(raw_name: str, body: dict[str, Any]) -> dict[str, Any]:
    """One struct; refuses hidden padding and a size that differs from the stated one."""
    fields: list[dict[str, Any]] = []
    offset = position = 0
    for raw in body["fields"]:
        field = struct_field(raw_name, raw, offset, position)
        fields.append(field)
        offset += field["bytes"]
        position += field["count"]
    if offset != body["size"]:
        raise SpecError(f"struct {raw_name}: fields take {offset} bytes, size says {body['size']}")
    return {
        "name": raw_name,
        "doc": body["doc"],
        "size": body["size"],
        "fields": fields,
        "py_name": camel(raw_name),
        "py_format": "<" + "".join(f["code"] for f in fields),
        "py_pack": ", ".join(f["py_pack"] for f in fields),
        "py_unpack": ", ".join(f["py_unpack"] for f in fields),
    }


def constant_entry(name: str, body: dict[str, Any]) -> dict[str, Any]:
    """One number."""
    value = body["value"]
    text = f"0x{value:x}" if value > 255 else str(value)
    return {"name": name, "doc": body["doc"], "c_value": text + "u", "py_value": text}


def magic_entry(name: str, text: str) -> dict[str, Any]:
    """Eight ASCII bytes as the 64-bit little-endian number that holds them."""
    value = int.from_bytes(text.encode("ascii"), "little")
    doc = f'The bytes "{text}" as a little-endian number.'
    return {"name": name, "doc": doc, "c_value": f"0x{value:x}ull", "py_value": f"0x{value:x}"}


def mask_entry(name: str, body: dict[str, Any]) -> dict[str, Any]:
    """Bit fields of a 64-bit word in memory."""
    fields = []
    for key, field in body["fields"].items():
        high, low = field["bits"]
        mask = ((1 << (high - low + 1)) - 1) << low
        fields.append(
            {
                "name": key,
                "doc": field["doc"],
                "high": high,
                "low": low,
                "c_mask": f"0x{mask:x}ull",
                "py_mask": f"0x{mask:x}",
            }
        )
    return {"name": name, "doc": body["doc"], "fields": fields}


def load_formats(path: Path) -> dict[str, Any]:
    """Read and check formats.yaml."""
    raw = yaml.safe_load(path.read_text(encoding="utf-8"))
    enums = [enum_entry(name, body) for name, body in raw["enums"].items()]
    return {
        "constants": [constant_entry(n, b) for n, b in raw["constants"].items()]
        + [magic_entry(n, t) for n, t in raw["magic"].items()],
        "masks": [mask_entry(n, b) for n, b in raw["masks"].items()],
        "format_enums": enums,
        "dtypes": next(e["members"] for e in enums if e["name"] == "dtype"),
        "structs": [struct_entry(n, b) for n, b in raw["structs"].items()],
        **load_tracepoints(raw),
    }


# --- tracepoints -------------------------------------------------------------


def print_format(body: dict[str, Any]) -> str:
    """The printk conversion of a field."""
    bits = int(body["type"][1:])
    if "names" in body:
        return "%s"
    length = "ll" if bits == 64 else ""
    return f"0x%0{bits // 4}{length}x" if body.get("hex") else f"%{length}u"


def tracepoint_field(name: str, body: dict[str, Any], members: dict[str, str]) -> dict[str, Any]:
    """One field; `members` are the types of struct event, which fills most of them."""
    member = body.get("from", name)
    width = members.get(member, "u8")[1:]
    return {
        "name": name,
        "type": body["type"],
        "bytes": int(body["type"][1:]) // 8,
        "unit": body.get("unit", ""),
        "names": body.get("names"),
        "doc": body["doc"],
        "format": print_format(body),
        "member": member if member in members else None,
        "from_le": "" if width == "8" else f"le{width}_to_cpu",
    }


def load_tracepoints(raw: dict[str, Any]) -> dict[str, Any]:
    """The tracepoints by class; refuses a stage without one and a field that nothing explains."""
    members = {field["name"]: field["type"] for field in raw["structs"]["event"]["fields"]}
    table = raw["tracepoints"]
    stages = raw["enums"]["stage"]["values"]
    if list(table["events"]) != [name.lower() for name in stages]:
        raise SpecError("tracepoints: events are not the stages in their order")
    classes = []
    for name, own in table["classes"].items():
        unknown = [field for field in own if field not in table["fields"]]
        if unknown:
            raise SpecError(f"tracepoints: class {name}: there is no field {unknown[0]}")
        fields = [
            tracepoint_field(field, table["fields"][field], members)
            for field in [*table["common"], *own]
        ]
        events = [
            {"name": event, "when": body["when"], "doc": stages[event.upper()]["doc"]}
            for event, body in table["events"].items()
            if body["class"] == name
        ]
        classes.append({"name": name, "fields": fields, "own": own, "events": events})
    return {"tracepoint_classes": classes, "tracepoints": list(table["events"])}


# --- output ------------------------------------------------------------------


def render() -> dict[Path, str]:
    """All generated files, by path."""
    data = load_registers(HERE / "axl_bar0.rdl") | load_formats(HERE / "formats.yaml")
    env = Environment(
        loader=FileSystemLoader(HERE / "templates"),
        undefined=StrictUndefined,
        keep_trailing_newline=True,
        autoescape=False,  # noqa: S701 - C, Python and Markdown, not HTML
    )
    out = {}
    for template, path in OUTPUTS.items():
        kind = "register_enums" if "reg" in template else "format_enums"
        text = env.get_template(template).render(data | {"enums": data[kind]})
        out[path] = "\n".join(line.rstrip() for line in text.split("\n"))
    return out


def main() -> int:
    """Write or check; returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 if stale")
    check = parser.parse_args().check
    try:
        files = render()
    except SpecError as error:
        print(f"drivers/spec: {error}", file=sys.stderr)
        return 1
    stale = [p for p, text in files.items() if not p.exists() or p.read_text() != text]
    for path in stale:
        if not check:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(files[path], encoding="utf-8")
        print(f"{'stale' if check else 'wrote'} {path.relative_to(ROOT)}")
    if stale and check:
        print("run `make gen` and commit the result", file=sys.stderr)
    return 1 if stale and check else 0


if __name__ == "__main__":
    sys.exit(main())
