# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""The debug kernel's options, and kernels found in the cache; nothing is built."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from diag.lab.errors import CannotInstallError
from diag.lab.headers import headers_of
from diag.lab.kernel import find_kernel
from diag.lab.kernel_build import FRAGMENTS, refused_options, wanted_options


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The trees of an empty cache."""
    monkeypatch.setenv("AXL_CACHE_DIR", str(tmp_path))
    trees = tmp_path / "trees"
    trees.mkdir()
    return trees


def debug_tree(cache: Path, release: str, built: float) -> Path:
    """A debug kernel as `accel-lab kernel build` leaves it."""
    tree = cache / f"debug-{release}"
    modules = tree / "lib/modules" / release
    modules.mkdir(parents=True)
    (modules / "modules.dep").touch()
    (tree / "boot").mkdir()
    (tree / "boot" / f"vmlinuz-{release}").touch()
    (tree / "usr/src" / f"linux-headers-{release}").mkdir(parents=True)
    os.utime(tree, (built, built))
    return tree


def test_the_newest_debug_kernel_is_debug(cache: Path) -> None:
    """`debug` is what was built last; an older one is had by its release."""
    debug_tree(cache, "6.12.95-debug1", 2000)
    debug_tree(cache, "6.12.99-debug2", 1000)

    assert find_kernel("debug").release == "6.12.95-debug1"
    assert find_kernel("6.12.99-debug2").release == "6.12.99-debug2"


def test_a_debug_kernel_has_its_own_headers(cache: Path) -> None:
    """Modules for it are built in its own tree; no package is asked for."""
    tree = debug_tree(cache, "6.12.95-debug1", 1000)

    assert headers_of("debug") == tree / "usr/src/linux-headers-6.12.95-debug1"


def test_without_a_debug_kernel_the_command_is_named(cache: Path) -> None:
    """The error says how to get one."""
    with pytest.raises(CannotInstallError, match="accel-lab kernel build"):
        find_kernel("debug")


def test_an_option_that_the_kernel_did_not_take_is_found() -> None:
    """Missing, off, or another value: each is refused."""
    config = "CONFIG_A=y\n# CONFIG_B is not set\nCONFIG_C=m\n"

    options = ["CONFIG_A=y", "CONFIG_B=y", "CONFIG_C=y", "CONFIG_D=y"]
    assert refused_options(options, config) == options[1:]


def test_every_line_of_the_fragments_counts() -> None:
    """No option is misspelled into a comment, and none is there twice."""
    lines = [line for path in FRAGMENTS.iterdir() for line in path.read_text().splitlines()]
    options = [line for line in lines if line and not line.startswith("#")]

    assert sorted(wanted_options()) == sorted(set(options))
    for needed in (
        "KASAN",
        "PROVE_LOCKING",
        "DEBUG_KMEMLEAK",
        "DEBUG_ATOMIC_SLEEP",
        "UBSAN",
        "PCI_MMCONFIG",
    ):
        assert f"CONFIG_{needed}=y" in options
