# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""Builds pyaccel._axl: cffi's declarations are derived from userlib/include/axl.h.

setup.py runs this file; it is not imported at run time. The C compiler checks
every derived declaration against the header itself, so the two cannot drift.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

from cffi import FFI

ROOT = Path(__file__).resolve().parents[1]
HEADER = ROOT / "userlib" / "include" / "axl.h"
INCLUDE_DIRS = (ROOT / "userlib" / "include", ROOT / "drivers" / "spec" / "include")

_CONSTANT = re.compile(r"#define\s+(AXL_\w+)\s+(0[xX][0-9a-fA-F]+|\d+)[uU]?$")
_EXPECTED_DIRECTIVE = re.compile(
    r"#(ifndef|ifdef|if|else|elif|endif|include\b.*|define\s+AXL_H$|define\s+AXL_API\b.*"
    r"|define\s+AXL_BDF\(.*)"
)


class HeaderError(ValueError):
    """axl.h holds something that this step does not understand."""


def declarations(header: str) -> str:
    """What cffi needs of axl.h: integer constants, enums, structs and functions.

    Strict on purpose: HeaderError names the first preprocessor line that is neither an
    integer constant nor one of the few known others, so that nothing is left out silently.
    """
    text = re.sub(r"/\*.*?\*/", " ", header, flags=re.DOTALL)
    text = text.replace("\\\n", " ")
    kept = [_declaration_line(line.strip()) for line in _without_cplusplus(text)]
    return re.sub(r"\bAXL_API\b\s*", "", "\n".join(line for line in kept if line)) + "\n"


def _without_cplusplus(text: str) -> list[str]:
    """The lines a C compiler sees: without the `#ifdef __cplusplus` blocks."""
    lines: list[str] = []
    skipping = False
    for line in text.splitlines():
        if re.match(r"#ifdef\s+__cplusplus", line):
            skipping = True
        elif skipping and line.startswith("#endif"):
            skipping = False
        elif not skipping:
            lines.append(line)
    return lines


def _declaration_line(line: str) -> str:
    """One line as cffi wants it, "" for one it does not need."""
    if not line.startswith("#"):
        return line
    constant = _CONSTANT.match(line)
    if constant:
        return f"#define {constant[1]} {constant[2]}"
    if not _EXPECTED_DIRECTIVE.match(line):
        raise HeaderError(f"{HEADER.name}: teach pyaccel/_build_axl.py about: {line}")
    return ""


def make_ffi(library: Path | None) -> FFI:
    """The builder of pyaccel._axl, linked against `library` (None: declarations only)."""
    ffi = FFI()
    ffi.cdef(declarations(HEADER.read_text()))
    ffi.set_source(
        "pyaccel._axl",
        '#include "axl.h"\n',
        include_dirs=[str(path) for path in INCLUDE_DIRS],
        extra_compile_args=["-std=c11", "-O2"],
        extra_link_args=[str(library), "-Wl,-rpath,$ORIGIN/_lib"] if library else [],
    )
    return ffi


def builder() -> FFI:
    """For setup.py's `cffi_modules`; the library's path comes from setup.py."""
    path = os.environ.get("AXL_BUILD_LIBRARY")
    return make_ffi(Path(path) if path else None)
