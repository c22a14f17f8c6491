# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""The text that `lspci -vvvxxxx` prints, taken apart. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from diag.topo.config_space import EXPRESS_BYTES, ConfigSpace
from diag.topo.model import Bar

_HEAD: Final = re.compile(r"((?:[0-9a-f]{4}:)?[0-9a-f]{2}:[01][0-9a-f]\.[0-7]) ?(.*)")
_BYTES: Final = re.compile(r"([0-9a-f]{2,3}):((?: [0-9a-f]{2}){1,16})")
_REGION: Final = re.compile(
    r"Region ([0-5]): (?:\[virtual\] )?Memory at (<[a-z]+>|[0-9a-f]{1,16}) "
)
_SIZE: Final = re.compile(r"\[size=([0-9]{1,6})([KMGT]?)\]")
_DRIVER: Final = re.compile(r"Kernel driver in use: (\S{1,64})")
_NODE: Final = re.compile(r"NUMA node: ([0-9]{1,5})")
_GROUP: Final = re.compile(r"IOMMU group: ([0-9]{1,9})")
_SNIFFED: Final = 4096
_UNITS: Final = {"": 0, "K": 10, "M": 20, "G": 30, "T": 40}


@dataclass(slots=True)
class Function:
    """One function of a dump."""

    bdf: str
    data: bytearray = field(default_factory=bytearray)
    bars: dict[int, Bar] = field(default_factory=dict)
    driver: str | None = None
    numa_node: int | None = None
    iommu_group: int | None = None

    @property
    def config(self) -> ConfigSpace:
        """Its configuration space."""
        return ConfigSpace(bytes(self.data))


def is_dump(text: str) -> bool:
    """Whether the text begins as what lspci prints, empty lines and shell noise aside."""
    return any(_HEAD.fullmatch(line) for line in text[:_SNIFFED].splitlines())


def functions(text: str) -> Iterator[Function]:
    """The functions of a dump, in its order; lines that say nothing of use are passed over."""
    current = None
    for line in text.splitlines():
        head = _HEAD.fullmatch(line)
        if head:
            if current is not None:
                yield current
            bdf = head[1]
            current = Function(bdf if bdf.count(":") == 2 else f"0000:{bdf}")
        elif current is not None:
            _take(current, line.strip())
    if current is not None:
        yield current


def _take(function: Function, line: str) -> None:
    row = _BYTES.fullmatch(line)
    if row:
        # Rows that are missing would shift all that follows.
        if int(row[1], 16) == len(function.data) < EXPRESS_BYTES:
            function.data += bytes.fromhex(row[2])
        return
    region = _REGION.match(line)
    if region:
        bar = _bar(region)
        function.bars[bar.number] = bar
    elif found := _DRIVER.fullmatch(line):
        function.driver = found[1]
    elif found := _NODE.fullmatch(line):
        function.numa_node = int(found[1])
    elif found := _GROUP.fullmatch(line):
        function.iommu_group = int(found[1])


def _bar(region: re.Match[str]) -> Bar:
    address = None if region[2].startswith("<") else int(region[2], 16)
    size = _SIZE.search(region.string)
    count = None if size is None else int(size[1]) << _UNITS[size[2]]
    return Bar(int(region[1]), address, count)
