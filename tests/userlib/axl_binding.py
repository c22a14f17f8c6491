# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""libaxl for tests: cffi in ABI mode from the library's own headers, and thin objects."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path
from typing import Any, Self

from cffi import FFI

from tests.build.guest_rack import is_guest

ROOT = Path(__file__).resolve().parents[2]
SOURCE = "kernel" if is_guest() else "rack:u2x2"
"""Where the endpoints of the tests are."""
INCLUDES = [ROOT / "userlib/include", ROOT / "drivers/spec/include"]

_PREAMBLE = r"""
#define AXL_TYPES_H
#define AXL_STATIC_ASSERT(cond, text)
"""
_TYPES = "typedef uint16_t axl_le16; typedef uint32_t axl_le32; typedef uint64_t axl_le64;\n"


def declarations() -> str:
    """axl.h and axl_formats.h as cffi reads them."""
    unit = _PREAMBLE + '#include "axl.h"\n'
    command = ["gcc", "-E", "-P", *(f"-I{p}" for p in INCLUDES), "-"]
    text = subprocess.run(command, input=unit, capture_output=True, text=True, check=True).stdout
    # What the system's headers declare comes first; cffi knows those types itself.
    ours = text[text.index("enum axl_opcode {") :]
    ours = re.sub(r"__attribute__\s*\(\(visibility\(.*?\)\)\)", "", ours)
    return _TYPES + ours


FFI_ = FFI()


def load(folder: Path) -> Any:
    """The shared library of a build."""
    if not hasattr(FFI_, "declared"):
        FFI_.cdef(declarations())
        FFI_.declared = True
    return FFI_.dlopen(str(folder / "userlib/libaxl.so"))


class AxlError(Exception):
    """A call that returned a negative errno."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(f"{os.strerror(-code)}: {text}")
        self.code = -code
        self.text = text


class Axl:
    """The library; `self.lib` has its functions and constants."""

    def __init__(self, folder: Path) -> None:
        self.lib = load(folder)
        self.ffi = FFI_

    def check(self, status: int) -> int:
        """A status that must not be negative."""
        if status < 0:
            raise AxlError(status, self.last_error())
        return status

    def last_error(self) -> str:
        """Text of the thread's last failure."""
        return self.ffi.string(self.lib.axl_last_error()).decode()

    def name_of(self, status: int) -> str:
        """Name of a completion status."""
        return self.ffi.string(self.lib.axl_status_name(status)).decode()

    def struct(self, name: str, function: Any, *args: Any) -> Any:
        """A structure that a function fills in."""
        out = self.ffi.new(f"struct {name} *")
        self.check(function(*args, out, self.ffi.sizeof(f"struct {name}")))
        return out

    def enumerate(self, source: str | None = None) -> list[Any]:
        """Endpoints of a source."""
        size = self.ffi.sizeof("struct axl_endpoint_info")
        infos = self.ffi.new("struct axl_endpoint_info[128]")
        count = self.ffi.new("size_t *")
        name = self.ffi.NULL if source is None else source.encode()
        self.check(self.lib.axl_enumerate(name, infos, size, 128, count))
        return [self.ffi.new("struct axl_endpoint_info *", infos[i]) for i in range(count[0])]

    def ids(self, source: str | None = None) -> list[str]:
        """Stable ids of the endpoints of a source."""
        return [self.ffi.string(info.id).decode() for info in self.enumerate(source)]

    def open(self, uri: str | None = None) -> Device:
        """An open device; close it."""
        return Device(self, uri)


class Device:
    """A device, its first context and its first queue."""

    def __init__(self, axl: Axl, uri: str | None) -> None:
        self.axl, self.lib, self.ffi = axl, axl.lib, axl.ffi
        self._undo: list[Any] = []
        out = self.ffi.new("struct axl_device **")
        axl.check(self.lib.axl_device_open(self.ffi.NULL if uri is None else uri.encode(), 0, out))
        self.c = out[0]

    def __enter__(self) -> Self:
        """Itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Destroy everything made here, newest first, and close."""
        self.close()

    def close(self) -> None:
        """Destroy everything made here, newest first, and close."""
        while self._undo:
            self._undo.pop()()
        if self.c is not None:
            self.lib.axl_device_close(self.c)
            self.c = None

    def context(self) -> Any:
        """A new context."""
        out = self.ffi.new("struct axl_context **")
        self.axl.check(self.lib.axl_context_create(self.c, out))
        made = out[0]
        self._undo.append(lambda: self.lib.axl_context_destroy(made))
        return made

    def buffer(self, context: Any, size: int, memory: str = "HOST") -> Any:
        """A new buffer of HOST or DEVICE memory."""
        out = self.ffi.new("struct axl_buffer **")
        kind = getattr(self.lib, f"AXL_MEMORY_{memory}")
        self.axl.check(self.lib.axl_buffer_create(context, size, kind, 0, out))
        made = out[0]
        self._undo.append(lambda: self.lib.axl_buffer_destroy(made))
        return made

    def destroy_newest(self) -> None:
        """Destroy what was made last."""
        self._undo.pop()()

    def bytes(self, buffer: Any) -> Any:
        """The buffer's bytes."""
        address = self.lib.axl_buffer_map(buffer)
        assert address != self.ffi.NULL
        return self.ffi.buffer(address, self.lib.axl_buffer_bytes(buffer))

    def queue(self, context: Any, **attributes: int) -> Queue:
        """A new queue."""
        attr = self.ffi.new("struct axl_queue_attr *")
        attr.index = 0xFFFFFFFF
        for name, value in attributes.items():
            setattr(attr, name, value)
        out = self.ffi.new("struct axl_queue **")
        size = self.ffi.sizeof("struct axl_queue_attr")
        self.axl.check(self.lib.axl_queue_create(context, attr, size, out))
        made = Queue(self, out[0])
        self._undo.append(made.destroy)
        return made

    def info(self) -> Any:
        """axl_device_info()."""
        return self.axl.struct("axl_device_info", self.lib.axl_device_info, self.c)

    def check(self) -> int:
        """axl_device_check(), as a positive errno or 0."""
        return -self.lib.axl_device_check(self.c)


class Queue:
    """A queue; commands are bytes of whole slots."""

    def __init__(self, device: Device, c: Any) -> None:
        self.device, self.axl, self.lib, self.ffi = device, device.axl, device.lib, device.ffi
        self.c = c

    def destroy(self) -> None:
        """Destroy it; a second time does nothing."""
        if self.c is not None:
            self.lib.axl_queue_destroy(self.c)
            self.c = None

    def submit(self, commands: bytes, flags: int = 0) -> int:
        """Submit a batch; the sequence of its last command."""
        slots = self.ffi.from_buffer("struct axl_slot[]", bytearray(commands))
        last = self.ffi.new("uint64_t *")
        count = len(commands) // 64
        self.axl.check(self.lib.axl_queue_submit(self.c, slots, count, flags, last))
        return last[0]

    def wait(self, sequence: int, timeout_s: float = 20.0) -> None:
        """Wait; AxlError if it fails or lasts too long."""
        self.axl.check(self.lib.axl_queue_wait(self.c, sequence, int(timeout_s * 1e9)))

    def run(self, commands: bytes) -> int:
        """Submit and wait."""
        last = self.submit(commands)
        self.wait(last)
        return last

    def result(self, sequence: int) -> Any:
        """axl_queue_result()."""
        return self.axl.struct("axl_result", self.lib.axl_queue_result, self.c, sequence)

    def take_error(self) -> Any:
        """axl_queue_take_error()."""
        return self.axl.struct("axl_result", self.lib.axl_queue_take_error, self.c)

    def stats(self) -> Any:
        """axl_queue_stats()."""
        return self.axl.struct("axl_queue_stats", self.lib.axl_queue_stats, self.c)
