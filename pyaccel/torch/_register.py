# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""Registration with PyTorch: the name, the device module, methods of tensors."""

from __future__ import annotations

import atexit
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any, Final, NoReturn

import torch
from torch.utils import backend_registration

from pyaccel.torch import _library

NAME: Final = "axl"
_STOP_S: Final = 2.0
"""How long the end of a program waits for a backward() that another thread has not finished."""
_FACTORIES: Final = ("empty.memory_format", "empty_strided")
_state: dict[str, Any] = {}


def register() -> None:
    """Once per process; a second call does nothing."""
    if _state:
        return
    taken = torch._C._get_privateuse1_backend_name()
    if taken not in {"privateuseone", NAME}:
        raise RuntimeError(
            f"PyTorch has room for one backend of this kind and {taken!r} is loaded; to use axl, "
            f"uninstall that one or set TORCH_DEVICE_BACKEND_AUTOLOAD=0 and import pyaccel.torch"
        )
    _state["done"] = True
    backend_registration.rename_privateuse1_backend(NAME)
    reason = _library.load()
    from pyaccel.torch import device

    device.set_reason(reason)
    torch._register_device_module(NAME, device)
    sys.modules[f"torch.{NAME}"] = device
    backend_registration.generate_methods_for_privateuse1_backend(for_storage=True)
    _register_distributed()
    if reason is None:
        atexit.register(_stop_autograd)
    else:
        _explain_on_use()


def _stop_autograd() -> None:
    """End the threads of backward(), one for each device, while Python is still whole.

    They take the interpreter's lock when they let go of what backward() gave them, and when
    they end. Before Python 3.14 doing that while Python ends aborts the process ("terminate
    called without an active exception"): https://github.com/pytorch/pytorch/issues/190489.
    Registered by `import torch`, so that it runs after the handlers of the program.
    """
    torch.ops.axl.stop_autograd()
    # PyTorch waits until they have nothing to do, which is before their end.
    deadline = time.monotonic() + _STOP_S
    while _autograd_threads() and time.monotonic() < deadline:
        time.sleep(0.001)


def _autograd_threads() -> int:
    """Those of this process, by the name that PyTorch gives them; 0 where there is no procfs."""
    count = 0
    for comm in Path("/proc/self/task").glob("*/comm"):
        with suppress(OSError):  # it has just ended
            count += comm.read_text().startswith("pt_autograd")
    return count


def _register_distributed() -> None:
    """Let init_process_group() find us; what it needs is imported then."""
    if not torch.distributed.is_available():
        return

    def create(*arguments: Any) -> Any:
        from pyaccel.torch import distributed

        return distributed.create(*arguments)

    torch.distributed.Backend.register_backend(NAME, create, devices=[NAME])


def _explain_on_use() -> None:
    """Without the library: whoever makes a tensor is told what is missing."""
    from pyaccel.torch import device

    def refuse(*_args: object, **_keywords: object) -> NoReturn:
        device.require()
        raise AssertionError  # require() raises

    library = torch.library.Library("aten", "IMPL")
    for name in _FACTORIES:
        library.impl(name, refuse, "PrivateUse1")
    _state["library"] = library  # lives as long as the process
