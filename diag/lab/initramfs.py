# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""The guest's initial file system: busybox, a few modules, and the scripts in `guest/`.

It is not compressed: under emulation, unpacking costs more than reading.
"""

from __future__ import annotations

import gzip
import lzma
import shlex
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from diag.lab.errors import LabError
from diag.lab.kernel import Kernel

SCRIPTS = Path(__file__).parent / "guest"
MODULES = ("9p", "9pnet_virtio", "overlay")
"""What the first program needs before the module folder of the kernel is mounted."""

_DIRECTORY, _FILE = 0o040755, 0o100755
_DECOMPRESS: dict[str, Callable[[bytes], bytes]] = {
    ".ko": bytes,
    ".xz": lzma.decompress,
    ".gz": gzip.decompress,
}


@dataclass(frozen=True, slots=True)
class Places:
    """Folders of the host that the guest mounts."""

    tools: Path
    work: Path


def cpio(files: Iterable[tuple[str, bytes]]) -> bytes:
    """A newc archive of `files` (path without leading slash, content) and their folders."""
    out = bytearray()
    folders: set[str] = set()
    number = 1
    for path, content in files:
        for folder in reversed([str(parent) for parent in Path(path).parents][:-1]):
            if folder not in folders:
                folders.add(folder)
                out += _cpio_entry(number, folder, _DIRECTORY, b"")
                number += 1
        out += _cpio_entry(number, path, _FILE, content)
        number += 1
    return bytes(out + _cpio_entry(0, "TRAILER!!!", 0, b""))


def _cpio_entry(number: int, path: str, mode: int, content: bytes) -> bytes:
    """One header of 13 fields of 8 hex digits, name and content padded to 4 bytes."""
    name = path.encode() + b"\0"
    fields = (number, mode, 0, 0, 1, 0, len(content), 0, 0, 0, 0, len(name), 0)
    head = b"070701" + b"".join(b"%08x" % value for value in fields) + name
    return head + bytes(-len(head) % 4) + content + bytes(-len(content) % 4)


def module_files(kernel: Kernel, names: Iterable[str]) -> list[Path]:
    """Module files of `names` and what they depend on, in loading order.

    Modules that are built into the kernel have no file. LabError for an unknown name.
    """
    depends = _dependencies(kernel.modules / "modules.dep")
    by_name = {_module_name(path): path for path in depends}
    builtin = {
        _module_name(line) for line in (kernel.modules / "modules.builtin").read_text().split()
    }
    ordered: list[str] = []
    for name in names:
        if name in builtin:
            continue
        if name not in by_name:
            raise LabError(f"kernel {kernel.release} has no module {name}")
        # A line of modules.dep lists the deepest dependency last.
        for path in [*reversed(depends[by_name[name]]), by_name[name]]:
            if path not in ordered:
                ordered.append(path)
    return [kernel.modules / path for path in ordered]


def _dependencies(table: Path) -> dict[str, list[str]]:
    rows = (line.partition(":") for line in table.read_text().splitlines())
    return {path: needed.split() for path, _, needed in rows}


def _module_name(path: str) -> str:
    return Path(path).name.partition(".")[0].replace("-", "_")


def _module_bytes(path: Path) -> bytes:
    decompress = _DECOMPRESS.get(path.suffix)
    if decompress is None:
        raise LabError(f"{path}: modules compressed as {path.suffix} are not supported")
    return decompress(path.read_bytes())


def build_initramfs(kernel: Kernel, places: Places) -> bytes:
    """The archive for QEMU's -initrd."""
    settings = {
        "LAB_RELEASE": kernel.release,
        "LAB_MODULES": str(kernel.modules.resolve()),
        "LAB_TOOLS": str(places.tools.resolve()),
        "LAB_WORK": str(places.work.resolve()),
    }
    conf = "".join(f"{key}={shlex.quote(value)}\n" for key, value in settings.items())
    files = [(path.name, path.read_bytes()) for path in sorted(SCRIPTS.iterdir())]
    files.append(("lab.conf", conf.encode()))
    files.append(("busybox", (places.tools / "usr/bin/busybox").read_bytes()))
    for index, path in enumerate(module_files(kernel, MODULES)):
        name = f"modules/{index:02}-{_module_name(str(path))}.ko"
        files.append((name, _module_bytes(path)))
    return cpio(files)
