# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""Samples of any source: its tree, read again and again."""

from __future__ import annotations

import time

from diag.topo.protocol import Source
from diag.topo.sampling import Sample


class TreeSampler:
    """For sources that know no more than the tree and its state.

    Args:
        source: what to read.
    """

    def __init__(self, source: Source) -> None:
        self.name = source.name
        self._source = source

    def sample(self) -> Sample:
        """The tree as it is now, without readings."""
        rack = self._source.read()
        return Sample(time.monotonic_ns(), time.time_ns(), rack, {})
