# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""The TLP file: layout, and what damaged files give."""

from __future__ import annotations

import contextlib
import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from diag.model import tlp_file
from diag.model.tlp_file import TlpFileError
from pyaccel.spec.formats import TLP_DTYPE

ENDPOINTS = [{"n": 0, "bdf": "0000:05:00.0"}]


def some_records(count: int) -> np.ndarray[tuple[int, ...], np.dtype[np.void]]:
    """Records that differ."""
    records = np.zeros(count, dtype=np.dtype(TLP_DTYPE))
    records["address"] = np.arange(count)
    return records


def test_layout_is_as_documented() -> None:
    """Magic, JSON length, record length, padded JSON, then records at a multiple of 64."""
    data = tlp_file.encode(some_records(2), 7, ENDPOINTS)
    magic, header, record = struct.unpack_from("<8sII", data)
    assert (magic, record) == (b"AXLTLP01", 64)
    assert (16 + header) % 64 == 0
    assert data[16:].startswith(b'{"schema": 1, "dropped": 7')
    assert len(data) == 16 + header + 128
    assert struct.unpack_from("<QQ", data, 16 + header + 64) == (0, 1)


def test_documented_example() -> None:
    """The example bytes in the module's text are those of an empty file."""
    data = tlp_file.encode(some_records(0), 0, [{}])
    assert data[:16].hex(" ") == "41 58 4c 54 4c 50 30 31 30 00 00 00 40 00 00 00"
    assert data[16:] == b'{"schema": 1, "dropped": 0, "endpoints": [{}]}  '


@given(st.integers(0, 20), st.integers(0, 200))
def test_cut_file_is_readable_to_its_last_record(count: int, lost: int) -> None:
    """A file that lost its end gives every whole record that is left."""
    data = tlp_file.encode(some_records(count), 0, ENDPOINTS)
    body = len(data) - 64 * count
    kept = max(body, len(data) - lost)
    about, records = tlp_file.decode(data[:kept])
    assert about["endpoints"] == ENDPOINTS
    assert records["address"].tolist() == list(range((kept - body) // 64))


@pytest.mark.parametrize(
    ("data", "what"),
    [
        (b"", "too short"),
        (b"AXLTLP01", "too short"),
        (b"NOTATLPF" + struct.pack("<II", 0, 64), "magic"),
        (b"AXLTLP01" + struct.pack("<II", 0, 32), "records of 32"),
        (b"AXLTLP01" + struct.pack("<II", 64, 64) + b"{}", "longer than the file"),
        (b"AXLTLP01" + struct.pack("<II", 0xFFFFFFFF, 64), "longer than the file"),
        (b"AXLTLP01" + struct.pack("<II", 2, 64) + b"{}", "schema 1"),
        (b"AXLTLP01" + struct.pack("<II", 2, 64) + b"[]", "schema 1"),
        (b"AXLTLP01" + struct.pack("<II", 2, 64) + b"{x", "not JSON"),
        (b"AXLTLP01" + struct.pack("<II", 1, 64) + b"\xff", "not JSON"),
        (b"AXLTLP01" + struct.pack("<II", 100000, 64) + b"[" * 100000, "not JSON"),
    ],
)
def test_damaged_file_is_refused(data: bytes, what: str) -> None:
    """Each kind of damage is named."""
    with pytest.raises(TlpFileError, match=what):
        tlp_file.decode(data)


@given(st.binary(max_size=200))
def test_decoder_never_fails_otherwise(data: bytes) -> None:
    """Any bytes are decoded or refused."""
    with contextlib.suppress(TlpFileError):
        tlp_file.decode(b"AXLTLP01" + data)


def test_header_has_a_limit() -> None:
    """A header that no reader would take is not written."""
    with pytest.raises(TlpFileError, match="is above"):
        tlp_file.encode_header(0, [{"name": "x" * (1 << 20)}])
