# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""Folders of the cache are absent or whole."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from diag.lab.cache import cache_dir, published
from diag.lab.kernel import matches
from diag.lab.qemu import missing_devices


def test_a_folder_is_built_once(tmp_path: Path) -> None:
    """Several askers at once cause one build."""
    built: list[Path] = []

    def build(folder: Path) -> None:
        built.append(folder)
        (folder / "file").write_text("whole")

    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda _: published(tmp_path / "tree", build), range(8)))

    assert len(built) == 1
    assert {path.joinpath("file").read_text() for path in found} == {"whole"}


def test_an_interrupted_build_leaves_no_folder(tmp_path: Path) -> None:
    """What failed half-way is not taken for whole; the next try starts anew."""

    def fail(folder: Path) -> None:
        (folder / "half").touch()
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        published(tmp_path / "tree", fail)
    assert not (tmp_path / "tree").exists()

    tree = published(tmp_path / "tree", lambda folder: (folder / "file").touch())
    assert [path.name for path in tree.iterdir()] == ["file"]


def test_the_cache_is_where_the_environment_says(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """AXL_CACHE_DIR wins over XDG_CACHE_HOME."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    monkeypatch.delenv("AXL_CACHE_DIR", raising=False)
    assert cache_dir() == tmp_path / "xdg/accelstack"

    monkeypatch.setenv("AXL_CACHE_DIR", str(tmp_path / "own"))
    assert cache_dir() == tmp_path / "own"


@pytest.mark.parametrize(
    ("found", "wanted", "expected"),
    [
        ("6.12.95+deb12-amd64", "6.12", True),
        ("6.12.95-1~bpo12+1", "6.12.95", True),
        ("6.12.95", "6.1", False),
        ("7.3.4-1", "6.12", False),
    ],
)
def test_a_kernel_version_matches_at_separators(found: str, wanted: str, expected: bool) -> None:
    """6.1 does not mean 6.12."""
    assert matches(found, wanted) is expected


def test_a_qemu_without_vfio_user_is_recognised() -> None:
    """The devices that an old QEMU lacks are named."""
    text = 'name "pcie-root-port", bus PCI\nname "x3130-upstream", bus PCI\n'

    assert missing_devices(text) == [
        "vfio-user-pci",
        "xio3130-downstream",
        "virtio-9p-pci",
        "virtio-serial-pci",
    ]
