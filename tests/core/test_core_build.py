# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""The core compiles everywhere it must, without warnings and without help."""

from __future__ import annotations

import functools
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.core import core_build as cb

ALLOWED_UNDEFINED = {"memcpy", "memset", "memcmp", "memmove"}
STRICT = [*cb.WARNINGS, *cb.INCLUDES, "-c"]
STUB = cb.HERE / "cdef"
LINUX_STUB = ["-D__KERNEL__", f"-I{cb.HERE / 'linux_stub'}"]
KERNEL = [
    *LINUX_STUB,
    *("-O2", "-ffreestanding", "-mno-sse", "-mno-mmx", "-mno-80387", "-mcmodel=kernel", "-fno-pic"),
    "-fno-pie",
    *("-mno-red-zone", "-fno-stack-protector", "-Wframe-larger-than=1024", "-Wvla"),
    *("-Wdeclaration-after-statement", "-fno-asynchronous-unwind-tables"),
]


CONFIGURATIONS = {
    "host": ["-O2", "-fno-pic", "-fno-pie"],
    "32-bit": [
        *("-O2", "-m32", "-march=i686", "-ffreestanding", "-fno-pic", "-fno-pie"),
        # The 32-bit C library need not be installed.
        *(f"-I{STUB}", "-include", str(STUB / "memory.h")),
    ],
    "windows": [
        *("--target=x86_64-pc-windows-msvc", "-O2", "-ffreestanding"),
        *(f"-I{STUB}", "-include", str(STUB / "memory.h")),
    ],
    "asan": ["-O1", "-fsanitize=address,undefined"],
    "kernel": KERNEL,
}
MATRIX = [(c, n) for c in ("gcc", "clang") for n in CONFIGURATIONS if (c, n) != ("gcc", "windows")]


@pytest.fixture(scope="module")
def objects(tmp_path_factory) -> Callable[[str, str], list[Path]]:
    """Compile all sources with a compiler in a configuration, once; the objects."""

    @functools.cache
    def compile_all(compiler: str, name: str) -> list[Path]:
        if shutil.which(compiler) is None:
            pytest.skip(f"{compiler} is not installed")
        folder = tmp_path_factory.mktemp("objects")
        made = []
        for source in cb.sources():
            made.append(folder / f"{source.stem}.o")
            flags = [*STRICT, *CONFIGURATIONS[name]]
            cb.run([compiler, *flags, str(source), "-o", str(made[-1])])
        return made

    return compile_all


def symbols(objects: list[Path]) -> tuple[set[str], set[str]]:
    """(defined global, undefined) symbols of all objects together."""
    defined, undefined = set(), set()
    for line in cb.run(["nm", "-g", *map(str, objects)]).splitlines():
        if match := re.fullmatch(r"(?:[0-9a-f]+)?\s+([A-Za-z]) (\S+)", line):
            (undefined if match[1] in "Uw" else defined).add(match[2])
    return defined, undefined - defined


@pytest.mark.parametrize(("compiler", "name"), MATRIX)
def test_compiles_without_a_warning(objects, compiler, name):
    """With either compiler in every configuration -Werror has nothing to say.

    "kernel": as in Linux, no floating point, frames under 1 KiB; "windows": as by MSVC.
    """
    assert len(objects(compiler, name)) == len(cb.sources())


@pytest.mark.parametrize("compiler", ["gcc", "clang"])
@pytest.mark.parametrize("name", ["host", "32-bit", "kernel"])
def test_no_symbol_but_our_own(objects, compiler, name):
    """Undefined: the four memory functions, no helper such as __udivdi3. Defined: axl_*."""
    defined, undefined = symbols(objects(compiler, name))
    assert undefined <= ALLOWED_UNDEFINED
    assert {symbol for symbol in defined if not symbol.startswith("axl_")} == set()


def test_no_writable_data(objects):
    """The core has no state of its own: no .data, no .bss."""
    listed = cb.run(["nm", *map(str, objects("gcc", "host"))])
    assert not re.findall(r"(?m)^[0-9a-f]+ [BbDdC] .*", listed)


def test_byte_order_is_explicit():
    """Sparse finds no little-endian value that is used without conversion."""
    if shutil.which("sparse") is None:
        pytest.skip("sparse is not installed")
    options = ["-std=c11", "-Wbitwise", *LINUX_STUB, *cb.INCLUDES]
    done = subprocess.run(
        ["sparse", *options, *cb.sources()], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


@pytest.mark.parametrize("header", [h.name for h in cb.headers()])
def test_each_header_stands_alone(tmp_path, header):
    """Every header compiles by itself, in C and in C++."""
    for compiler, language in (("gcc", "c"), ("g++", "c++")):
        source = tmp_path / "one.c"
        source.write_text(f'#include "{header}"\nint axl_unused;\n')
        strict = ["-Wall", "-Wextra", "-Werror", "-c", "-x", language]
        cb.run([compiler, *strict, *cb.INCLUDES, str(source), "-o", "/dev/null"])


def test_core_and_library_headers_agree(tmp_path):
    """The public header of libaxl and the core's can be included together."""
    source = tmp_path / "both.c"
    lines = [f'#include "{h.name}"' for h in cb.headers()]
    source.write_text("\n".join(['#include "axl.h"', '#include "axl_regs.h"', *lines]))
    public = f"-I{cb.ROOT / 'userlib/include'}"
    cb.run(["gcc", *STRICT, public, str(source), "-o", "/dev/null"])


def test_functions_are_short():
    """No function is longer than 60 lines, nine of ten have at most 40."""
    lengths = []
    for source in cb.sources():
        body = re.findall(
            r"(?m)^[^\s#/].*\n?.*\n?.*\n\{\n((?:[^}\n].*\n|\n)*)\}", source.read_text()
        )
        lengths += [text.count("\n") + 2 for text in body]
    assert len(lengths) > 120
    assert max(lengths) <= 60
    assert sorted(lengths)[len(lengths) * 9 // 10] <= 40


def test_two_threads_share_rings_without_a_race():
    """ThreadSanitizer sees a device thread and a host thread go through 200000 commands."""
    files = [*cb.sources(), cb.HERE / "axl_os_host.c", cb.HERE / "core_threads.c"]
    flags = ["-O1", "-g", "-pthread", *cb.SANITIZERS["thread"]]
    program = cb.build("core_threads_tsan", files, flags)
    done = subprocess.run([program], capture_output=True, text=True, timeout=100, check=False)
    if "unexpected memory mapping" in done.stderr:
        pytest.skip("this kernel's address space layout is too random for ThreadSanitizer")
    assert (done.returncode, done.stdout.strip()) == (0, "ok"), done.stderr


@pytest.mark.slow
def test_all_tests_pass_under_address_sanitizer():
    """The same tests with the library built with AddressSanitizer."""
    if "AXL_CORE_SANITIZER" in os.environ:
        pytest.skip("this is that run")
    runtime = cb.run(["gcc", "-print-file-name=libasan.so"]).strip()
    environment = {
        **os.environ,
        "AXL_CORE_SANITIZER": "address",
        "LD_PRELOAD": runtime,
        "ASAN_OPTIONS": "detect_leaks=0",  # Python itself never frees everything
    }
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(cb.HERE)]
    command += ["--ignore", __file__]
    cb.run(command, env=environment, cwd=cb.ROOT)
