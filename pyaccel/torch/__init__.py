# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""The PyTorch device "axl".

`import torch` loads this package by itself (entry point `torch.backends`); nothing is opened
until a tensor is made on `axl`. What goes wrong before that is kept, and told then.
"""

from __future__ import annotations

import logging

_log = logging.getLogger(__name__)


def autoload() -> None:
    """Make "axl" known to PyTorch. Called by `import torch`; it never raises."""
    try:
        from pyaccel.torch import _register

        _register.register()
    except Exception:  # noqa: BLE001 - whatever it is must not break `import torch`
        _log.warning("the PyTorch device axl is not available", exc_info=True)
