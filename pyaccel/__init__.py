# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""Python runtime for AXL accelerators.

    import pyaccel

    with pyaccel.open() as device, device.queue() as queue:
        x = device.from_numpy([1.0, -2.0, 3.0])
        queue.unary("relu", x, x)
        queue.submit().wait()
        print(x.read())

Importing this package is cheap: libaxl and NumPy are loaded when a name is first used.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pyaccel.batch import Batch as Batch
    from pyaccel.buffer import Buffer as Buffer
    from pyaccel.context import Context as Context
    from pyaccel.device import Device as Device
    from pyaccel.device import open as open  # noqa: A004 - pyaccel.open() reads well
    from pyaccel.errors import AddressRejectedError as AddressRejectedError
    from pyaccel.errors import AxlError as AxlError
    from pyaccel.errors import BatchTooLargeError as BatchTooLargeError
    from pyaccel.errors import ClosedError as ClosedError
    from pyaccel.errors import CommandAbortedError as CommandAbortedError
    from pyaccel.errors import CommandError as CommandError
    from pyaccel.errors import CommandLostError as CommandLostError
    from pyaccel.errors import CommandTimeoutError as CommandTimeoutError
    from pyaccel.errors import ContextFaultedError as ContextFaultedError
    from pyaccel.errors import DeviceBusyError as DeviceBusyError
    from pyaccel.errors import DeviceGoneError as DeviceGoneError
    from pyaccel.errors import DeviceNotFoundError as DeviceNotFoundError
    from pyaccel.errors import DeviceWedgedError as DeviceWedgedError
    from pyaccel.errors import FirmwareStoppedError as FirmwareStoppedError
    from pyaccel.errors import ForkedProcessError as ForkedProcessError
    from pyaccel.errors import InvalidArgumentError as InvalidArgumentError
    from pyaccel.errors import NotBuiltError as NotBuiltError
    from pyaccel.errors import OutOfMemoryError as OutOfMemoryError
    from pyaccel.errors import PeerUnreachableError as PeerUnreachableError
    from pyaccel.errors import PermissionDeniedError as PermissionDeniedError
    from pyaccel.errors import QueueFullError as QueueFullError
    from pyaccel.errors import QueueHungError as QueueHungError
    from pyaccel.errors import QueueUnavailableError as QueueUnavailableError
    from pyaccel.errors import StaleHandleError as StaleHandleError
    from pyaccel.errors import VersionMismatchError as VersionMismatchError
    from pyaccel.fence import CommandResult as CommandResult
    from pyaccel.fence import Fence as Fence
    from pyaccel.info import DeviceInfo as DeviceInfo
    from pyaccel.info import EndpointInfo as EndpointInfo
    from pyaccel.info import ErrorRecord as ErrorRecord
    from pyaccel.info import Telemetry as Telemetry
    from pyaccel.info import devices as devices
    from pyaccel.queue import Queue as Queue
    from pyaccel.queue import QueueStats as QueueStats
    from pyaccel.spec.formats import Dtype as Dtype
    from pyaccel.tensor import Tensor as Tensor

_MODULES = {
    "batch": ("Batch",),
    "buffer": ("Buffer",),
    "context": ("Context",),
    "device": ("Device", "open"),
    "errors": (
        "AddressRejectedError", "AxlError", "BatchTooLargeError", "ClosedError",
        "CommandAbortedError", "CommandError", "CommandLostError", "CommandTimeoutError",
        "ContextFaultedError", "DeviceBusyError", "DeviceGoneError", "DeviceNotFoundError",
        "DeviceWedgedError", "FirmwareStoppedError", "ForkedProcessError",
        "InvalidArgumentError", "NotBuiltError", "OutOfMemoryError", "PeerUnreachableError",
        "PermissionDeniedError", "QueueFullError", "QueueHungError", "QueueUnavailableError",
        "StaleHandleError", "VersionMismatchError",
    ),
    "fence": ("CommandResult", "Fence"),
    "info": ("DeviceInfo", "EndpointInfo", "ErrorRecord", "Telemetry", "devices"),
    "queue": ("Queue", "QueueStats"),
    "spec.formats": ("Dtype",),
    "tensor": ("Tensor",),
}  # fmt: skip
_HOME = {name: (module, name) for module, names in _MODULES.items() for name in names}

__all__ = sorted(_HOME)  # noqa: PLE0605 - made from the table that serves the names


def __getattr__(name: str) -> object:
    """Load a public name when it is first used (PEP 562)."""
    home = _HOME.get(name)
    if home is None:
        raise AttributeError(f"module 'pyaccel' has no attribute {name!r}")
    value = getattr(importlib.import_module(f"pyaccel.{home[0]}"), home[1])
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """Names for completion, loaded or not."""
    return sorted({*globals(), *_HOME})
