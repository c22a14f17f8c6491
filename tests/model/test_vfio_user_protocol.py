# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""vfio-user framing and version negotiation, without any socket."""

from __future__ import annotations

import contextlib
import errno
import json
import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from diag.model.vfio_user import protocol as wire
from diag.model.vfio_user import version
from diag.model.vfio_user.protocol import FramingError, Request, RequestDecoder, RequestError


def feed_all(decoder: RequestDecoder, data: bytes, step: int) -> list[Request]:
    """Feed bytes in pieces of at most `step`, never more than wanted."""
    found = []
    while data:
        count = min(step, decoder.wanted, len(data))
        request = decoder.feed(data[:count], [])
        data = data[count:]
        if request is not None:
            found.append(request)
    return found


@given(
    st.lists(
        st.tuples(st.integers(0, 0xFFFF), st.integers(0, 0xFFFF), st.binary(max_size=200)),
        max_size=8,
    ),
    st.integers(1, 64),
)
def test_requests_survive_any_fragmentation(
    messages: list[tuple[int, int, bytes]], step: int
) -> None:
    """However a stream is cut, the requests that come out are those that went in."""
    data = b"".join(wire.encode_request(number, code, body) for number, code, body in messages)
    decoder = RequestDecoder()
    found = feed_all(decoder, data, step)
    assert [(r.message_id, r.command, r.payload) for r in found] == messages
    assert decoder.is_idle


@given(st.binary(max_size=400), st.integers(1, 50))
def test_decoder_never_fails_otherwise(data: bytes, step: int) -> None:
    """Any bytes give requests or a FramingError, and `wanted` is never zero."""
    decoder = RequestDecoder()
    try:
        feed_all(decoder, data, step)
    except FramingError:
        decoder.drop()
    assert decoder.wanted > 0


@pytest.mark.parametrize("size", [0, 15, wire.MAX_MESSAGE_BYTES + 1, 0xFFFFFFFF])
def test_impossible_message_size_ends_the_stream(size: int) -> None:
    """A size below the header or above the limit is refused before any payload is taken."""
    decoder = RequestDecoder()
    with pytest.raises(FramingError, match="message size") as caught:
        decoder.feed(wire.HEADER.pack(7, 4, size, 0, 0), [])
    assert caught.value.request is not None
    assert caught.value.request.message_id == 7


def test_reply_ends_the_stream_without_answer() -> None:
    """A reply nobody waits for is not replied to."""
    with pytest.raises(FramingError, match="not a command") as caught:
        RequestDecoder().feed(wire.HEADER.pack(1, 4, 16, 1, 0), [])
    assert caught.value.request is None


def test_descriptors_belong_to_the_message_being_read() -> None:
    """Descriptors that come with any byte of a message are that message's."""
    decoder = RequestDecoder()
    first = wire.encode_request(1, 2, b"abcd")
    fds = [os.dup(0), os.dup(0)]
    assert decoder.feed(first[:16], fds[:1]) is None
    request = decoder.feed(first[16:], fds[1:])
    assert request is not None
    assert request.fds == fds
    assert request.take_fds() == fds
    assert request.fds == []
    for fd in fds:
        os.close(fd)


def test_drop_gives_back_descriptors_of_half_a_message() -> None:
    """Descriptors of a message that never ends come back once, and the decoder starts anew."""
    decoder = RequestDecoder()
    fd = os.dup(0)
    decoder.feed(wire.encode_request(1, 2, b"abcd")[:17][:16], [fd])
    assert decoder.drop() == [fd]
    assert decoder.drop() == []
    assert decoder.is_idle
    os.close(fd)


def test_replies_echo_id_and_command() -> None:
    """A reply has the id and command of its request; an error reply is the header alone."""
    request = Request(0xBEEF, 9, 0, b"", [])
    head = wire.HEADER.unpack_from(wire.encode_reply(request, b"abc"))
    assert head == (0xBEEF, 9, 19, wire.TYPE_REPLY, 0)
    error = wire.encode_error(request, errno.EINVAL)
    assert wire.HEADER.unpack(error) == (0xBEEF, 9, 16, wire.TYPE_REPLY | wire.ERROR, errno.EINVAL)


def version_payload(document: object, major: int = 0, minor: int = 0) -> bytes:
    """A VERSION payload around any JSON document."""
    return wire.VERSION.pack(major, minor) + json.dumps(document).encode() + b"\0"


def test_version_without_data_means_defaults() -> None:
    """A client that sends no JSON takes one descriptor per message and 1 MiB."""
    assert version.parse(wire.VERSION.pack(0, 0)) == version.Capabilities()
    assert version.Capabilities().max_msg_fds == 1


def test_version_as_qemu_proposes_it() -> None:
    """The proposal of QEMU 11.1 is accepted and answered with 0.0 and 65535 maps."""
    offer = {
        "max_msg_fds": 16,
        "max_dma_maps": 65535,
        "max_data_xfer_size": 1048576,
        "pgsizes": 4096,
        "write_multiple": True,
        "migration": {"pgsize": 4096, "max_bitmap_size": 256},
    }
    client = version.parse(version_payload({"capabilities": offer}))
    assert client.write_multiple
    reply = version.encode(version.answer(client))
    assert wire.VERSION.unpack_from(reply) == (0, 0)
    assert reply[-1] == 0
    caps = json.loads(reply[4:-1])["capabilities"]
    assert caps["max_dma_maps"] == 65535
    assert caps["write_multiple"] is True


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"\0\0\0",
        wire.VERSION.pack(1, 0),
        wire.VERSION.pack(0, 0) + b"{}",
        wire.VERSION.pack(0, 0) + b"{}\0{}\0",
        wire.VERSION.pack(0, 0) + b"{\0",
        wire.VERSION.pack(0, 0) + b"\xff\xfe\0",
        wire.VERSION.pack(0, 0) + b"[" * 4000 + b"\0",
        wire.VERSION.pack(0, 0) + b" " * 4096 + b"\0",
        version_payload([]),
        version_payload("capabilities"),
        version_payload({"capabilities": []}),
        version_payload({"capabilities": {"max_msg_fds": -1}}),
        version_payload({"capabilities": {"max_msg_fds": 254}}),
        version_payload({"capabilities": {"max_msg_fds": "16"}}),
        version_payload({"capabilities": {"max_msg_fds": True}}),
        version_payload({"capabilities": {"max_msg_fds": 1.5}}),
        version_payload({"capabilities": {"max_data_xfer_size": 0}}),
        version_payload({"capabilities": {"max_data_xfer_size": 1 << 32}}),
        version_payload({"capabilities": {"max_dma_maps": 0}}),
        version_payload({"capabilities": {"pgsizes": 65536}}),
        version_payload({"capabilities": {"write_multiple": 1}}),
    ],
)
def test_bad_version_is_refused(payload: bytes) -> None:
    """Each malformed VERSION is refused with EINVAL."""
    with pytest.raises(RequestError) as caught:
        version.parse(payload)
    assert caught.value.code == errno.EINVAL


@given(st.binary(max_size=300))
def test_version_parser_never_fails_otherwise(data: bytes) -> None:
    """Any VERSION payload is parsed or refused."""
    with contextlib.suppress(RequestError):
        version.parse(wire.VERSION.pack(0, 0) + data)
