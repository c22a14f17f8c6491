# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""A saved snapshot (accel-info --save FILE, or --json), or a dump (lspci -vvvxxxx)."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Final

from diag.topo.document import DocumentError, from_document
from diag.topo.lspci import is_dump
from diag.topo.lspci_tree import DumpError, rack_of_dump
from diag.topo.model import Rack
from diag.topo.protocol import SourceError, SourceUsageError

MAX_BYTES: Final = 16 << 20
_AT_ONCE: Final[int] = getattr(os, "O_NONBLOCK", 0)
"""Windows has neither the flag nor FIFOs with a path."""


class FileSource:
    """Reads a JSON document or the text of lspci; either may come from a stranger.

    Args:
        path: of the file.
    """

    def __init__(self, path: str) -> None:
        self.name = f"file:{path}"
        self._path = Path(path)

    def read(self) -> Rack:
        """The tree as it was saved."""
        try:
            with open(self._path, "rb", opener=_open_at_once) as file:
                data = file.read(MAX_BYTES + 1)
            if len(data) > MAX_BYTES:
                raise SourceError(f"{self._path}: larger than {MAX_BYTES >> 20} MiB")
            return self._parse(data)
        except OSError as error:
            raise SourceUsageError(f"{self._path}: {error.strerror}") from None
        except UnicodeError:
            raise SourceError(f"{self._path}: is no text") from None
        except DocumentError as error:
            raise SourceError(f"{self._path}: no topology document: {error}") from None
        except DumpError as error:
            raise SourceError(f"{self._path}: no dump of use: {error}") from None

    def _parse(self, data: bytes) -> Rack:
        # Names of devices in dumps are in whatever encoding the machine had.
        text = data.decode("utf-8", "replace")
        if is_dump(text):
            return rack_of_dump(text, self.name)
        return from_document(data.decode("utf-8"), self.name)

    def registers(self, n: int, block: str) -> list[dict[str, Any]]:
        """A snapshot has none."""
        raise SourceError(f"endpoint {n}: a snapshot holds no registers ({block})")


def _open_at_once(path: str, flags: int) -> int:
    # A FIFO that nobody writes must not hold the tool up.
    return os.open(path, flags | _AT_ONCE)
