# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""The socket side of the server: who is served, who is refused, and how clients go."""

from __future__ import annotations

import errno
import fcntl
import os
import signal
import socket
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from diag.model.bus import IrqKind, Region, RegionSpec
from diag.model.loop import Loop
from diag.model.vfio_user import protocol as wire
from diag.model.vfio_user import version
from diag.model.vfio_user.client import ServerError, VfioUserClient
from diag.model.vfio_user.protocol import Command
from diag.model.vfio_user.server import (
    MAX_CONNECTIONS,
    ServerOptions,
    SocketInUseError,
    VfioUserServer,
)
from tests.build.vfio_user import (
    RecordingFunction,
    Served,
    access,
    eventfd,
    memfd,
    open_fds,
    serving,
)

BASE = 0x1_0000_0000
F_SEAL_FUTURE_WRITE = 0x10
"""Not in Python's fcntl before 3.13."""


def gone(served: Served) -> bool:
    """Whether the server has noticed that its client left."""
    return not served.server.has_client and "detach" in served.function.calls


def calls(served: Served) -> list[str]:
    """What the function was asked so far."""
    return served.call(lambda: list(served.function.calls))


def test_socket_is_private(served: Served) -> None:
    """The socket has mode 0600 whatever the umask, and goes with the server."""
    mode = served.path.lstat().st_mode
    assert stat.S_ISSOCK(mode)
    assert stat.S_IMODE(mode) == 0o600


def test_socket_goes_with_its_server(tmp_path: Path) -> None:
    """A closed server leaves no socket file behind."""
    with serving(tmp_path / "s") as served:
        assert served.path.exists()
    assert not (tmp_path / "s").exists()


def test_stale_socket_is_replaced(tmp_path: Path) -> None:
    """A socket file that nobody listens on does not stop a server."""
    left = socket.socket(socket.AF_UNIX)
    left.bind(str(tmp_path / "s"))
    left.close()
    with serving(tmp_path / "s") as served, served.client() as client:
        assert client.device_info()[1] == 9


def test_socket_in_use_is_left_alone(served: Served) -> None:
    """A second server on the same path is refused, and the first goes on."""
    function = RecordingFunction()
    loop = Loop()
    with pytest.raises(SocketInUseError, match="served by another process"):
        VfioUserServer(served.path, function, loop)
    loop.close()
    function.close()
    with served.client() as client:
        assert client.device_info()[1] == 9


def test_other_files_are_left_alone(tmp_path: Path) -> None:
    """A path that is no socket is refused and keeps its content."""
    file = tmp_path / "file"
    file.write_text("precious")
    function, loop = RecordingFunction(), Loop()
    with pytest.raises(SocketInUseError, match="not a socket"):
        VfioUserServer(file, function, loop)
    assert file.read_text() == "precious"
    with pytest.raises(SocketInUseError, match="cannot listen"):
        VfioUserServer(tmp_path / ("x" * 200), function, loop)
    loop.close()
    function.close()


def test_replaced_socket_file_is_not_removed(tmp_path: Path) -> None:
    """A server removes the file that it made, not one that took its place."""
    with serving(tmp_path / "s") as served:
        served.path.unlink()
        served.path.write_text("somebody else's")
    assert (tmp_path / "s").read_text() == "somebody else's"


def test_second_client_is_refused(served: Served) -> None:
    """While a client is served another one gets EBUSY and the first never notices."""
    with served.client() as first:
        for _ in range(3):
            with pytest.raises(ServerError) as caught:
                served.client()
            assert caught.value.code == errno.EBUSY
        assert first.device_info()[1] == 9
        assert calls(served) == ["attach"]
    served.settle(lambda: gone(served))
    with served.client() as next_one:
        assert next_one.device_info()[1] == 9


def test_refused_client_is_disconnected(served: Served) -> None:
    """After its EBUSY a second client finds the connection closed."""
    with served.client(), served.client(negotiate=False) as second:
        second.send(Command.VERSION, version.encode(version.Capabilities()))
        assert second.receive()[2] == errno.EBUSY
        with pytest.raises((ConnectionError, BrokenPipeError)):
            second.device_info()


def test_silent_connections_keep_nobody_out(served: Served) -> None:
    """Connections that say nothing do not take the place of a client."""
    silent = [served.client(negotiate=False) for _ in range(MAX_CONNECTIONS - 1)]
    with served.client() as client:
        assert client.device_info()[1] == 9
    for connection in silent:
        connection.close()


def test_silent_connection_is_closed(tmp_path: Path) -> None:
    """A connection without VERSION ends after the handshake time, a served one does not."""
    options = ServerOptions(handshake_ns=20_000_000)
    with (
        serving(tmp_path / "s", options=options) as served,
        served.client() as client,
        served.client(negotiate=False) as silent,
    ):
        with pytest.raises(ConnectionResetError):
            silent.receive()
        assert client.device_info()[1] == 9


@pytest.mark.parametrize(
    ("command", "payload"),
    [
        (Command.DEVICE_GET_INFO, wire.DEVICE_INFO.pack(16, 0, 0, 0)),
        (Command.VERSION, wire.VERSION.pack(1, 0)),
        (Command.VERSION, wire.VERSION.pack(0, 0) + b"junk"),
    ],
)
def test_connection_without_agreed_version_ends(
    served: Served, command: int, payload: bytes
) -> None:
    """Anything but a good VERSION at first is EINVAL and the end; the function sees nothing."""
    with served.client(negotiate=False) as client:
        client.request(command, payload, expect=errno.EINVAL)
        with pytest.raises(ConnectionError):
            client.receive()
    assert calls(served) == []


def test_broken_framing_ends_the_connection(served: Served) -> None:
    """A message size that cannot be is answered with EINVAL and the connection ends."""
    with served.client() as client:
        client.socket.sendall(wire.HEADER.pack(9, 4, 3, 0, 0))
        assert client.receive()[:3] == (9, 4, errno.EINVAL)
        with pytest.raises(ConnectionError):
            client.receive()
    served.settle(lambda: gone(served))


SESSION = b"".join(
    (
        wire.encode_request(1, Command.VERSION, version.encode(version.Capabilities())),
        wire.encode_request(2, Command.DEVICE_GET_INFO, wire.DEVICE_INFO.pack(16, 0, 0, 0)),
        wire.encode_request(3, Command.REGION_WRITE, access(Region.BAR0, 0, 4, b"abcd")),
    )
)


def test_disconnect_at_any_byte(tmp_path: Path) -> None:
    """Wherever a client stops in the middle of its messages, the next one is served."""
    with serving(tmp_path / "s") as served:
        before = open_fds()
        for cut in range(0, len(SESSION), 3):
            with served.client(negotiate=False) as client:
                client.socket.sendall(SESSION[:cut])
        served.settle(lambda: not served.server._peers)
        with served.client() as client:
            assert client.device_info()[1] == 9
        served.settle(lambda: not served.server._peers)
        assert open_fds() == before


def test_messages_in_small_pieces_and_all_at_once(served: Served) -> None:
    """A stream works byte by byte and with all its messages in one piece."""
    for step in (1, 7, len(SESSION)):
        with served.client(negotiate=False) as client:
            for at in range(0, len(SESSION), step):
                client.socket.sendall(SESSION[at : at + step])
            assert [client.receive()[:3] for _ in range(3)] == [(1, 1, 0), (2, 4, 0), (3, 10, 0)]
        served.settle(lambda: not served.server.has_client)


def test_descriptors_of_pipelined_messages_stay_apart(served: Served) -> None:
    """Descriptors reach the message they were sent with, not the one in front of it."""
    with served.client() as client:
        one, two = memfd(0x1000), memfd(0x1000)
        os.pwrite(one, b"one", 0)
        os.pwrite(two, b"two", 0)

        def send_all() -> bool:
            info = wire.DEVICE_INFO.pack(16, 0, 0, 0)
            client.send(Command.DEVICE_GET_INFO, info)
            client.send(Command.DMA_MAP, wire.DMA_MAP.pack(32, 3, 0, BASE, 0x1000), [one])
            client.send(Command.DEVICE_GET_INFO, info)
            client.send(Command.DMA_MAP, wire.DMA_MAP.pack(32, 3, 0, 2 * BASE, 0x1000), [two])
            return True

        # Sent from the server's own thread: all of it is there before anything is read.
        served.call(send_all)
        assert [client.receive()[2] for _ in range(4)] == [0, 0, 0, 0]
        os.close(one)
        os.close(two)

        def look() -> list[bytes]:
            bus = served.function.bus
            assert bus is not None
            return [bytes(bus.dma_view(at, 3, write=False)) for at in (BASE, 2 * BASE)]

        assert served.call(look) == [b"one", b"two"]


def test_client_that_reads_nothing_stops_only_itself(served: Served) -> None:
    """Replies that nobody reads pile up nowhere, and the loop goes on."""
    with served.client() as client:
        request = wire.encode_request(1, Command.REGION_READ, access(Region.BAR2, 0, 1 << 20))
        client.socket.settimeout(0.2)
        with pytest.raises(TimeoutError):
            client.socket.sendall(request * 100_000)
        assert served.call(lambda: 42) == 42
        with pytest.raises(ServerError):
            served.client()
        client.socket.settimeout(10)
        assert len(client.receive()[3]) == 16 + (1 << 20)
    served.settle(lambda: gone(served))


def test_successor_of_a_stalled_client_is_served(served: Served) -> None:
    """A client that died with its replies unread does not keep the next one out."""
    request = wire.encode_request(1, Command.REGION_READ, access(Region.BAR2, 0, 1 << 20))
    for _ in range(5):
        with served.client() as client:
            client.socket.sendall(request * 4)


def test_disconnect_gives_everything_back(tmp_path: Path) -> None:
    """After a client went, its memory, eventfds and views are gone and firmware was called."""
    told: list[str] = []
    options = ServerOptions(on_disconnect=lambda: told.append("firmware"))
    with serving(tmp_path / "s", options=options) as served:
        before = open_fds()
        for _ in range(5):
            with served.client() as client:
                fd = memfd(0x10000)
                client.dma_map(BASE, 0x10000, fd)
                events = [eventfd() for _ in range(17)]
                client.assign_eventfds(IrqKind.MSIX, events)

                def hold() -> bool:
                    assert served.function.bus is not None
                    served.function.held = served.function.bus.dma_view(BASE, 8, write=True)
                    return True

                served.call(hold)
                for number in (fd, *events):
                    os.close(number)
            served.settle(lambda: not served.server.has_client)
        assert open_fds() == before
        assert calls(served) == ["attach", "detach"] * 5
        assert told == ["firmware"] * 5


DYING_CLIENT = """
import os, signal, sys
from diag.model.vfio_user.client import VfioUserClient
client = VfioUserClient(sys.argv[1])
fd = os.memfd_create("dies", os.MFD_ALLOW_SEALING)
os.ftruncate(fd, 1 << 20)
client.dma_map(0x100000000, 1 << 20, fd)
print("mapped", flush=True)
sys.stdin.read()
"""


def test_client_killed_in_the_middle_of_dma(served: Served) -> None:
    """A client that is killed while the function writes its memory hurts nobody."""
    process = subprocess.Popen(
        [sys.executable, "-c", DYING_CLIENT, str(served.path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert process.stdout is not None
    assert process.stdin is not None
    assert process.stdout.readline() == b"mapped\n"
    assert served.call(lambda: served.server.client_pid) == process.pid

    def write_over_its_death() -> bytes:
        bus = served.function.bus
        assert bus is not None
        view = served.function.held = bus.dma_view(BASE, 1 << 20, write=True)
        view[:] = b"a" * len(view)
        process.send_signal(signal.SIGKILL)
        process.wait(10)
        view[:] = b"b" * len(view)
        return bytes(view[-1:])

    assert served.call(write_over_its_death) == b"b"
    served.settle(lambda: gone(served))
    process.stdin.close()
    process.stdout.close()
    with served.client() as client:
        assert client.device_info()[1] == 9
    served.settle(lambda: served.server.client_pid is None)


def test_shared_device_memory_cannot_be_truncated(served: Served) -> None:
    """A client can neither shrink the memory it is given nor seal it for the next client."""
    with served.client() as client:
        memory = client.region_info(Region.BAR2).fd
        shadow = client.shadow_doorbells()
        assert memory is not None
        assert shadow is not None
        for fd in (memory, shadow.memory_fd):
            with pytest.raises(PermissionError):
                os.ftruncate(fd, 0)
            with pytest.raises(PermissionError):
                fcntl.fcntl(fd, fcntl.F_ADD_SEALS, F_SEAL_FUTURE_WRITE)
        for fd in (memory, shadow.memory_fd, shadow.event_fd):
            os.close(fd)


def test_memory_that_cannot_be_protected_is_named(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Device memory that clients could truncate is served with a warning."""
    function = RecordingFunction()
    plain = memfd(0x1000, os.MFD_CLOEXEC)
    function.spec.regions[Region.BAR2] = RegionSpec(0x1000, fd=plain)
    with serving(tmp_path / "s", function):
        assert "MFD_ALLOW_SEALING" in caplog.text
    os.close(plain)


def doorbell_of(client: VfioUserClient) -> int:
    """The client's doorbell eventfd; the caller closes it."""
    shadow = client.shadow_doorbells()
    assert shadow is not None
    os.close(shadow.memory_fd)
    return shadow.event_fd


def test_every_doorbell_write_is_noticed(served: Served) -> None:
    """The eventfd is never read, and yet each write rings once it is served."""
    with served.client() as client:
        bell = doorbell_of(client)
        for rings in range(1, 200):
            os.eventfd_write(bell, 1)
            served.settle(lambda rings=rings: served.function.calls.count("doorbell") == rings)
        assert os.eventfd_read(bell) == 199
        os.close(bell)


def test_a_doorbell_that_blocks_reads_does_not_stop_the_server(served: Served) -> None:
    """A client that makes its eventfd blocking and drains it hurts only itself."""
    with served.client() as client:
        bell = doorbell_of(client)
        os.set_blocking(bell, True)
        for _ in range(100):
            os.eventfd_write(bell, 1)
            os.eventfd_read(bell)
        assert client.device_info()[1] == 9
        os.eventfd_write(bell, 1)
        served.settle(lambda: "doorbell" in served.function.calls)
        os.close(bell)


def test_a_doorbell_dies_with_its_client(served: Served) -> None:
    """A client that has gone rings no more and cannot take its successor's signals away."""
    with served.client() as client:
        old = doorbell_of(client)
        os.eventfd_write(old, (1 << 64) - 3)
    served.settle(lambda: "detach" in served.function.calls)
    with served.client() as client:
        bell = doorbell_of(client)
        served.function.calls.clear()
        os.eventfd_write(old, 1)
        assert client.device_info()[1] == 9
        assert calls(served) == []
        os.eventfd_write(bell, 1)
        served.settle(lambda: "doorbell" in served.function.calls)
        os.close(bell)
    os.close(old)


def test_function_that_fails_everywhere_is_contained(served: Served) -> None:
    """Exceptions of attach, doorbell, reset, dma_changed and detach end nothing but their call."""
    function = served.function
    before = open_fds()
    function.fail = ZeroDivisionError("attach")
    with pytest.raises(ServerError, match="EIO"):
        served.client()
    with served.client() as client:
        fd = memfd(0x1000)
        client.dma_map(BASE, 0x1000, fd)
        os.close(fd)
        function.fail = ZeroDivisionError("dma_changed")
        client.request(
            Command.DMA_UNMAP, wire.DMA_UNMAP.pack(24, 0, BASE, 0x1000), expect=errno.EIO
        )
        function.fail = ZeroDivisionError("reset")
        client.request(Command.DEVICE_RESET, expect=errno.EIO)
        bell = doorbell_of(client)
        function.fail = ZeroDivisionError("doorbell")
        os.eventfd_write(bell, 1)
        served.settle(lambda: function.fail is None)
        os.close(bell)
        assert client.device_info()[1] == 9
        function.fail = ZeroDivisionError("detach")
    served.settle(lambda: not served.server._peers)
    assert open_fds() == before
    with served.client() as client:
        assert client.device_info()[1] == 9


def test_server_drops_its_client_on_request(served: Served) -> None:
    """disconnect() ends the client's connection and detaches the function."""
    with served.client() as client:
        served.call(served.server.disconnect)
        with pytest.raises(ConnectionError):
            client.receive()
    assert calls(served) == ["attach", "detach"]


def test_client_checks_replies(tmp_path: Path) -> None:
    """The Python client notices a server that hangs up."""
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "s"))
        listener.listen()
        client = VfioUserClient(tmp_path / "s", negotiate=False)
        accepted, _ = listener.accept()
        accepted.close()
        with pytest.raises(ConnectionError):
            client.receive()
        client.close()
