# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""axl.ko as the kernel's own tools see it."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from diag.lab.driver import build
from diag.lab.errors import CannotInstallError
from diag.lab.kernel_source import check_scripts
from diag.lab.supervisor import CHECKOUT
from diag.lab.tools import tool_argv

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]


def test_sparse_and_extra_warnings_find_nothing(headers: Path, tmp_path: Path) -> None:
    """W=1 and sparse (with endianness) are silent on every file, the core included."""
    if shutil.which("sparse") is None:
        pytest.skip("sparse is not installed")
    done = build(headers, tmp_path, "sparse")
    assert done.returncode == 0, done.stderr[-4000:]
    assert not re.findall(r"(?m)^.*(?:warning|error): .*$", done.stderr)
    assert done.stdout.count("CHECK") > 30


@pytest.fixture(scope="module")
def checks() -> Path:
    """The kernel's own scripts; skips where its source package cannot be had."""
    try:
        return check_scripts()
    except CannotInstallError as error:
        pytest.skip(f"no kernel source on this machine: {error}")


def run_gate(checks: Path, target: str, checked: str | None = None) -> tuple[int, str]:
    """Exit status and findings of one of the driver's make targets, for its files or others."""
    command = ["make", "-s", "-C", str(CHECKOUT / "drivers/linux"), target, f"CHECKS={checks}"]
    if checked is not None:
        command.append(f"CHECKED={checked}")
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    return done.returncode, done.stdout


def test_checkpatch_is_silent(checks: Path, tmp_path: Path) -> None:
    """The driver and its uapi follow the kernel's strict style; a file that does not is named."""
    bad = tmp_path / "bad.c"
    bad.write_text("// SPDX-License-Identifier: GPL-2.0\nint f(int a){return(a);}\n")

    status, said = run_gate(checks, "checkpatch", str(bad))
    assert status != 0
    assert "bad.c:2: ERROR: space required before the open brace" in said
    assert run_gate(checks, "checkpatch") == (0, "")


def test_coccicheck_is_silent(checks: Path, tmp_path: Path) -> None:
    """No rule of the kernel's matches the driver; a use after free is found, so they do run."""
    if shutil.which("spatch") is None:
        pytest.skip("coccinelle is not installed")
    bad = tmp_path / "bad.c"
    bad.write_text("int f(struct x *x)\n{\n\tkfree(x);\n\treturn x->a;\n}\n")

    status, said = run_gate(checks, "coccicheck", str(bad))
    assert status != 0
    assert "bad.c:4:8-9: ERROR: reference preceded by free on line 3" in said
    assert run_gate(checks, "coccicheck") == (0, "")


def test_every_global_symbol_is_ours(module: Path) -> None:
    """What the module defines for others to see starts with axl_ (tracepoints: __x_axl_)."""
    listed = subprocess.run(
        ["nm", "-g", "--defined-only", str(module / "linux/axl.o")],
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    names = {line.split()[-1] for line in listed.splitlines()}
    pattern = r"axl_\w+|__\w+_axl_\w+|__mod_\w+_axl\w*|(__pfx_)?(init|cleanup)_module|__this_module"
    assert {name for name in names if not re.fullmatch(pattern, name)} == set()


def test_the_module_names_its_devices(module: Path) -> None:
    """The module names its licence, its parameters and the alias by which udev loads it."""
    command = [*tool_argv("usr/sbin/modinfo"), str(module / "linux/axl.ko")]
    text = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    assert re.search(r"(?m)^license:\s+GPL$", text)
    assert "alias:          pci:v00001AF4d000010F0sv00001AF4sd0000A301bc*sc*i*" in text
    assert {"queue_timeout_ms", "heartbeat_timeout_ms"} <= set(re.findall(r"parm:\s+(\w+)", text))
