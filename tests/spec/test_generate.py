# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""The generator of drivers/spec and what it makes."""

from __future__ import annotations

import copy
import importlib.util
import re
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from pyaccel.spec import formats, regs
from pyaccel.spec.types import Register

ROOT = Path(__file__).resolve().parents[2]
SPEC = ROOT / "drivers/spec"

_module_spec = importlib.util.spec_from_file_location("axl_generate", SPEC / "generate.py")
assert _module_spec
assert _module_spec.loader
generate = importlib.util.module_from_spec(_module_spec)
_module_spec.loader.exec_module(generate)


@pytest.fixture
def raw() -> dict[str, Any]:
    """formats.yaml as plain data, free to change."""
    return copy.deepcopy(yaml.safe_load((SPEC / "formats.yaml").read_text()))


def test_generated_files_are_fresh() -> None:
    """What is committed is what the generator makes."""
    stale = [str(p) for p, text in generate.render().items() if p.read_text() != text]

    assert stale == []


@pytest.mark.parametrize(
    "command",
    [
        ["gcc", "-std=c11"],
        ["gcc", "-std=gnu11", "-m32", "-ffreestanding"],
        ["clang", "-std=c11", "--target=x86_64-w64-mingw32", "-ffreestanding"],
        ["clang", "-std=c11"],
        ["g++", "-std=c++17", "-x", "c++"],
    ],
    ids=" ".join,
)
def test_headers_prove_their_offsets_and_sizes(command: list[str], tmp_path: Path) -> None:
    """The proof file compiles under every compiler, word size and language that we support."""
    subprocess.run(
        [*command, "-Wall", "-Wextra", "-Werror", f"-I{SPEC / 'include'}", "-c",
         str(SPEC / "proof/axl_spec_proof.c"), "-o", str(tmp_path / "proof.o")],
        check=True,
    )  # fmt: skip


def test_a_wrong_offset_does_not_compile(tmp_path: Path) -> None:
    """The proof fails when a field of the header moves."""
    include = tmp_path / "include"
    include.mkdir()
    for path in (SPEC / "include").iterdir():
        text = path.read_text().replace(
            "\taxl_le64 src_va;", "\taxl_le32 before;\n\taxl_le32 src_va;"
        )
        (include / path.name).write_text(text)
    done = subprocess.run(
        ["gcc", "-std=c11", f"-I{include}", "-fsyntax-only", str(SPEC / "proof/axl_spec_proof.c")],
        check=False, capture_output=True, text=True,
    )  # fmt: skip

    assert done.returncode != 0
    assert "axl_cmd_copy.src_va offset" in done.stderr


def test_hidden_padding_is_refused(raw: dict[str, Any]) -> None:
    """A field that is not naturally aligned is refused by name."""
    raw["structs"]["cmd_copy"]["fields"].insert(0, {"name": "odd", "type": "u8", "doc": "x"})
    with pytest.raises(generate.SpecError, match="cmd_copy: src_va at 1 is not 8-byte aligned"):
        generate.struct_entry("cmd_copy", raw["structs"]["cmd_copy"])


def test_a_wrong_struct_size_is_refused(raw: dict[str, Any]) -> None:
    """A struct whose fields do not add up to its stated size is refused."""
    raw["structs"]["completion"]["size"] = 40
    with pytest.raises(generate.SpecError, match="completion: fields take 32 bytes, size says 40"):
        generate.struct_entry("completion", raw["structs"]["completion"])


def test_a_code_used_twice_is_refused(raw: dict[str, Any]) -> None:
    """Two names for one value of an enum are refused."""
    raw["enums"]["opcode"]["values"]["AGAIN"] = {"value": 3, "doc": "x"}
    with pytest.raises(generate.SpecError, match="enum opcode: value 3 is used twice"):
        generate.enum_entry("opcode", raw["enums"]["opcode"])


RECORDS = [
    value
    for value in vars(formats).values()
    if isinstance(value, type) and issubclass(value, tuple) and hasattr(value, "pack")
]


@pytest.mark.parametrize("record", RECORDS, ids=lambda r: r.__name__)
def test_records_survive_a_round_trip(record: Any) -> None:
    """Packing and unpacking a record gives it back, and NumPy sees the same layout."""
    name = "".join("_" + c if c.isupper() else c.upper() for c in record.__name__).lstrip("_")
    counts = [len(d) if isinstance(d, tuple) else 1 for d in record._field_defaults.values()]
    made = record(*(i + 1 if n == 1 else tuple(range(i, i + n)) for i, n in enumerate(counts)))
    data = made.pack()
    dtype = np.dtype(getattr(formats, f"{name}_DTYPE"))
    row = np.frombuffer(data, dtype)[0]

    assert len(data) == getattr(formats, f"{name}_BYTES") == dtype.itemsize
    assert record.unpack_from(data) == made
    assert [tuple(np.atleast_1d(row[f])) for f in record._fields] == [
        tuple(np.atleast_1d(v)) for v in made
    ]


@pytest.mark.parametrize("register", regs.REGISTERS, ids=lambda r: r.name)
def test_registers_are_aligned_and_fields_do_not_overlap(register: Register) -> None:
    """A register is naturally aligned and each of its bits belongs to one field at most."""
    seen = 0
    for field in register.fields:
        assert field.doc
        assert seen & field.mask == 0
        seen |= field.mask

    assert register.offset % (register.width // 8) == 0
    assert seen < 1 << register.width


def test_register_values_are_made_and_taken_apart_by_name() -> None:
    """make() and decode() are inverse, and a value that does not fit is refused."""
    value = regs.ADDR_PLACE.make(SEGMENT=1, BUS=0x17, DEVICE=3, FUNCTION=5)

    assert value == 0x0001171D
    assert regs.ADDR_PLACE.decode(value) == {"SEGMENT": 1, "BUS": 0x17, "DEVICE": 3, "FUNCTION": 5}
    with pytest.raises(ValueError, match="FUNCTION cannot hold 0x8"):
        regs.ADDR_PLACE.make(FUNCTION=8)


def test_register_arrays_are_bounded() -> None:
    """An index outside a register array is refused, not turned into a wild offset."""
    assert regs.QUEUE_SQ_BASE.at(15) == 0x4F00
    with pytest.raises(IndexError):
        regs.QUEUE_SQ_BASE.at(16)


def test_every_stage_has_a_tracepoint(raw: dict[str, Any]) -> None:
    """A stage that the table of tracepoints forgets, or in another order, is refused."""
    del raw["tracepoints"]["events"]["aer"]
    with pytest.raises(generate.SpecError, match="events are not the stages"):
        generate.load_tracepoints(raw)


def test_a_tracepoint_explains_its_fields(raw: dict[str, Any]) -> None:
    """A field without a type and a meaning is refused, with its name."""
    raw["tracepoints"]["classes"]["ring"].append("colour")
    with pytest.raises(generate.SpecError, match="class ring: there is no field colour"):
        generate.load_tracepoints(raw)


def test_outcomes_are_the_errors_of_the_core() -> None:
    """RESET_END's status is an axl_err, negated: both lists are the same."""
    text = (ROOT / "drivers/core/include/axl_err.h").read_text()
    errors = {name: int(value) for name, value in re.findall(r"AXL_ERR_(\w+) = -(\d+),", text)}

    assert errors | {"OK": 0} == {member.name: member.value for member in formats.Outcome}
