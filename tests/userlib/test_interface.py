# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""What a user of libaxl installs: symbols, headers, man pages, pkg-config."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest
from axl_binding import INCLUDES, ROOT

from tests.build.native import locked, meson

USERLIB = ROOT / "userlib"
HEADERS = ["axl.h", "axl_cmd.h"]
PAGES = sorted((USERLIB / "man").glob("*.3"))


def run(*command: str | Path, **kwargs: object) -> str:
    """Output of a command that must succeed."""
    done = subprocess.run(command, capture_output=True, text=True, check=False, **kwargs)
    assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"
    return done.stdout


def declared() -> set[str]:
    """Functions that axl.h declares."""
    text = (USERLIB / "include/axl.h").read_text()
    return set(re.findall(r"^AXL_API [^;(]*?(axl_\w+)\(", text, re.MULTILINE))


def test_map_header_and_pages_name_the_same_functions(built: Path) -> None:
    """The symbol map, axl.h, the exported symbols and the man pages agree."""
    mapped = set(re.findall(r"^\t\t(axl_\w+);", (USERLIB / "libaxl.map").read_text(), re.MULTILINE))
    listed = run("nm", "-D", "--defined-only", built / "userlib/libaxl.so")
    exported = set(re.findall(r" T (\w+)@@AXL_0\.1", listed))
    assert len(exported) > 30
    assert mapped == declared() == exported == {page.stem for page in PAGES}


def test_every_global_symbol_has_the_prefix(built: Path) -> None:
    """Objects define nothing global outside axl_ (and the probes' aliases)."""
    objects = (built / "userlib/libaxl.so.0.1.0.p").glob("*.o")
    listed = run("nm", "-g", "--defined-only", *objects)
    names = re.findall(r"^[0-9a-f]+ \w (\w+)", listed, re.MULTILINE)
    assert [n for n in names if not n.startswith(("axl_", "libaxl_", "_.stapsdt", "_"))] == []


def test_soname_and_dependencies(built: Path) -> None:
    """The library is libaxl.so.0 and needs nothing but the C library."""
    dynamic = run("readelf", "-d", built / "userlib/libaxl.so")
    assert "Library soname: [libaxl.so.0]" in dynamic
    assert set(re.findall(r"Shared library: \[(.*?)\]", dynamic)) <= {
        "libc.so.6",
        "ld-linux-x86-64.so.2",
    }


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_page_is_clean_and_declares_its_function(page: Path) -> None:
    """Mandoc finds nothing, and the synopsis is the prototype of axl.h."""
    done = subprocess.run(["mandoc", "-Tlint", page], capture_output=True, text=True, check=False)
    faults = [line for line in done.stdout.splitlines() if "referenced manual" not in line]
    assert faults == []
    text = page.read_text()
    arguments = [
        a.strip('"') for a in re.findall(r"^\.Fa (.*)$", text.split(".Fc")[0], re.MULTILINE)
    ]
    returned = re.search(r"^\.Ft (.*)$", text, re.MULTILINE)
    assert returned
    prototype = f"{returned[1].strip(chr(34))} {page.stem}({', '.join(arguments)});"
    header = re.sub(r"\s+", " ", (USERLIB / "include/axl.h").read_text())
    assert re.sub(r"\s|\*", "", prototype) in re.sub(r"\s|\*", "", header)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_page_refers_to_pages_that_exist(page: Path) -> None:
    """Every cross reference has a page."""
    names = {other.stem for other in PAGES}
    assert set(re.findall(r"^\.(?:Xr|Fn) (axl_\w+)", page.read_text(), re.MULTILINE)) <= names


@pytest.mark.parametrize(
    "compiler",
    [
        ("gcc", "-std=c11", "-x", "c"),
        ("clang", "-std=c11", "-x", "c"),
        ("g++", "-std=c++17", "-x", "c++"),
        ("clang++", "-std=c++17", "-x", "c++"),
    ],
    ids=lambda command: command[0],
)
@pytest.mark.parametrize("header", HEADERS)
def test_header_compiles_alone_without_a_warning(compiler: tuple[str, ...], header: str) -> None:
    """C and C++, with -Wconversion and -Wpedantic, each header by itself."""
    flags = ["-Wall", "-Wextra", "-Wpedantic", "-Wconversion", "-Werror"]
    if "c" in compiler:  # functions and structures share names as stat(2) does: C++ objects
        flags.append("-Wshadow")
    unit = f"#include <{header}>\nint main(void);\nint main(void) {{ return 0; }}\n"
    includes = [f"-I{path}" for path in INCLUDES]
    run(*compiler, *flags, *includes, "-fsyntax-only", "-", input=unit)


def test_install_and_use_through_pkg_config(built: Path, tmp_path: Path) -> None:
    """`meson install` gives headers, pages and a .pc file that compile and link the example."""
    with locked("c") as folder:
        meson("install", "-C", str(folder), "--destdir", str(tmp_path), "--quiet")
    (pc,) = tmp_path.rglob("axl.pc")
    assert len(list(tmp_path.rglob("axl_*.3"))) == len(PAGES)
    environment = os.environ | {
        "PKG_CONFIG_PATH": str(pc.parent),
        "PKG_CONFIG_SYSROOT_DIR": str(tmp_path),
    }
    flags = run("pkg-config", "--cflags", "--libs", "axl", env=environment).split()
    source = ROOT / "examples/c/vector_add.c"
    run("gcc", "-Wall", "-Werror", source, *flags, "-o", tmp_path / "vector_add")


def test_objects_in_c_compile_without_usdt_header(tmp_path: Path) -> None:
    """Without sys/sdt.h the probes vanish and everything else stays."""
    source = (USERLIB / "src/probes.c").read_text().replace("<sys/sdt.h>", "<sys/no_such.h>")
    copy = tmp_path / "probes.c"
    copy.write_text(source)
    includes = [f"-I{path}" for path in (*INCLUDES, USERLIB / "src")]
    run(
        "gcc",
        "-std=c11",
        "-Wall",
        "-Wextra",
        "-Werror",
        *includes,
        "-c",
        copy,
        "-o",
        tmp_path / "o",
    )
