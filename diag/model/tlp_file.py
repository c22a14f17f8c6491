# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""The file of a TLP tap: a small JSON header, then fixed records.

All numbers are little-endian::

    offset  bytes  content
    0       8      magic "AXLTLP01"
    8       4      J: bytes of the JSON text, padding included
    12      4      R: bytes of one record, 64
    16      J      UTF-8 JSON object, padded with spaces so that 16 + J is a multiple of 64
    16 + J  R * n  `tlp` records (docs/reference/formats.md), until the end of the file

A file that was cut short is readable up to its last whole record. The JSON object has at
least "schema" (1), "dropped" (records that found no room in the tap) and "endpoints" (a
list; a record's `endpoint` is an index into it). The shortest file, 64 bytes::

    41 58 4c 54 4c 50 30 31  30 00 00 00  40 00 00 00
    {"schema": 1, "dropped": 0, "endpoints": [{}]} and two spaces
"""

from __future__ import annotations

import json
import struct
from typing import Any, Final

import numpy as np

from diag.model.tlp_header import Records
from pyaccel.spec.formats import TLP_BYTES, TLP_DTYPE
from pyaccel.spec.types import Buffer

MAGIC: Final = b"AXLTLP01"
SCHEMA: Final = 1
MAX_HEADER_BYTES: Final = 1 << 20
_PREFIX: Final = struct.Struct("<8sII")


class TlpFileError(ValueError):
    """The bytes are not a TLP file; the text says where and what to do."""


def encode_header(dropped: int, endpoints: list[dict[str, Any]]) -> bytes:
    """The bytes before the first record.

    Args:
        dropped: records lost by the taps.
        endpoints: one object per endpoint, in the order of the rack's endpoint table.
    """
    about = {"schema": SCHEMA, "dropped": dropped, "endpoints": endpoints}
    text = json.dumps(about).encode()
    padding = -(_PREFIX.size + len(text)) % TLP_BYTES
    if len(text) + padding > MAX_HEADER_BYTES:
        raise TlpFileError(f"header of {len(text)} bytes is above {MAX_HEADER_BYTES}")
    return _PREFIX.pack(MAGIC, len(text) + padding, TLP_BYTES) + text + b" " * padding


def encode(records: Records, dropped: int, endpoints: list[dict[str, Any]]) -> bytes:
    """A whole file."""
    return encode_header(dropped, endpoints) + records.tobytes()


def decode(data: Buffer) -> tuple[dict[str, Any], Records]:
    """The JSON object and the records (a view of `data`) of a file; TlpFileError if it is none."""
    view = memoryview(data)
    if len(view) < _PREFIX.size:
        raise TlpFileError(f"{len(view)} bytes are too short for a TLP file; record it again")
    magic, header_bytes, record_bytes = _PREFIX.unpack_from(view)
    if magic != MAGIC:
        raise TlpFileError(f"offset 0: magic is {magic!r}, not {MAGIC!r}: this is no TLP file")
    if record_bytes != TLP_BYTES:
        raise TlpFileError(
            f"offset 12: records of {record_bytes} bytes; this version reads {TLP_BYTES}"
        )
    start = _PREFIX.size + header_bytes
    if header_bytes > MAX_HEADER_BYTES or start > len(view):
        raise TlpFileError(f"offset 8: header of {header_bytes} bytes is longer than the file")
    about = _decode_json(bytes(view[_PREFIX.size : start]))
    count = (len(view) - start) // TLP_BYTES
    return about, np.frombuffer(view, dtype=np.dtype(TLP_DTYPE), count=count, offset=start)


def _decode_json(text: bytes) -> dict[str, Any]:
    try:
        about = json.loads(text.decode())
    except (ValueError, RecursionError) as error:
        raise TlpFileError(f"offset {_PREFIX.size}: header is not JSON: {error}") from None
    if not isinstance(about, dict) or about.get("schema") != SCHEMA:
        raise TlpFileError(f"offset {_PREFIX.size}: header is not an object with schema {SCHEMA}")
    return about
