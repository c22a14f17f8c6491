# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""Programs of another release made runnable; no network."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from diag.lab.compiler import PATH_LINK, compiler_name, make_runnable, missing_compiler
from diag.lab.errors import CannotInstallError

CONFIG = '# x\nCONFIG_CC_VERSION_TEXT="x86_64-linux-gnu-gcc-14 (Debian 14.2.0-19) 14.2.0"\n'


def test_a_kernel_names_its_compiler() -> None:
    """The cross prefix and the version's details are left out."""
    assert compiler_name(CONFIG) == "gcc-14"


def test_a_kernel_without_gcc_is_refused() -> None:
    """Modules of a kernel built by clang are not built with something else."""
    with pytest.raises(CannotInstallError, match="names no gcc"):
        compiler_name('CONFIG_CC_VERSION_TEXT="clang version 19.1"\n')


def test_a_compiler_that_is_there_is_not_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only a compiler that PATH does not have is fetched."""
    monkeypatch.setenv("PATH", str(tmp_path))
    assert missing_compiler(CONFIG) == "gcc-14"
    (tmp_path / "gcc-14").write_text("#!/bin/sh\n")
    (tmp_path / "gcc-14").chmod(0o755)

    assert missing_compiler(CONFIG) is None


def test_programs_run_through_their_own_libraries(tmp_path: Path) -> None:
    """A program starts with the tree's linker and sees the name it was called by."""
    final = tmp_path / "a tree"
    folder = tmp_path / ".partial"
    programs = folder / "usr/bin"
    programs.mkdir(parents=True)
    shutil.copy("/bin/true", programs / "tool")
    (programs / "alias").symlink_to("tool")
    (programs / "script").write_text("#!/bin/sh\n")
    # A linker that says how it was called.
    (folder / "lib64").mkdir()
    linker = folder / "lib64/ld-linux-x86-64.so.2"
    linker.write_text('#!/bin/sh\nprintf "%s\\n" "$@"\n')
    linker.chmod(0o755)

    make_runnable(folder, final)
    folder.rename(final)

    alias = final / PATH_LINK / "alias"
    done = subprocess.run([alias, "a b"], check=True, capture_output=True, text=True)
    told = done.stdout.splitlines()
    assert told[:2] == ["--argv0", str(alias)]
    assert told[-2:] == [f"{final}/usr/bin/tool.elf", "a b"]
    assert (final / "usr/bin/script").read_text() == "#!/bin/sh\n"
