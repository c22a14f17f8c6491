# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""Where topology is read from, one source a file."""

from __future__ import annotations

import sys

from diag.printable import printable
from diag.topo.protocol import MachineSource, Source, SourceUsageError
from diag.topo.sampling import Sampler
from diag.topo.sources.following import Follower
from diag.topo.sources.kernel import KernelSource
from diag.topo.sources.rack import RackSource
from diag.topo.sources.tree_sampler import TreeSampler


def open_source(text: str) -> Source:
    """A source by what follows --source: auto, kernel, rack, rack:DIR_OR_NAME or file:PATH.

    `auto` is the kernel driver where it drives a device, else the running rack.

    Raises:
        SourceUsageError: an unknown kind of source.
        SourceError: nothing to choose.
    """
    kind, _, rest = text.partition(":")
    kernel = _machine()
    if text == "kernel" or (text == "auto" and kernel.has_endpoints()):
        return kernel
    if kind == "file" and rest:
        # It reads dumps and snapshots, which nothing else here does.
        from diag.topo.sources.file import FileSource  # noqa: PLC0415

        return FileSource(rest)
    if kind == "rack" or text == "auto":
        return RackSource.choose(rest)
    raise SourceUsageError(
        f"--source {printable(text, 60)}: is none of auto, kernel, rack[:DIR], file:PATH"
    )


def _machine() -> MachineSource:
    if sys.platform == "win32":
        from diag.topo.sources.setupapi import SetupApiSource  # noqa: PLC0415 - of no use elsewhere

        return SetupApiSource()
    return KernelSource()


def sampler_of(source: Source) -> Sampler:
    """What takes samples of a source: of its tree alone where it knows no more."""
    if isinstance(source, RackSource | KernelSource):
        return source.sampler()
    return TreeSampler(source)


def open_sampler(text: str) -> Sampler:
    """What takes samples of the source of that name; see `open_source`."""
    return sampler_of(open_source(text))


def follow(text: str) -> Follower:
    """Samples of the source of that name that always come, and in time."""
    return Follower(open_sampler(text))
