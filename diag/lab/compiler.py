# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""A newer compiler than the machine's, for kernels that were built with one.

Unpacked beside the headers. Its programs want a newer C library than the machine's, and gcc
starts others of its own: so each becomes a script that starts the program with the tree's
dynamic linker and libraries.
"""

from __future__ import annotations

import re
import shlex
import shutil
from pathlib import Path

from diag.lab.apt import Archive
from diag.lab.errors import CannotInstallError
from diag.lab.qemu import loader

PATH_LINK = "toolchain"
"""In a tree of headers: the folder to put first in PATH, where there is one."""

_PROGRAM_FOLDERS = ("usr/bin", "usr/libexec/gcc/*/*", "usr/lib/linux-kbuild-*/**")


def compiler_name(config: str) -> str:
    """The compiler in a kernel's .config, such as gcc-14; CannotInstallError without one."""
    found = re.search(r'^CONFIG_CC_VERSION_TEXT="(?:[\w-]+-)?(gcc-\d+) ', config, re.MULTILINE)
    if found is None:
        raise CannotInstallError("the kernel's .config names no gcc that could build its modules")
    return found[1]


def missing_compiler(config: str) -> str | None:
    """The compiler that a kernel's modules need and this machine lacks."""
    name = compiler_name(config)
    return None if shutil.which(name) else name


def compiler_packages(archive: Archive, compiler: str) -> list[Path]:
    """Package files of `compiler` and of pahole (for BTF), with all that they need."""
    return archive.closure([compiler, "pahole"])


def make_runnable(folder: Path, final: Path) -> None:
    """Let the programs below `folder` run on this machine once it is renamed to `final`."""
    programs = {
        path.resolve()
        for pattern in _PROGRAM_FOLDERS
        for path in folder.glob(f"{pattern}/*")
        if _is_program(path)
    }
    for program in programs:
        name = program.relative_to(folder.resolve())
        program.rename(program.with_name(f"{program.name}.elf"))
        linker, *rest = loader(final, f"{name}.elf")
        command = f'{shlex.quote(linker)} --argv0 "$0" {shlex.join(rest)} "$@"'
        program.write_text(f"#!/bin/sh\nexec {command}\n")
        program.chmod(0o755)
    (folder / PATH_LINK).symlink_to("usr/bin")


def _is_program(path: Path) -> bool:
    """Whether it is an executable file of ELF format, and no library."""
    if not path.is_file() or not path.stat().st_mode & 0o100 or ".so" in path.name:
        return False
    with path.open("rb") as file:
        return file.read(4) == b"\x7fELF"
