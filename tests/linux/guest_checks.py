# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""What is checked inside the guest: `python -m tests.linux.guest_checks NAME [ARGUMENT...]`.

Each check uses /dev/accel like any program and prints what it saw as one JSON value; the
tests on the host judge it. Only this file and its imports run in the guest.
"""

from __future__ import annotations

import errno
import json
import os
import random
import signal
import struct
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pyaccel.spec.formats import Status
from tests.linux.session import DEVICE, HOST, PAGE, Work, copy, fence_wait, nop
from tests.linux.syncobj import Syncobj
from tests.linux.uapi import Accel, Interface, numbers

SHARE = Path("/run/axl-lab/share")
NODES = Path("/dev/accel")
TRACING = Path("/sys/kernel/tracing")
SEED = 20240501


def interface() -> Interface:
    """The types, from the text that the host left in the shared folder."""
    return Interface((SHARE / "axl_accel.cdef").read_text())


def node_of(bdf: str) -> Path:
    """The device file of the endpoint at `bdf`."""
    return NODES / next(Path(f"/sys/bus/pci/devices/{bdf}/accel").iterdir()).name


def open_at(bdf: str) -> Accel:
    """The endpoint at `bdf`, opened."""
    return Accel(interface(), node_of(bdf))


def identity() -> dict[str, Any]:
    """What every endpoint says of itself, by ioctl and in sysfs, by BDF."""
    seen: dict[str, Any] = {}
    types = interface()
    for node in NODES.iterdir():
        accel = Accel(types, node)
        info = accel.do("get_info")
        folder = Path("/sys/class/accel", node.name, "device").resolve()
        seen[folder.name] = {
            "serial": info.board_serial,
            "index": info.endpoint_index,
            "count": info.endpoint_count,
            "bdf": info.bdf,
            "slot": info.slot,
            "path": list(info.path[0 : info.path_depth]),
            "address_state": info.address_state,
            "peers": info.peer_count,
            "state": info.state,
            "vectors": info.vectors,
            "link": [info.link_speed, info.link_width],
            "sysfs": {path.name: path.read_text().strip() for path in (folder / "axl").iterdir()},
        }
        accel.close()
    return seen


def copies(bdf: str) -> dict[str, Any]:
    """Nops and copies of many sizes and offsets through device memory, compared."""
    rng = random.Random(SEED)
    accel = open_at(bdf)
    work = Work(accel)
    size = 1 << 20
    there, memory, back = (work.buffer(size, kind) for kind in (HOST, DEVICE, HOST))
    there.cpu[:] = rng.randbytes(size)
    wrong, statuses = 0, [work.run(nop()), work.run(nop() * 100)]
    for length in (1, 63, 4095, 4097, 65_537, rng.randrange(1, size // 2), size // 2):
        src, mid, dst = (rng.randrange(size - length) for _ in range(3))
        slots = copy(there.va + src, memory.va + mid, length)
        slots += copy(memory.va + mid, back.va + dst, length)
        statuses.append(work.run(slots))
        expected = there.cpu[src : src + length]
        wrong += back.cpu[dst : dst + length] != expected
        wrong += memory.cpu[mid : mid + length] != expected
    progress = accel.do("telemetry").progress
    return {"statuses": statuses, "wrong": wrong, "progress": progress}


def faults(bdf: str) -> dict[str, Any]:
    """Unmapped and read-only addresses in one context, while another works."""
    bad, good = Work(open_at(bdf)), Work(open_at(bdf))
    source = bad.buffer(PAGE, HOST)
    fixed = bad.buffer(PAGE, HOST, flags=1)
    unmapped = bad.run(copy(source.va, source.va + (1 << 30), 64))
    refused = bad.run(nop())
    beside = good.run(nop())
    state = bad.accel.do("context_state", context_id=bad.context, flags=1).faulted
    read_only = bad.run(copy(source.va, fixed.va, 64))
    bad.accel.do("context_state", context_id=bad.context, flags=1)
    recovered = bad.run(copy(fixed.va, source.va, 64))
    time.sleep(0.2)
    record = good.accel.do("error")
    return {
        "statuses": [unmapped, refused, beside, read_only, recovered],
        "faulted": state,
        "records": record.records,
        "code": record.code,
    }


def neighbours(bdf: str) -> dict[str, Any]:
    """One file cannot name what another owns; memory is handed on empty."""
    mine, other = Work(open_at(bdf)), open_at(bdf)
    secret = mine.buffer(1 << 20, DEVICE)
    secret.cpu[:] = b"s" * (1 << 20)
    attempts = [
        other.attempt("context_state", context_id=mine.context)[0],
        other.attempt("queue_create", context_id=mine.context)[0],
        other.attempt("wait", queue_id=mine.queue)[0],
        other.attempt("bo_map", context_id=mine.context, handle=secret.handle)[0],
    ]
    secret.cpu.close()
    mine.accel.close()
    info = other.do("get_info")
    made = other.do("bo_create", bytes=info.memory_free_bytes // 2, memory=DEVICE)
    left = other.memory(made.mmap_offset, made.bytes)
    return {"attempts": attempts, "leaked": left.find(b"s") >= 0, "free": info.memory_free_bytes}


def limits(bdf: str) -> dict[str, Any]:
    """Every queue and context taken; then all given back by closing the file."""
    first = Work(open_at(bdf))
    info = first.accel.do("get_info")
    rest = [first.accel.attempt("queue_create", context_id=first.context)[0] for _ in range(16)]
    full = [first.accel.attempt("context_create")[0] for _ in range(info.context_count)]
    big = first.accel.attempt("bo_create", bytes=info.memory_bytes * 2, memory=DEVICE)[0]
    busy = first.accel.attempt("context_destroy", context_id=first.context)[0]
    first.accel.close()
    again = Work(open_at(bdf)).run(nop())
    return {"queues": rest, "contexts": full, "big": big, "busy": busy, "again": again}


def hostile(bdf: str) -> list[list[Any]]:
    """Arguments that cannot be right: [what, errno] each."""
    accel = open_at(bdf)
    work = Work(accel)
    context, queue = work.context, work.queue
    host = work.buffer(PAGE, HOST)
    cases: list[tuple[str, dict[str, Any]]] = [
        ("get_info", {"flags": 1}),
        ("get_info", {"pad": 1}),
        ("telemetry", {"flags": 1 << 63}),
        ("error", {"pad": 1}),
        ("context_create", {"flags": 1}),
        ("context_destroy", {"context_id": context, "pad": 1}),
        ("context_state", {"context_id": context, "flags": 2}),
        ("bo_create", {"bytes": 0, "memory": HOST}),
        ("bo_create", {"bytes": PAGE, "memory": 2}),
        ("bo_create", {"bytes": PAGE, "memory": 2**32 - 1}),
        ("bo_create", {"bytes": PAGE, "memory": HOST, "flags": 1}),
        ("bo_map", {"context_id": context, "handle": host.handle, "flags": 2}),
        ("bo_unmap", {"context_id": context, "va": host.va + 1}),
        ("queue_create", {"context_id": context, "slots_log2": 15}),
        ("queue_create", {"context_id": context, "slots_log2": 1}),
        ("queue_create", {"context_id": context, "coalesce_us": 1 << 16}),
        ("submit", {"queue_id": queue, "slot_count": 0}),
        ("submit", {"queue_id": queue, "slot_count": 1, "flags": 2}),
        ("submit", {"queue_id": queue, "slot_count": 1, "in_sync_count": 65}),
        ("wait", {"queue_id": queue, "sequence": 1 << 40}),
        ("reset", {"kind": 0}),
        ("reset", {"kind": 3}),
    ]
    seen = [[f"{name} {fields}", accel.attempt(name, **fields)[0]] for name, fields in cases]
    seen.append(["malformed command", work.attempt(b"\xff" * 64)[0]])
    seen.append(["half a command", work.attempt(b"\x05\x00\x03".ljust(64, b"\0"))[0]])
    return seen


def not_found(bdf: str) -> list[list[Any]]:
    """Numbers and addresses of nothing: [what, errno] each."""
    accel = open_at(bdf)
    work = Work(accel)
    cases: list[tuple[str, dict[str, Any]]] = [
        ("context_destroy", {"context_id": 999}),
        ("context_state", {"context_id": 0}),
        ("bo_map", {"context_id": work.context, "handle": 999}),
        ("bo_unmap", {"context_id": work.context, "va": 1 << 41}),
        ("queue_create", {"context_id": 2**32 - 1}),
        ("queue_destroy", {"queue_id": 999}),
        ("submit", {"queue_id": 999, "slot_count": 1}),
        ("wait", {"queue_id": 0}),
    ]
    return [[f"{name} {fields}", accel.attempt(name, **fields)[0]] for name, fields in cases]


def _fuzzed(rng: random.Random, accel: Accel, name: str) -> tuple[int, bytearray]:
    """An ioctl with likely wrong fields, or with plain noise of any size: (request, bytes)."""
    if rng.random() < 0.3:
        size = rng.randrange(400)
        return accel.interface.request(name, size), bytearray(rng.randbytes(512))
    values = (0, 0, 0, 0, 1, 1, 2, 3, 6, PAGE, 1 << 20, 1 << 40, 2**31, 2**32 - 1, 2**64 - 1)
    data = bytearray()
    for size in accel.interface.field_sizes(name):
        value = rng.choice(values) & (1 << 8 * size) - 1
        data += value.to_bytes(size, "little")
    return accel.interface.request(name), data


def garbage(bdf: str) -> dict[str, Any]:
    """Wrong fields, noise and odd sizes into every ioctl while a neighbour works."""
    rng = random.Random(SEED)
    accel, neighbour = open_at(bdf), Work(open_at(bdf))
    names = [name for name in numbers() if name != "reset"]
    errors: dict[str, int] = {}
    for _ in range(4000):
        status = accel.raw(*_fuzzed(rng, accel, rng.choice(names)))
        text = errno.errorcode.get(status, "OK")
        errors[text] = errors.get(text, 0) + 1
    accel.close()
    return {"errors": errors, "neighbour": neighbour.run(nop())}


def unmap_in_flight(bdf: str) -> dict[str, Any]:
    """Memory unmapped under a command that waits stays its own until the command ends."""
    work = Work(open_at(bdf))
    word = work.buffer(PAGE, HOST)
    memory = work.buffer(1 << 20, DEVICE)
    free = work.accel.do("get_info").memory_free_bytes
    sequence = work.submit(fence_wait(word.va, 1))
    memory.cpu.close()
    work.accel.do("bo_unmap", context_id=work.context, va=memory.va)
    work.accel.gem_close(memory.handle)
    held = work.accel.do("get_info").memory_free_bytes
    word.cpu[0:8] = struct.pack("<Q", 1)
    status, made = work.wait(sequence)
    for _ in range(100):
        given_back = work.accel.do("get_info").memory_free_bytes
        if given_back != held:
            break
        time.sleep(0.05)
    gained = [held - free, given_back - free]
    return {"status": status, "failed": made.failed_status, "gained": gained}


def syncobjs(bdf: str) -> dict[str, Any]:
    """A batch signals its syncobj; another queue starts only when it has."""
    accel = open_at(bdf)
    first, second = Work(accel), Work(accel)
    word = first.buffer(PAGE, HOST)
    done = Syncobj(accel)
    first.submit(fence_wait(word.va, 1), out_sync=done.handle)
    early = done.wait(timeout_s=0.2)
    word.cpu[0:8] = struct.pack("<Q", 1)
    handles = struct.pack("<I", done.handle)
    address = accel.interface.ffi.from_buffer(handles)
    sequence = second.submit(
        nop(), in_sync_count=1, in_syncs=int(accel.interface.ffi.cast("uintptr_t", address))
    )
    late = done.wait(timeout_s=0)
    return {"early": early, "late": late, "second": second.wait(sequence)[0]}


def nonblock(bdf: str) -> dict[str, Any]:
    """A full ring refuses a batch that may not wait, and takes it once there is room."""
    work = Work(open_at(bdf), slots_log2=4)
    word = work.buffer(PAGE, HOST)
    work.submit(fence_wait(word.va, 1))
    filled = work.attempt(nop() * 15, flags=1)[0]
    full = work.attempt(nop(), flags=1)[0]
    too_big = work.attempt(nop() * 17, flags=1)[0]
    word.cpu[0:8] = struct.pack("<Q", 1)
    waited, sequence = work.attempt(nop() * 16)
    return {
        "filled": filled,
        "full": full,
        "too_big": too_big,
        "waited": waited,
        "wait": work.wait(sequence)[0],
    }


def _held(bdf: str) -> tuple[Work, int]:
    """A queue whose only command never ends by itself."""
    work = Work(open_at(bdf))
    word = work.buffer(PAGE, HOST)
    return work, work.submit(fence_wait(word.va, 1))


def reset(bdf: str, how: str) -> dict[str, Any]:
    """A reset with work in flight: by ioctl ("1": function, "2": bus) or by a sysfs method."""
    work, sequence = _held(bdf)
    memory = work.buffer(PAGE, DEVICE)
    before = work.accel.do("get_info").generation
    folder = Path(f"/sys/bus/pci/devices/{bdf}")
    if how.isdigit():
        work.accel.do("reset", kind=int(how))
    else:
        (folder / "reset_method").write_text(how)
        (folder / "reset").write_text("1")
    lost = work.wait(sequence)[0]
    stale = [
        work.attempt(nop())[0],
        work.accel.attempt("bo_map", context_id=work.context, handle=memory.handle)[0],
        work.accel.attempt("queue_create", context_id=work.context)[0],
    ]
    info = work.accel.do("get_info")
    return {
        "lost": lost,
        "stale": stale,
        "generations": info.generation - before,
        "address_state": info.address_state,
        "state": (folder / "axl/state").read_text().strip(),
        "again": Work(open_at(bdf)).run(nop()),
    }


def hang(bdf: str) -> dict[str, Any]:
    """A queue that a fault hung: its job is given up, the queue goes on."""
    work, beside = Work(open_at(bdf)), Work(open_at(bdf))
    status, made = work.wait(work.submit(nop()), timeout_s=60)
    after = work.run(nop())
    return {
        "status": status,
        "failed": made.failed_status,
        "after": after,
        "beside": beside.run(nop()),
        "generation": work.accel.do("get_info").generation,
    }


def later(bdf: str) -> dict[str, Any]:
    """A command that ends while its waiter sleeps, and one more."""
    work = Work(open_at(bdf))
    word = work.buffer(PAGE, HOST)
    sequence = work.submit(fence_wait(word.va, 1))
    release = threading.Timer(0.5, word.cpu.__setitem__, (slice(0, 8), struct.pack("<Q", 1)))
    release.start()
    status, made = work.wait(sequence)
    work.submit(nop())
    after, last = work.wait(work.submit(nop()))
    return {"status": [status, after], "failed": [made.failed_status, last.failed_status]}


def unbind(bdf: str) -> dict[str, Any]:
    """The driver is taken away from under an open file with work in flight."""
    work, sequence = _held(bdf)
    memory = work.buffer(PAGE, DEVICE)
    memory.cpu[0] = 1
    driver = Path("/sys/bus/pci/drivers/axl")
    (driver / "unbind").write_text(bdf)
    child = os.fork()
    if child == 0:
        # Not a core dump, not Python's handler: just the signal.
        signal.signal(signal.SIGBUS, signal.SIG_DFL)
        os._exit(memory.cpu[0])
    _, ended = os.waitpid(child, 0)
    answers = [
        work.wait(sequence)[0],
        work.attempt(nop())[0],
        work.accel.attempt("get_info")[0],
    ]
    work.accel.close()
    (driver / "bind").write_text(bdf)
    return {
        "signal": os.WTERMSIG(ended),
        "answers": answers,
        "again": Work(open_at(bdf)).run(nop()),
    }


def killed(bdf: str) -> dict[str, Any]:
    """A process dies with work in flight; its neighbour never notices."""
    neighbour = Work(open_at(bdf))
    free = neighbour.accel.do("get_info").memory_free_bytes
    ready, tell = os.pipe()
    child = os.fork()
    if child == 0:
        work, _ = _held(bdf)
        work.buffer(1 << 20, DEVICE)
        os.write(tell, b"x")
        time.sleep(600)
    os.read(ready, 1)
    os.kill(child, signal.SIGKILL)
    statuses = [neighbour.run(nop()) for _ in range(20)]
    os.waitpid(child, 0)
    left = neighbour.accel.do("get_info").memory_free_bytes
    return {"statuses": sorted(set(statuses)), "lost_bytes": free - left}


def gone(bdf: str) -> dict[str, Any]:
    """An endpoint that reads all-ones: noticed, and everything answered."""
    work, sequence = _held(bdf)
    (SHARE / "held").touch()
    status = work.wait(sequence, timeout_s=60)[0]
    state = Path(f"/sys/bus/pci/devices/{bdf}/axl/state").read_text().strip()
    return {"status": status, "state": state, "submit": work.attempt(nop())[0]}


def aer(bdf: str, kind: str) -> dict[str, Any]:
    """An error injected into the AER registers, with work in flight."""
    bits = {"correctable": (0, 0x1), "nonfatal": (0x4000, 0), "fatal": (0x40000, 0)}[kind]
    work, sequence = _held(bdf)
    domain, bus, rest = bdf.split(":")
    device, function = rest.split(".")
    where = (int(bus, 16), int(device, 16), int(function), *bits)
    request = struct.pack("<BBBx7I", *where, 0, 1, 2, 3, int(domain, 16))
    Path("/dev/aer_inject").write_bytes(request)
    folder = Path(f"/sys/bus/pci/devices/{bdf}/axl")
    time.sleep(3)
    lost = work.wait(sequence, timeout_s=0.5)[0]
    return {
        "lost": lost,
        "state": (folder / "state").read_text().strip(),
        "address_state": (folder / "address_state").read_text().strip(),
        "again": Work(open_at(bdf)).run(nop()),
    }


def stages(bdf: str) -> dict[str, Any]:
    """The tracepoints of one NOP, in the order of their times: [name, sequence]."""
    work = Work(open_at(bdf))
    work.run(nop())
    (TRACING / "trace").write_text("")
    (TRACING / "events/axl/enable").write_text("1")
    status = work.run(nop())
    (TRACING / "events/axl/enable").write_text("0")
    seen = []
    for line in (TRACING / "trace").read_text().splitlines():
        if ": axl_" not in line:
            continue
        name, _, text = line.partition(": axl_")[2].partition(": ")
        fields = dict(pair.split("=", 1) for pair in text.split())
        seen.append([int(fields["time_ns"]), name, int(fields["sequence"]), fields["dev"]])
    return {"status": status, "events": sorted(seen)}


CHECKS: dict[str, Callable[..., Any]] = {
    check.__name__: check
    for check in (
        identity, copies, faults, neighbours, limits, hostile, not_found, garbage,
        unmap_in_flight, syncobjs, nonblock, reset, hang, later, unbind, killed, gone, aer, stages,
    )
}  # fmt: skip

assert Status.OK == 0

if __name__ == "__main__":
    print(json.dumps(CHECKS[sys.argv[1]](*sys.argv[2:])))  # noqa: T201 - the result
