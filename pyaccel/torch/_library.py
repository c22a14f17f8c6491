# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""Finding and loading the compiled part, or the reason why it cannot be."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import torch

LIBRARY: Final = Path(__file__).resolve().parents[1] / "_lib" / "libaxl_torch.so"
BUILT_FOR: Final = LIBRARY.with_suffix(".torch")
"""The PyTorch version that the library was compiled against, as text."""


class NotLoadedError(RuntimeError):
    """The compiled part of the backend is missing or does not fit this PyTorch."""


def minor(version: str) -> str:
    """The part of a version that the C++ interface depends on: "2.13" of "2.13.0+cpu"."""
    return ".".join(version.partition("+")[0].split(".")[:2])


def reason_against(library: Path, built_for: Path, version: str) -> str | None:
    """Why the library cannot be loaded into this PyTorch; None if it can."""
    if not library.exists():
        return (
            f"{library.name} is not built; run `pip install -e .` in the checkout with "
            "torch 2.13 installed (it compiles the backend)"
        )
    compiled = built_for.read_text().strip() if built_for.exists() else "an unknown version"
    if minor(compiled) != minor(version):
        return (
            f"{library.name} was compiled for torch {compiled}, this is torch {version}; "
            f"install torch {minor(compiled)}.*, or compile again: pip install -e ."
        )
    return None


def load() -> str | None:
    """Load the library; the reason if that is impossible."""
    reason = reason_against(LIBRARY, BUILT_FOR, torch.__version__)
    if reason is not None:
        return reason
    try:
        torch.ops.load_library(str(LIBRARY))
    except OSError as error:
        return f"{LIBRARY.name} cannot be loaded ({error}); compile it again: pip install -e ."
    return None
