# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""Checks in the guest: what the kernel tells udev, heard as udev hears it."""

from __future__ import annotations

import socket
import time
from pathlib import Path

from tests.linux.checks.common import SHARE, held, node_of, open_at
from tests.linux.session import Work, nop

_NETLINK_KOBJECT_UEVENT = 15
_KERNEL_GROUP = 1
_PATIENCE_S = 60.0
_BUFFER_BYTES = 1 << 20


class Listener:
    """Events of one accel device from now on."""

    def __init__(self, bdf: str) -> None:
        self.socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, _NETLINK_KOBJECT_UEVENT)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _BUFFER_BYTES)
        self.socket.bind((0, _KERNEL_GROUP))
        self.devname = f"accel/{node_of(bdf).name}"
        self.events: list[dict[str, str]] = []

    def until(self, state: str) -> list[dict[str, str]]:
        """All changes of the device's state so far, once it has been told to be `state`."""
        deadline = time.monotonic() + _PATIENCE_S
        while not self.events or self.events[-1].get("AXL_STATE") != state:
            self.socket.settimeout(max(0.0, deadline - time.monotonic()))
            words = self.socket.recv(1 << 16).decode().split("\0")
            event = dict(word.split("=", 1) for word in words if "=" in word)
            if event.get("DEVNAME") == self.devname and event.get("ACTION") == "change":
                del event["SEQNUM"]
                self.events.append(event)
        return self.events


def told_resets(bdf: str) -> list[dict[str, str]]:
    """A queue that a fault hung is reset; then the owner of the machine resets the function."""
    listener = Listener(bdf)
    work = Work(open_at(bdf))
    work.wait(work.submit(nop()), timeout_s=60)
    listener.until("online")
    work.accel.do("reset", kind=1)
    listener.until("resetting_function")
    return listener.until("online")


def told_wedge(bdf: str) -> list[dict[str, str]]:
    """The OS resets the function, and what comes back is not driven."""
    listener = Listener(bdf)
    folder = Path(f"/sys/bus/pci/devices/{bdf}")
    (folder / "reset_method").write_text("flr")
    (folder / "reset").write_text("1")
    return listener.until("wedged")


def told_gone(bdf: str) -> list[dict[str, str]]:
    """The endpoint answers all-ones from when the host has seen the file `held`."""
    listener = Listener(bdf)
    held(bdf)
    (SHARE / "held").touch()
    return listener.until("gone")


CHECKS = (told_resets, told_wedge, told_gone)
