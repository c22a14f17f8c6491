# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""JSON-RPC without any I/O: what a hostile peer may send, and how it is told."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from diag.model.rack.control import (
    INVALID_PARAMS,
    INVALID_REQUEST,
    PARSE_ERROR,
    LineBuffer,
    Params,
    Reply,
    Request,
    RpcError,
    encode_error,
    encode_request,
    encode_result,
    parse_reply,
    parse_request,
)

BAD_REQUESTS = {
    "not JSON": (b"{", PARSE_ERROR),
    "not UTF-8": (b"\xff\xfe", PARSE_ERROR),
    "deep": (b"[" * 60_000, PARSE_ERROR),
    "huge number": (b'{"id": ' + b"9" * 60_000 + b"}", PARSE_ERROR),
    "not a number": (b'{"jsonrpc": "2.0", "method": "a", "id": NaN}', PARSE_ERROR),
    "member twice": (b'{"jsonrpc": "2.0", "method": "a", "method": "b"}', PARSE_ERROR),
    "batch": (b"[]", INVALID_REQUEST),
    "a number": (b"7", INVALID_REQUEST),
    "null": (b"null", INVALID_REQUEST),
    "no version": (b'{"method": "a", "id": 1}', INVALID_REQUEST),
    "old version": (b'{"jsonrpc": "1.0", "method": "a", "id": 1}', INVALID_REQUEST),
    "no method": (b'{"jsonrpc": "2.0", "id": 1}', INVALID_REQUEST),
    "method no string": (b'{"jsonrpc": "2.0", "method": 1, "id": 1}', INVALID_REQUEST),
    "long method": (b'{"jsonrpc":"2.0","method":"' + b"a" * 65 + b'"}', INVALID_REQUEST),
    "id a list": (b'{"jsonrpc": "2.0", "method": "a", "id": [1]}', INVALID_REQUEST),
    "id a boolean": (b'{"jsonrpc": "2.0", "method": "a", "id": true}', INVALID_REQUEST),
    "more members": (b'{"jsonrpc": "2.0", "method": "a", "id": 1, "x": 1}', INVALID_REQUEST),
    "params a list": (b'{"jsonrpc":"2.0","method":"a","id":1,"params":[1]}', INVALID_PARAMS),
}


@pytest.mark.parametrize(("line", "code"), BAD_REQUESTS.values(), ids=BAD_REQUESTS.keys())
def test_a_malformed_request_is_refused_with_its_code(line: bytes, code: int) -> None:
    """JSON-RPC 2.0 names the code for every kind of mistake."""
    with pytest.raises(RpcError) as caught:
        parse_request(line)
    assert caught.value.code == code


def test_a_refused_request_is_answered_with_its_id() -> None:
    """The id is told whenever it could be read."""
    with pytest.raises(RpcError) as caught:
        parse_request(b'{"id": "x7", "method": "a"}')
    assert caught.value.request_id == "x7"


@given(st.binary(max_size=400))
def test_any_bytes_are_a_request_or_an_error(line: bytes) -> None:
    """Nothing but RpcError comes out of the parsers."""
    for parse in (parse_request, parse_reply):
        try:
            parse(line)
        except RpcError:
            continue


@given(st.binary(max_size=300), st.lists(st.integers(1, 50)))
def test_lines_do_not_depend_on_how_they_arrive(data: bytes, cuts: list[int]) -> None:
    """A stream in pieces gives the same lines as in one."""
    whole = LineBuffer(1000).feed(data)
    pieces, buffer, at = [], LineBuffer(1000), 0
    for cut in [*cuts, len(data)]:
        pieces += buffer.feed(data[at : at + cut])
        at += cut
    assert pieces == whole


@pytest.mark.parametrize("data", [b"x" * 101, b"x" * 101 + b"\n", b"a\n" + b"x" * 101])
def test_a_line_beyond_the_limit_ends_the_stream(data: bytes) -> None:
    """Memory for one line is bounded, with or without its newline."""
    with pytest.raises(RpcError, match="longer than 100"):
        LineBuffer(100).feed(data)


def test_a_request_reads_back() -> None:
    """What is encoded is parsed as it was."""
    request = Request(7, "fault.inject", {"endpoint": 1})
    assert parse_request(encode_request(request)) == request


def test_a_notification_wants_no_reply() -> None:
    """A request without an id is a notification."""
    line = encode_request(Request(None, "ready", {}, wants_reply=False))
    assert "id" not in json.loads(line)
    assert not parse_request(line).wants_reply


def test_replies_read_back() -> None:
    """Results and errors survive the wire."""
    assert parse_reply(encode_result(1, {"a": None})) == Reply(1, {"a": None})
    error = parse_reply(encode_error(2, RpcError(-32001, "gone", {"n": 1}))).error
    assert error is not None
    assert (error.code, error.message, error.data) == (-32001, "gone", {"n": 1})


BAD_PARAMS = [
    ({}, "params.n: is missing"),
    ({"n": "1"}, "params.n: must be a whole number"),
    ({"n": True}, "params.n: must be a whole number"),
    ({"n": 1.5}, "params.n: must be a whole number"),
    ({"n": 4}, r"params.n: must lie within 0..3"),
    ({"n": 1, "m": 2}, r"params.m: unknown parameter \(known: n\)"),
]


@pytest.mark.parametrize(("values", "reason"), BAD_PARAMS)
def test_a_bad_parameter_is_named(values: dict[str, object], reason: str) -> None:
    """The message says which parameter and what it must be."""

    def read() -> None:
        params = Params(values)
        params.integer("n", 0, 3)
        params.close()

    with pytest.raises(RpcError, match=reason) as caught:
        read()
    assert caught.value.code == INVALID_PARAMS


def test_nested_parameters_must_be_scalars() -> None:
    """Objects of objects are refused with their path."""
    with pytest.raises(RpcError, match=r"params.set.after: must be a number"):
        Params({"set": {"after": [1]}}).scalars("set")
