# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""One process of the ioctl fuzzer: several threads on one open file, until it is killed.

Memory of the file is touched by the kernel (read and write of a pipe and of /dev/zero): where
an access of our own would be a SIGBUS, theirs is an errno.
"""

from __future__ import annotations

import ctypes
import fcntl
import mmap
import os
import random
import select
import struct
import threading
import time
import traceback
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from tests.linux.fuzz_values import Arena, Values
from tests.linux.session import PAGE
from tests.linux.uapi import Interface, numbers

THREADS = 4
ERRNOS = 256
_SYNCOBJ_CREATE, _GEM_CLOSE = 0xC00864BF, 0x40086409
_MAPPED = 12
_NOTHING = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | 0x10  # MAP_FIXED
_LIBC = ctypes.CDLL(None, use_errno=True)
_LIBC.mmap.restype = ctypes.c_void_p
_LIBC.mmap.argtypes = (ctypes.c_void_p, ctypes.c_size_t, *[ctypes.c_int] * 3, ctypes.c_long)
_LIBC.ioctl.argtypes = (ctypes.c_int, ctypes.c_ulong, ctypes.c_void_p)
for _touch in (_LIBC.read, _LIBC.write):
    _touch.argtypes = (ctypes.c_int, ctypes.c_void_p, ctypes.c_size_t)
_LIBC.mprotect.argtypes = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int)


def raw(fd: int, request: int, address: int) -> int:
    """One ioctl with its structure at `address`; 0 or the errno."""
    return ctypes.get_errno() if _LIBC.ioctl(fd, request, address) else 0


def _ended_by_mistake(mistake: threading.ExceptHookArgs) -> None:
    traceback.print_exception(mistake.exc_value)
    os._exit(1)


class Worker:
    """One file and what is known of it.

    Args:
        interface: the header's types.
        path: the device file.
        seed: makes the choices of each thread repeatable, not their order.
        counts: shared with the parent: how often each ioctl ended with each errno.
    """

    def __init__(self, interface: Interface, path: Path, seed: int, counts: mmap.mmap) -> None:
        self._interface = interface
        self._path = path
        self._seed = seed
        self._counts = counts
        self._names = sorted(numbers())
        self._fd = os.open(path, os.O_RDWR)
        self._values = Values(interface, random.Random(seed))
        self._sizes: dict[int, int] = {}
        self._zero = os.open("/dev/zero", os.O_RDWR)
        pipe = os.pipe()
        self._sink = pipe[1]
        fcntl.fcntl(self._sink, fcntl.F_SETFL, os.O_NONBLOCK)
        self._others: tuple[Callable[[random.Random], object], ...] = (
            self._map,
            self._map,
            self._touch,
            self._touch,
            self._touch,
            self._unmap,
            self._poll,
            self._syncobj,
            self._gem_close,
            self._fork,
        )

    def run(self) -> None:
        """Fuzz for ever; a mistake of our own ends the process, which the parent notices."""
        threading.excepthook = _ended_by_mistake
        threads = [threading.Thread(target=self._thread, args=(n,)) for n in range(THREADS)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def _thread(self, number: int) -> None:
        rng = random.Random(self._seed * THREADS + number)
        arena = Arena(1)
        while True:
            if rng.random() < 0.8:
                self._ioctl(rng, arena)
            elif rng.random() < 0.02:
                self._reopen()
            else:
                rng.choice(self._others)(rng)

    def _ioctl(self, rng: random.Random, arena: Arena) -> None:
        name = rng.choice(self._names)
        if name == "reset" and rng.random() < 0.98:
            return  # everybody's work is lost: not all the time
        data = self._values.structure(name)
        size = len(data) if rng.random() < 0.97 else rng.randrange(0, 400)
        address = arena.put_last(data)
        status = raw(self._fd, self._interface.request(name, size), address)
        self._count(name, status)
        if status == 0 and size == len(data):
            self._values.learn(name, arena.last(size))

    def _count(self, name: str, status: int) -> None:
        at = 4 * (self._names.index(name) * ERRNOS + min(status, ERRNOS - 1))
        struct.pack_into("<I", self._counts, at, struct.unpack_from("<I", self._counts, at)[0] + 1)

    def _reopen(self) -> None:
        """Another file under the same descriptor: the old one ends under the others' feet."""
        fresh = os.open(self._path, os.O_RDWR)
        os.dup2(fresh, self._fd)
        os.close(fresh)

    def _map(self, rng: random.Random) -> None:
        offset = self._values.pick(rng.choice(("mmap_offset", "results_offset")))
        size = rng.choice((PAGE, PAGE, 4 * PAGE, 1 << 20))
        access = rng.choice((mmap.PROT_READ, mmap.PROT_READ | mmap.PROT_WRITE))
        shared = rng.choice((mmap.MAP_SHARED, mmap.MAP_SHARED, mmap.MAP_PRIVATE))
        if rng.random() < 0.05:
            offset += rng.choice((PAGE, -PAGE, 1 << 40))
        address = _LIBC.mmap(None, size, access, shared, self._fd, offset)
        known = self._values.pool["mapped"]
        if address not in {None, ctypes.c_void_p(-1).value} and len(known) < _MAPPED:
            self._sizes[address] = size
            known.append(address)

    def _touch(self, rng: random.Random) -> None:
        address = self._values.pick("mapped")
        if not address:
            return
        if rng.random() < 0.1:
            _LIBC.mprotect(address, PAGE, rng.choice((0, 1, 3)))
        if rng.random() < 0.5:
            _LIBC.write(self._sink, address, rng.choice((1, PAGE)))
        else:
            _LIBC.read(self._zero, address, rng.choice((1, 64, PAGE)))

    def _unmap(self, rng: random.Random) -> None:
        """Put nothing in its place: another thread may be about to touch it."""
        address = self._values.pick("mapped")
        if not address:
            return
        size = rng.choice((PAGE, self._sizes[address]))
        _LIBC.mmap(address, size, 0, _NOTHING, -1, 0)
        with suppress(ValueError):  # another thread was faster
            self._values.pool["mapped"].remove(address)

    def _poll(self, rng: random.Random) -> None:
        poll = select.poll()
        poll.register(self._fd, rng.choice((select.POLLIN, select.POLLIN | select.POLLOUT)))
        poll.poll(rng.choice((0, 1)))

    def _syncobj(self, _: random.Random) -> None:
        data = ctypes.create_string_buffer(8)
        if raw(self._fd, _SYNCOBJ_CREATE, ctypes.addressof(data)) == 0:
            known = self._values.pool["out_sync"]
            known.append(struct.unpack("<I", data.raw[:4])[0])
            del known[:-8]

    def _gem_close(self, _: random.Random) -> None:
        data = ctypes.create_string_buffer(struct.pack("<II", self._values.pick("handle"), 0), 8)
        raw(self._fd, _GEM_CLOSE, ctypes.addressof(data))

    def _fork(self, rng: random.Random) -> None:
        """A child that shares file and mappings, uses both once and ends."""
        if rng.random() < 0.7:
            return
        child = os.fork()
        if child == 0:
            try:
                self._ioctl(rng, Arena(1))
                self._touch(rng)
            finally:
                os._exit(0)
        os.waitpid(child, 0)
        time.sleep(0)
