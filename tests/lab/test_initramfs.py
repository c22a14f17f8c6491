# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""The guest's initial file system."""

from __future__ import annotations

import lzma
import shutil
import subprocess
from pathlib import Path

import pytest

from diag.lab.errors import LabError
from diag.lab.initramfs import MODULES, Places, build_initramfs, cpio, module_files
from diag.lab.kernel import Kernel

DEPENDS = """\
kernel/fs/9p/9p.ko.xz: kernel/net/9p/9pnet.ko.xz kernel/fs/netfs/netfs.ko.xz
kernel/net/9p/9pnet.ko.xz: kernel/fs/netfs/netfs.ko.xz
kernel/net/9p/9pnet_virtio.ko.xz: kernel/net/9p/9pnet.ko.xz kernel/fs/netfs/netfs.ko.xz
kernel/fs/netfs/netfs.ko.xz:
"""


@pytest.fixture
def kernel(tmp_path: Path) -> Kernel:
    """A module folder where overlay is built in."""
    modules = tmp_path / "modules"
    modules.mkdir()
    (modules / "modules.dep").write_text(DEPENDS)
    (modules / "modules.builtin").write_text("kernel/fs/overlayfs/overlay.ko\n")
    for line in DEPENDS.splitlines():
        path = modules / line.partition(":")[0]
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(lzma.compress(path.name.encode()))
    return Kernel("6.12.1-test", tmp_path / "vmlinuz", modules)


def test_modules_come_after_what_they_depend_on(kernel: Kernel) -> None:
    """Loading in the returned order never misses a symbol; built-in modules have no file."""
    names = [path.name for path in module_files(kernel, MODULES)]

    assert names == ["netfs.ko.xz", "9pnet.ko.xz", "9p.ko.xz", "9pnet_virtio.ko.xz"]


def test_a_module_that_the_kernel_lacks_is_an_error(kernel: Kernel) -> None:
    """The error names kernel and module."""
    with pytest.raises(LabError, match=r"kernel 6\.12\.1-test has no module nonsense"):
        module_files(kernel, ["nonsense"])


def test_modules_of_unknown_compression_are_an_error(kernel: Kernel, tmp_path: Path) -> None:
    """A compression that is not known is named, not loaded as it is."""
    (kernel.modules / "modules.dep").write_text(DEPENDS.replace("9p/9p.ko.xz:", "9p/9p.ko.zst:"))
    tools = tmp_path / "usr/bin"
    tools.mkdir(parents=True)
    (tools / "busybox").touch()

    with pytest.raises(LabError, match=r"compressed as \.zst"):
        build_initramfs(kernel, Places(tmp_path, tmp_path))


@pytest.mark.skipif(shutil.which("cpio") is None, reason="needs the cpio program")
def test_cpio_reads_the_archive(tmp_path: Path) -> None:
    """The standard tool unpacks the archive to the same bytes and modes."""
    content = [("init", b"#!/bin/sh\n"), ("a/b/c", b"12345"), ("a/b/empty", b"")]
    subprocess.run(["cpio", "-id", "--quiet"], input=cpio(content), cwd=tmp_path, check=True)

    assert {name: (tmp_path / name).read_bytes() for name, _ in content} == dict(content)
    assert (tmp_path / "init").stat().st_mode & 0o777 == 0o755


def test_archive_begins_every_entry_on_four_bytes() -> None:
    """Each newc header is found at a multiple of four, as the kernel's reader demands."""
    archive = cpio([("x", b"1"), ("yy", b"22"), ("zzz", b"333")])
    positions = [at for at in range(len(archive)) if archive[at : at + 6] == b"070701"]

    assert len(positions) == 4
    assert all(at % 4 == 0 for at in positions)


def test_settings_survive_any_path(kernel: Kernel, tmp_path: Path) -> None:
    """A checkout path with blanks and quotes reaches the guest's script unchanged."""
    work = tmp_path / "it's a $(checkout)"
    (tmp_path / "usr/bin").mkdir(parents=True)
    (tmp_path / "usr/bin/busybox").write_bytes(b"busybox")
    archive = build_initramfs(kernel, Places(tmp_path, work))
    conf = archive[archive.index(b"LAB_RELEASE=") :]
    conf = conf[: conf.index(b"\n", conf.index(b"LAB_WORK=")) + 1]
    script = conf.decode() + 'printf %s "$LAB_WORK"'

    assert subprocess.check_output(["sh", "-c", script], text=True) == str(work)
