# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""The listening socket of one function, and the connections to it.

One client is served at a time. A second one gets EBUSY in answer to its VERSION and is
closed. Who connects and says nothing is closed after a while and keeps nobody out.
"""

from __future__ import annotations

import errno
import fcntl
import logging
import os
import select
import socket
import stat
from array import array
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from diag.model.bus import FunctionSpec, PciFunction
from diag.model.loop import Loop, Timer
from diag.model.vfio_user import protocol as wire
from diag.model.vfio_user.descriptors import close_all, received
from diag.model.vfio_user.dma_map import PeerLookup
from diag.model.vfio_user.protocol import FramingError, Request, RequestDecoder
from diag.model.vfio_user.session import Reply, Session

LOG = logging.getLogger(__name__)
HANDSHAKE_NS = 5_000_000_000
RETRY_NS = 1_000_000
MAX_RETRY_NS = 50_000_000
ACCEPT_PAUSE_NS = 200_000_000
MAX_CONNECTIONS = 16
"""The client and those that have not sent their VERSION yet; more are closed at once."""
MESSAGES_PER_TURN = 64
"""Then other descriptors of the loop get their turn."""
SEALS = fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SEAL
_ANCILLARY_BYTES = socket.CMSG_SPACE(wire.MAX_MESSAGE_FDS * array("i").itemsize)

Handler = Callable[[Request, bool], Reply | None]


class SocketInUseError(RuntimeError):
    """Another process serves the path, or something that is no socket lies there."""


class Connection:
    """Moves messages between a socket and a handler.

    While a reply cannot be sent nothing more is read: a client that does not read its
    replies stops itself, with at most one reply in memory.

    Args:
        handler: gives the reply to a request; `fds_lost` is its second argument.
        on_close: called once, when the other side is gone or the stream is broken.
    """

    def __init__(
        self, loop: Loop, sock: socket.socket, handler: Handler, on_close: Callable[[], None]
    ) -> None:
        sock.setblocking(False)
        self._loop = loop
        self._socket = sock
        self._handler = handler
        self._on_close = on_close
        self._decoder = RequestDecoder()
        self._unsent: bytes = b""
        self._unsent_fds: list[int] = []
        self._fds_lost = False
        self._close_when_sent = False
        self._retry_ns = RETRY_NS
        self._retry: Timer | None = None
        self.is_open = True
        loop.add_reader(sock.fileno(), self._readable)

    def close(self) -> None:
        """End the connection; harmless when it has ended."""
        if not self.is_open:
            return
        self.is_open = False
        if self._retry is not None:
            self._retry.cancel()
        self._loop.remove_reader(self._socket.fileno())
        close_all(self._decoder.drop())
        self._socket.close()
        self._on_close()

    def is_hung_up(self) -> bool:
        """Whether the other side has closed its end, read out or not."""
        poll = select.poll()
        poll.register(self._socket, 0)
        return any(events & select.POLLHUP for _, events in poll.poll(0))

    def peer_pid(self) -> int | None:
        """Process at the other end; None when it cannot be seen from here."""
        credentials = self._socket.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12)
        return int.from_bytes(credentials[:4], "little") or None

    def _readable(self) -> None:
        for _ in range(MESSAGES_PER_TURN):
            if not self.is_open or self._unsent or not self._receive():
                return

    def _receive(self) -> bool:
        """Read up to the end of a header or message; False when there is nothing to read."""
        try:
            data, ancillary, flags, _ = self._socket.recvmsg(
                self._decoder.wanted, _ANCILLARY_BYTES, socket.MSG_CMSG_CLOEXEC
            )
        except BlockingIOError:
            return False
        except OSError as error:
            LOG.info("connection lost: %s", error)
            self.close()
            return False
        fds = received(ancillary)
        if not data:
            close_all(fds)
            self.close()
            return False
        self._feed(data, fds, fds_lost=bool(flags & socket.MSG_CTRUNC))
        return True

    def _feed(self, data: bytes, fds: list[int], *, fds_lost: bool) -> None:
        self._fds_lost = fds_lost or (self._fds_lost and not self._decoder.is_idle)
        try:
            request = self._decoder.feed(data, fds)
        except FramingError as error:
            LOG.info("connection closed: %s", error)
            if error.request is not None:
                self._send(Reply(wire.encode_error(error.request, errno.EINVAL), close=True))
            self.close()
            return
        if request is None:
            return
        reply = self._handler(request, self._fds_lost)
        self._fds_lost = False
        if reply is not None and self.is_open:
            self._send(reply)

    def _send(self, reply: Reply) -> None:
        self._unsent, self._unsent_fds = reply.data, reply.fds
        self._close_when_sent = reply.close
        self._flush()

    def _flush(self) -> None:
        """Send what is left; the retry is a timer because the loop only waits for input."""
        try:
            sent = self._sendmsg()
        except BlockingIOError:
            sent = 0
        except OSError as error:
            LOG.info("connection lost: %s", error)
            self.close()
            return
        if sent:
            self._unsent_fds = []
            self._retry_ns = RETRY_NS
            self._unsent = self._unsent[sent:]
        if self._unsent:
            self._retry = self._loop.call_later(self._retry_ns, self._retry_flush)
            self._retry_ns = min(2 * self._retry_ns, MAX_RETRY_NS)
        elif self._close_when_sent:
            self.close()

    def _sendmsg(self) -> int:
        if not self._unsent_fds:
            return self._socket.send(self._unsent)
        rights = (socket.SOL_SOCKET, socket.SCM_RIGHTS, array("i", self._unsent_fds))
        return self._socket.sendmsg([self._unsent], [rights])

    def _retry_flush(self) -> None:
        self._retry = None
        if self.is_open:
            self._flush()


@dataclass(frozen=True, slots=True)
class ServerOptions:
    """What a server does beyond serving its function.

    Args:
        peers: resolves bus addresses of other endpoints' BARs, see `DmaMap`.
        on_connect: called when a client has agreed on the version.
        on_disconnect: called after `function.detach()`.
        trust_unsealed: accept DMA memory that its client may truncate, see `DmaMap`.
        handshake_ns: how long a connection may take to its VERSION.
    """

    peers: PeerLookup | None = None
    on_connect: Callable[[], None] | None = None
    on_disconnect: Callable[[], None] | None = None
    trust_unsealed: bool = False
    handshake_ns: int = HANDSHAKE_NS


class VfioUserServer:
    """Serves one function on a UNIX socket, one client after the other.

    Args:
        path: of the socket; made with mode 0600. A socket that nobody listens on is
            replaced; SocketInUseError otherwise.
        function: attached when a client has agreed on the version, detached when it goes.
        loop: that calls everything here.
        options: see `ServerOptions`.
    """

    def __init__(
        self,
        path: str | Path,
        function: PciFunction,
        loop: Loop,
        options: ServerOptions | None = None,
    ) -> None:
        self.path = Path(path)
        self._function = function
        self._loop = loop
        self._options = options or ServerOptions()
        self._client: _Peer | None = None
        self._peers: set[_Peer] = set()
        _protect(function.spec)
        self._listener = _listen(self.path)
        self._identity = _identity(self.path)
        self._loop.add_reader(self._listener.fileno(), self._accept)

    @property
    def has_client(self) -> bool:
        """Whether a client has agreed on the version and is still there."""
        return self._client is not None

    @property
    def client_pid(self) -> int | None:
        """Process that connected (as seen from this pid namespace), None without a client."""
        return self._client.connection.peer_pid() if self._client is not None else None

    def disconnect(self) -> None:
        """Drop the client, if any."""
        if self._client is not None:
            self._client.connection.close()

    def close(self) -> None:
        """Drop every connection and remove the socket."""
        for peer in list(self._peers):
            peer.connection.close()
        self._loop.remove_reader(self._listener.fileno())
        self._listener.close()
        # Somebody may have replaced the file; then it is not ours to remove.
        if _identity(self.path) == self._identity:
            self.path.unlink(missing_ok=True)

    def _accept(self) -> None:
        try:
            sock, _ = self._listener.accept()
        except BlockingIOError:
            return
        except OSError as error:
            # Most likely out of descriptors; the connection stays in the backlog meanwhile.
            LOG.warning("path=%s accept failed: %s", self.path, error)
            self._loop.pause_reader(self._listener.fileno(), ACCEPT_PAUSE_NS)
            return
        if len(self._peers) >= MAX_CONNECTIONS:
            sock.close()
            return
        self._peers.add(_Peer(self, self._loop, sock, self._options.handshake_ns))

    def handle(self, peer: _Peer, request: Request, fds_lost: bool) -> Reply | None:
        """Carry out a request of a connection; used by `_Peer` only."""
        if peer.session is not None:
            return peer.session.handle(request, fds_lost=fds_lost)
        if self._is_taken():
            close_all(request.take_fds())
            return Reply(wire.encode_error(request, errno.EBUSY), close=True)
        options = self._options
        session = Session(self._function, options.peers, trust_unsealed=options.trust_unsealed)
        reply = session.handle(request, fds_lost=fds_lost)
        if session.is_attached:
            peer.session, self._client = session, peer
            self._watch_doorbells(session.doorbell_fd)
            if options.on_connect is not None:
                options.on_connect()
        return reply

    def _is_taken(self) -> bool:
        """Whether a living client is served; one that hung up with replies unread goes first."""
        if self._client is not None and self._client.connection.is_hung_up():
            self.disconnect()
        return self._client is not None

    def forget(self, peer: _Peer) -> None:
        """A connection has ended; used by `_Peer` only."""
        self._peers.discard(peer)
        if peer is not self._client or peer.session is None:
            return
        self._client = None
        if peer.session.doorbell_fd is not None:
            self._loop.remove_reader(peer.session.doorbell_fd)
        peer.session.close()
        if peer.session.retained_views:
            LOG.error("path=%s %d files kept mapped", self.path, peer.session.retained_views)
        if self._options.on_disconnect is not None:
            self._options.on_disconnect()

    def _watch_doorbells(self, fd: int | None) -> None:
        if fd is None:
            return
        doorbell = self._function.doorbell

        def ring() -> None:
            try:
                doorbell()
            except Exception:
                LOG.exception("function=%s doorbell failed", self._function.spec.name)

        self._loop.add_reader(fd, ring, edge=True)


class _Peer:
    """One connection: nobody until its VERSION, then the client or refused."""

    def __init__(
        self, server: VfioUserServer, loop: Loop, sock: socket.socket, handshake_ns: int
    ) -> None:
        self.session: Session | None = None
        self._server = server
        self.connection = Connection(loop, sock, self._handle, self._closed)
        self._timer = loop.call_later(handshake_ns, self.connection.close)

    def _handle(self, request: Request, fds_lost: bool) -> Reply | None:
        reply = self._server.handle(self, request, fds_lost)
        if self.session is not None:
            self._timer.cancel()
        return reply

    def _closed(self) -> None:
        self._timer.cancel()
        self._server.forget(self)


def _protect(spec: FunctionSpec) -> None:
    """Seal the memory that clients get: one that truncates it would kill this process (SIGBUS).

    The last seal keeps clients from adding others, which would stop their successors.
    """
    fds = [region.fd for region in spec.regions.values() if region.fd is not None]
    if spec.shadow_doorbells is not None:
        fds.append(spec.shadow_doorbells.memory_fd)
    for fd in fds:
        try:
            if not fcntl.fcntl(fd, fcntl.F_GET_SEALS) & fcntl.F_SEAL_SHRINK:
                fcntl.fcntl(fd, fcntl.F_ADD_SEALS, SEALS)
        except OSError as error:
            LOG.warning(
                "function=%s fd=%d can be truncated by clients (%s): use MFD_ALLOW_SEALING",
                spec.name,
                fd,
                error,
            )


def _listen(path: Path) -> socket.socket:
    """A listening socket at `path`, mode 0600 from its first moment."""
    _remove_stale(path)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
    try:
        # The mode of the unbound socket becomes the file's: no moment with a wider one.
        os.fchmod(listener.fileno(), stat.S_IRUSR | stat.S_IWUSR)
        listener.bind(str(path))
        listener.listen(MAX_CONNECTIONS)
        listener.setblocking(False)
    except OSError as error:
        listener.close()
        raise SocketInUseError(f"cannot listen on {path}: {error}") from error
    return listener


def _remove_stale(path: Path) -> None:
    """Remove a socket that nobody listens on; SocketInUseError if it is in use or none."""
    try:
        mode = path.lstat().st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(mode):
        raise SocketInUseError(f"{path} is not a socket; remove it or choose another path")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.setblocking(False)
        try:
            probe.connect(str(path))
        except ConnectionRefusedError:
            path.unlink(missing_ok=True)
            return
        except BlockingIOError:
            pass  # a listener with a full backlog
        except FileNotFoundError:
            return
    raise SocketInUseError(f"{path} is served by another process; stop that one first")


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        status = path.lstat()
    except OSError:
        return None
    return status.st_dev, status.st_ino
