# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""axl.ko's interface as the header has it: structures by cffi, ioctls by name.

Runs on the host (to read the header) and in the guest (to use it); knows no driver code.
"""

from __future__ import annotations

import errno
import fcntl
import mmap
import os
import re
import struct
import subprocess
from pathlib import Path
from typing import Any

import cffi

ROOT = Path(__file__).resolve().parents[2]
HEADER = ROOT / "drivers/linux/uapi/axl_accel.h"
_STUB = Path(__file__).with_name("stub")
_COMMAND_BASE = 0x40
_IOWR = 3 << 30
_GEM_CLOSE = 0x40086409


def declarations() -> str:
    """The header's types without its includes and macros, for a parser."""
    command = ["gcc", "-E", "-P", f"-I{_STUB}", str(HEADER)]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def numbers() -> dict[str, int]:
    """Every ioctl of the header: name in lower case, without prefix, to its number."""
    table = re.findall(r"#define DRM_IOCTL_AXL_\w+ \w+\((\w+), (\w+)\)", HEADER.read_text())
    values = dict(re.findall(r"#define (DRM_AXL_\w+) (0x\w\w)$", HEADER.read_text(), re.MULTILINE))
    return {made.removeprefix("drm_axl_"): int(values[name], 16) for name, made in table}


def pointers() -> set[str]:
    """Fields of the header that hold user addresses, as their comments say."""
    rows = re.findall(r"__u64 (\w+);\s*/\*(.*?)\*/", HEADER.read_text(), re.DOTALL)
    return {field for field, comment in rows if "user address" in comment} | {"user_address"}


def known_flags(name: str) -> int:
    """The bits that the header lets a caller set in `flags` of an ioctl."""
    text = HEADER.read_text()
    body = re.search(rf"struct drm_axl_{name} {{(.*?)}};", text, re.DOTALL)
    comment = re.search(r"\bflags; /\*(.*?)\*/", body[1] if body else "")
    if comment is None or "zero" in comment[1]:
        return 0
    prefixes = re.findall(r"DRM_AXL_\w+", comment[1])
    ioctls = re.findall(r"DRM_AXL_IOWR\((\w+),", text)
    bits = re.findall(r"#define (DRM_AXL_\w+) (0x\w+)", text)
    flags = [bit for flag, bit in bits if flag.startswith(tuple(prefixes)) and flag not in ioctls]
    return sum(int(bit, 16) for bit in flags)


class Interface:
    """Types and ioctl numbers, from text that `declarations` made."""

    def __init__(self, text: str) -> None:
        self.ffi = cffi.FFI()
        self.ffi.cdef(text)
        self._numbers = numbers()

    def size(self, name: str) -> int:
        """Bytes of an ioctl's structure."""
        return self.ffi.sizeof(f"struct drm_axl_{name}")

    def field_sizes(self, name: str) -> list[int]:
        """Bytes of each field of an ioctl's structure, arrays as one field."""
        fields = self.ffi.typeof(f"struct drm_axl_{name}").fields
        return [self.ffi.sizeof(field.type) for _, field in fields]

    def field_names(self, name: str) -> list[str]:
        """Fields of an ioctl's structure, in order."""
        return [field for field, _ in self.ffi.typeof(f"struct drm_axl_{name}").fields]

    def scalars(self, name: str) -> list[tuple[str, int, int]]:
        """Fields of an ioctl's structure that are no arrays: name, offset, bytes."""
        fields = self.ffi.typeof(f"struct drm_axl_{name}").fields
        numbers_ = [(field, row) for field, row in fields if row.type.kind == "primitive"]
        return [(field, row.offset, self.ffi.sizeof(row.type)) for field, row in numbers_]

    def request(self, name: str, size: int | None = None) -> int:
        """The ioctl's request word, for a structure of `size` bytes."""
        bytes_ = self.size(name) if size is None else size
        return _IOWR | bytes_ << 16 | ord("d") << 8 | _COMMAND_BASE + self._numbers[name]

    def pack(self, name: str, **fields: Any) -> bytearray:
        """A structure with some fields set and the others zero."""
        made = self.ffi.new(f"struct drm_axl_{name} *", fields)
        return bytearray(self.ffi.buffer(made))

    def unpack(self, name: str, data: bytes | bytearray) -> Any:
        """The structure that `data` holds."""
        made = self.ffi.new(f"struct drm_axl_{name} *")
        self.ffi.buffer(made)[:] = bytes(data)
        return made


class Accel:
    """One open file of /dev/accel/accelN."""

    def __init__(self, interface: Interface, path: Path) -> None:
        self.interface = interface
        self.fd = os.open(path, os.O_RDWR | os.O_CLOEXEC)

    def close(self) -> None:
        """Close the file and with it all that it owns."""
        os.close(self.fd)

    def raw(self, request: int, data: bytearray) -> int:
        """One ioctl; 0 or the errno."""
        try:
            fcntl.ioctl(self.fd, request, data)
        except OSError as error:
            return error.errno or errno.EIO
        return 0

    def attempt(self, name: str, **fields: Any) -> tuple[int, Any]:
        """One ioctl by name: (0 or errno, the structure as it came back)."""
        data = self.interface.pack(name, **fields)
        status = self.raw(self.interface.request(name), data)
        return status, self.interface.unpack(name, data)

    def do(self, name: str, **fields: Any) -> Any:
        """One ioctl that must succeed; its structure."""
        status, made = self.attempt(name, **fields)
        if status:
            raise OSError(status, f"{name}: {os.strerror(status)}")
        return made

    def gem_close(self, handle: int) -> None:
        """Drop a GEM handle (DRM_IOCTL_GEM_CLOSE)."""
        status = self.raw(_GEM_CLOSE, bytearray(struct.pack("<II", handle, 0)))
        if status:
            raise OSError(status, "gem close")

    def memory(self, offset: int, size: int) -> mmap.mmap:
        """A buffer mapped at its offset."""
        return mmap.mmap(self.fd, size, mmap.MAP_SHARED, offset=offset)
