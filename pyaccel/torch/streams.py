# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""Streams and events: PyTorch's own classes. A stream is a queue of an endpoint."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import torch

Target = int | str | torch.device | None


def _device(target: Target) -> torch.device:
    from pyaccel.torch import device

    device.require()
    return torch.device("axl", device.index_of(target))


# Without a device they take the current accelerator's, which is axl.
Stream = torch.Stream
Event = torch.Event


def current_stream(target: Target = None) -> torch.Stream:
    """The stream that operators of this thread use on a device."""
    return torch.accelerator.current_stream(_device(target))


def default_stream(target: Target = None) -> torch.Stream:
    """The stream that is current until another is set."""
    where = _device(target)
    return torch.Stream(stream_id=0, device_index=where.index, device_type=20)


def set_stream(chosen: torch.Stream) -> None:
    """Make a stream current for this thread."""
    torch.accelerator.set_stream(chosen)


@contextlib.contextmanager
def stream(chosen: torch.Stream | None) -> Iterator[None]:
    """Context manager: operators inside use the stream."""
    if chosen is None:
        yield
        return
    with chosen:
        yield


def synchronize(target: Target = None) -> None:
    """Wait until a device has done everything; raises what went wrong on it."""
    torch.accelerator.synchronize(_device(target))
