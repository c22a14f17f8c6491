# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""Compiles the portable core for tests and describes it to cffi from its own headers."""

from __future__ import annotations

import hashlib
import os
import re
import subprocess
from pathlib import Path

from cffi import FFI

ROOT = Path(__file__).resolve().parents[2]
CORE = ROOT / "drivers" / "core"
HERE = Path(__file__).resolve().parent
INCLUDES = [f"-I{ROOT / 'drivers/spec/include'}", f"-I{CORE / 'include'}", f"-I{HERE}"]
WARNINGS = [
    "-std=c11",
    *("-Wall", "-Wextra", "-Wpedantic", "-Wconversion", "-Wshadow", "-Werror"),
]
SANITIZERS = {
    "undefined": ["-fsanitize=undefined", "-fno-sanitize-recover=all"],
    "address": ["-fsanitize=address,undefined", "-fno-sanitize-recover=all"],
    "thread": ["-fsanitize=thread"],
    "none": [],
}

_MAKE_CDEF = r"""
#define AXL_TYPES_H
typedef uint16_t axl_le16;
typedef uint32_t axl_le32;
typedef uint64_t axl_le64;
#define AXL_STATIC_ASSERT(cond, text)
"""


def sources() -> list[Path]:
    """The core's C files."""
    return sorted((CORE / "src").glob("*.c"))


def headers() -> list[Path]:
    """The core's public headers."""
    return sorted((CORE / "include").glob("*.h"))


def run(command: list[str], **kwargs: object) -> str:
    """Run a command; its standard output. AssertionError with its messages if it fails."""
    done = subprocess.run(command, capture_output=True, text=True, check=False, **kwargs)
    assert done.returncode == 0, f"{' '.join(command)}\n{done.stdout}{done.stderr}"
    return done.stdout


def _digest(parts: list[str], files: list[Path]) -> str:
    """Name for a build from everything that goes into it."""
    seen = hashlib.sha256("\0".join(parts).encode())
    depends = [
        *files,
        *headers(),
        *sorted(HERE.glob("*.h")),
        *(CORE / "src").glob("*.h"),
        *sorted((ROOT / "drivers/spec/include").glob("*.h")),
    ]
    for file in depends:
        seen.update(file.read_bytes())
    return seen.hexdigest()[:16]


def build(name: str, files: list[Path], flags: list[str], compiler: str = "gcc") -> Path:
    """Compile and link `files` into build/core/; what is there and fresh is not made again."""
    target = ROOT / "build" / "core" / f"{name}-{_digest([compiler, *flags], files)}"
    if not target.exists():
        target.parent.mkdir(parents=True, exist_ok=True)
        part = target.with_suffix(f".{os.getpid()}")
        run([compiler, *WARNINGS, *INCLUDES, *flags, *map(str, files), "-o", str(part)])
        part.replace(target)  # atomic: other test runs may build the same
    return target


def shared_library(sanitizer: str) -> Path:
    """The core and the host ops as a shared library."""
    flags = ["-O1", "-g", "-fPIC", "-shared", *SANITIZERS[sanitizer]]
    return build(f"libcore_{sanitizer}.so", [*sources(), HERE / "axl_os_host.c"], flags)


def _drop_bodies(text: str) -> str:
    """Without the static inline functions: cffi cannot call them."""
    kept = []
    while match := re.search(r"static\s+inline[^{;]*\{", text):
        kept.append(text[: match.start()])
        depth, end = 1, match.end()
        while depth:
            depth += {"{": 1, "}": -1}.get(text[end], 0)
            end += 1
        text = text[end:]
    return "".join([*kept, text])


def declarations() -> str:
    """All structs, enums and functions of the core, for FFI.cdef()."""
    includes = "".join(f'#include "{h.name}"\n' for h in headers() if h.name != "axl_field.h")
    text = run(
        ["gcc", "-E", "-P", "-nostdinc", f"-I{HERE / 'cdef'}", *INCLUDES, "-"],
        input=f'{_MAKE_CDEF}{includes}#include "axl_regs.h"\n#include "axl_os_host.h"\n',
    )
    text = _drop_bodies(text)
    text = re.sub(r"(?m)^;\s*$", "", text)  # what is left of static assertions
    text = text.replace("extern const", "extern")  # cffi takes const integers for #defines
    return re.sub(r"(?<=[0-9a-fA-F])[uU][lL]*\b", "", text)


def load(sanitizer: str = "undefined") -> tuple[FFI, object]:
    """(ffi, lib) of the core."""
    ffi = FFI()
    ffi.cdef(declarations(), override=True)
    return ffi, ffi.dlopen(str(shared_library(sanitizer)))
