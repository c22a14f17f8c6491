# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""Where topology is read from, one source a file."""

from __future__ import annotations

from diag.printable import printable
from diag.topo.protocol import Source, SourceUsageError
from diag.topo.sources.file import FileSource
from diag.topo.sources.rack import RackSource


def open_source(text: str) -> Source:
    """A source by what follows --source: auto, rack, rack:DIR_OR_NAME or file:PATH.

    Raises:
        SourceUsageError: an unknown kind of source.
        SourceError: nothing to choose.
    """
    kind, _, rest = text.partition(":")
    if kind == "file" and rest:
        return FileSource(rest)
    if kind == "rack" or text == "auto":
        return RackSource.choose(rest)
    if kind == "kernel":
        raise SourceUsageError("there is no kernel driver yet; use --source rack or file:PATH")
    raise SourceUsageError(
        f"--source {printable(text, 60)}: is none of auto, rack[:DIR], file:PATH"
    )
