# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""Byte counters by direction, as the telemetry block reports them."""

from __future__ import annotations

from typing import Final

from diag.model.dma import Segment
from pyaccel.spec.formats import Space

_HOST: Final = int(Space.HOST)
_DEVICE: Final = int(Space.DEVICE)
_PEER: Final = int(Space.PEER)


class Traffic:
    """Bytes since power-on."""

    __slots__ = ("device_to_device", "device_to_host", "host_to_device", "peer")

    def __init__(self) -> None:
        self.host_to_device = 0
        self.device_to_host = 0
        self.device_to_device = 0
        self.peer = 0


def account_copy(traffic: Traffic, source: list[Segment], target: list[Segment]) -> None:
    """Count a copy: what stays inside counts once, what passes the link by its direction."""
    if source[0].space == _DEVICE and target[0].space == _DEVICE and len(source) == 1:
        traffic.device_to_device += len(source[0].view)
        return
    account_read(traffic, source)
    account_write(traffic, target)


def account_read(traffic: Traffic, segments: list[Segment]) -> None:
    """Count what a command reads over the link."""
    for space, _, view in segments:
        if space == _HOST:
            traffic.host_to_device += len(view)
        elif space == _PEER:
            traffic.peer += len(view)


def account_write(traffic: Traffic, segments: list[Segment]) -> None:
    """Count what a command writes over the link."""
    for space, _, view in segments:
        if space == _HOST:
            traffic.device_to_host += len(view)
        elif space == _PEER:
            traffic.peer += len(view)
