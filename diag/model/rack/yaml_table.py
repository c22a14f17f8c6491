# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""YAML read strictly: every key is asked for by name, every value has a type and bounds.

Rack files may come from strangers. PyYAML's events and nodes are used, never its
constructors: no object is built, no alias is followed, no number is converted before its
length is known, and the nesting depth is checked before anything recursive runs.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Sequence
from typing import Final, TypeVar

import yaml

MAX_FILE_BYTES: Final = 256 * 1024
"""A 256-endpoint rack written out in full takes about a tenth of this."""

MAX_DEPTH: Final = 64
"""Nesting of mappings and lists; the deepest legal rack needs about 40."""

MAX_NODES: Final = 20_000

_T = TypeVar("_T")

_LOADER: Final = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_INTEGER: Final = re.compile(r"0x[0-9a-fA-F]{1,16}|[0-9]{1,19}")
_NUMBER: Final = re.compile(r"-?[0-9]{1,18}(\.[0-9]{1,18})?|0x[0-9a-fA-F]{1,16}")
_SIZE: Final = re.compile(r"([0-9]{1,12})([KMGT]?)")
_UNITS: Final = {"": 0, "K": 10, "M": 20, "G": 30, "T": 40}
_FLAGS: Final = {"yes": True, "true": True, "no": False, "false": False}
_PLAIN_TAGS: Final = frozenset(
    f"tag:yaml.org,2002:{kind}"
    for kind in ("str", "int", "float", "bool", "null", "map", "seq", "timestamp", "value", "merge")
)


class RackFileError(ValueError):
    """A rack file that cannot be used: which file, which line, which key, and why."""

    def __init__(self, source: str, line: int | None, where: str, reason: str) -> None:
        place = source if line is None else f"{source}:{line}"
        super().__init__(f"{place}: {where}: {reason}" if where else f"{place}: {reason}")
        self.source = source
        self.line = line
        self.where = where
        self.reason = reason


class UnknownRackError(RackFileError):
    """Neither a shipped rack nor a file."""


class Table:
    """One YAML mapping.

    Ask for every key that may be there, then `close()`, which refuses the rest. All methods
    raise RackFileError with the line of the offending value.
    """

    def __init__(self, source: str, node: yaml.Node, where: str) -> None:
        self._source = source
        self._where = where
        self._node = node
        self._seen: set[str] = set()
        self._values = self._read(node)

    def error(self, reason: str, key: str = "") -> RackFileError:
        """The error to raise about `key` (or about the mapping itself)."""
        node = self._values.get(key, self._node)
        return RackFileError(self._source, _line(node), self._path(key), reason)

    def has(self, key: str) -> bool:
        """Whether the key is there."""
        self._seen.add(key)
        return key in self._values

    def integer(self, key: str, low: int, high: int, default: int | None = None) -> int:
        """A whole number, decimal or 0x hexadecimal, within low..high."""
        text = self._scalar(key)
        if text is None:
            return self._default(key, default)
        if not _INTEGER.fullmatch(text):
            raise self.error(f"{_show(text)} is no whole number (decimal or 0x...)", key)
        value = int(text, 0) if text.startswith("0x") else int(text)
        if not low <= value <= high:
            raise self.error(f"{_show(text)} is outside {low}..{high}", key)
        return value

    def size(self, key: str, low: int, high: int, default: int | None = None) -> int:
        """A power of two in bytes, such as 4096, 64K, 256M or 2G, within low..high."""
        text = self._scalar(key)
        if text is None:
            return self._default(key, default)
        match = _SIZE.fullmatch(text)
        if not match:
            raise self.error(f"{_show(text)} is no size; write for instance 256M or 2G", key)
        value = int(match[1]) << _UNITS[match[2]]
        if not low <= value <= high:
            raise self.error(f"{text} is outside {show_size(low)}..{show_size(high)}", key)
        if value & (value - 1):
            raise self.error(f"{text} is no power of two, as a BAR needs", key)
        return value

    def choice(self, key: str, choices: Sequence[str], default: str | None = None) -> str:
        """One of a few words."""
        text = self._scalar(key)
        if text is None:
            return self._default(key, default)
        if text not in choices:
            raise self.error(f"{_show(text)} is none of {', '.join(choices)}", key)
        return text

    def text(self, key: str, pattern: str, default: str | None = None) -> str:
        """A string that matches the pattern from end to end."""
        text = self._scalar(key)
        if text is None:
            return self._default(key, default)
        if not re.fullmatch(pattern, text):
            raise self.error(f"{_show(text)} does not match {pattern}", key)
        return text

    def flag(self, key: str, default: bool | None = None) -> bool:
        """Either yes or no (true or false)."""
        text = self._scalar(key)
        if text is None:
            return self._default(key, default)
        if text not in _FLAGS:
            raise self.error(f"{_show(text)} is neither yes nor no", key)
        return _FLAGS[text]

    def table(self, key: str) -> Table | None:
        """A nested mapping; None when the key is absent."""
        if not self.has(key):
            return None
        return Table(self._source, self._values[key], self._path(key))

    def tables(self, key: str, low: int, high: int) -> list[Table]:
        """A list of low..high mappings; empty when the key is absent and low is 0."""
        if not self.has(key):
            if low:
                raise self.error(f"missing key '{key}'")
            return []
        node = self._values[key]
        if not isinstance(node, yaml.SequenceNode):
            raise self.error("must be a list", key)
        if not low <= len(node.value) <= high:
            raise self.error(f"has {len(node.value)} entries, allowed are {low}..{high}", key)
        path = self._path(key)
        return [Table(self._source, n, f"{path}[{i}]") for i, n in enumerate(node.value)]

    def is_list(self, key: str) -> bool:
        """Whether the key holds a list."""
        return isinstance(self._values.get(key), yaml.SequenceNode)

    def numbers(self) -> dict[str, int | float | str]:
        """The whole mapping as plain scalars, for parameters that someone else checks."""
        plain: dict[str, int | float | str] = {}
        for key in self._values:
            text = self._scalar(key) or ""
            if len(text) > 256:
                raise self.error("is longer than 256 characters", key)
            plain[key] = plain_value(text)
        return plain

    def close(self) -> None:
        """Refuse every key that nobody asked for."""
        for key in self._values:
            if key in self._seen:
                continue
            near = difflib.get_close_matches(key, self._seen, n=1)
            hint = (
                f"did you mean '{near[0]}'?" if near else f"known: {', '.join(sorted(self._seen))}"
            )
            raise self.error(f"unknown key; {hint}", key)

    def _read(self, node: yaml.Node) -> dict[str, yaml.Node]:
        if not isinstance(node, yaml.MappingNode):
            raise RackFileError(self._source, _line(node), self._where, "must be a mapping")
        values: dict[str, yaml.Node] = {}
        for key, value in node.value:
            if not isinstance(key, yaml.ScalarNode):
                raise RackFileError(self._source, _line(key), self._where, "keys must be words")
            if key.value in values:
                path = f"{self._where}.{_trim(key.value)}".lstrip(".")
                raise RackFileError(self._source, _line(key), path, "is given twice")
            values[key.value] = value
        return values

    def _scalar(self, key: str) -> str | None:
        if not self.has(key):
            return None
        node = self._values[key]
        if not isinstance(node, yaml.ScalarNode):
            raise self.error("must be a single value", key)
        return str(node.value)

    def _default(self, key: str, default: _T | None) -> _T:
        if default is None:
            raise self.error(f"missing key '{key}'")
        return default

    def _path(self, key: str) -> str:
        return f"{self._where}.{_trim(key)}".strip(".") if key else self._where


def load_table(text: str, source: str) -> Table:
    """The top-level mapping of a YAML document.

    Raises:
        RackFileError: not YAML, several documents, aliases, foreign tags, or beyond the
            limits on size, depth and nodes.
    """
    if len(text.encode("utf-8", "surrogatepass")) > MAX_FILE_BYTES:
        raise RackFileError(source, None, "", f"is larger than {MAX_FILE_BYTES // 1024} KiB")
    try:
        _check_events(text, source)
        node = yaml.compose(text, Loader=_LOADER)
    except (yaml.YAMLError, UnicodeError, ValueError) as error:
        if isinstance(error, RackFileError):
            raise
        raise _syntax_error(error, source) from None
    if node is None:
        raise RackFileError(source, 1, "", "is empty")
    return Table(source, node, "")


def plain_value(text: str) -> int | float | str:
    """A number when the text looks like one, else the text."""
    if not _NUMBER.fullmatch(text):
        return text
    if "." in text:
        return float(text)
    return int(text, 0) if text.startswith("0x") else int(text)


def show_size(count: int) -> str:
    """Bytes as 256M, 2G and so on when that is exact."""
    for unit in "TGMK":
        shift = _UNITS[unit]
        if count >= 1 << shift and not count & ((1 << shift) - 1):
            return f"{count >> shift}{unit}"
    return str(count)


def _check_events(text: str, source: str) -> None:
    depth = nodes = 0
    for event in yaml.parse(text, Loader=_LOADER):
        line = event.start_mark.line + 1 if event.start_mark else None
        if isinstance(event, yaml.AliasEvent):
            raise RackFileError(source, line, "", "aliases (*name) are not allowed; write it out")
        if isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        if not isinstance(event, yaml.ScalarEvent | yaml.CollectionStartEvent):
            continue
        nodes += 1
        depth += isinstance(event, yaml.CollectionStartEvent)
        if event.tag is not None and event.tag not in _PLAIN_TAGS and event.tag != "!":
            raise RackFileError(source, line, "", f"tag {_show(event.tag)} is not allowed")
        if depth > MAX_DEPTH or nodes > MAX_NODES:
            limit = f"{MAX_DEPTH} levels" if depth > MAX_DEPTH else f"{MAX_NODES} values"
            raise RackFileError(source, line, "", f"holds more than {limit}")


def _syntax_error(error: Exception, source: str) -> RackFileError:
    mark = getattr(error, "problem_mark", None)
    reason = getattr(error, "problem", None) or str(error).splitlines()[0]
    return RackFileError(source, mark.line + 1 if mark else None, "", f"no valid YAML: {reason}")


def _line(node: yaml.Node) -> int:
    return node.start_mark.line + 1 if node.start_mark else 0


def _trim(text: str) -> str:
    return text if len(text) <= 40 else f"{text[:37]}..."


def _show(text: str) -> str:
    return repr(_trim(text))
