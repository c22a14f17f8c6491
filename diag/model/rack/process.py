# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""Worker processes: fork, watch, kill. The only place that knows about fork."""

from __future__ import annotations

import contextlib
import ctypes
import gc
import os
import signal
import socket
import sys
import traceback
from collections.abc import Callable, Iterable
from typing import Final, NoReturn

_PR_SET_PDEATHSIG: Final = 1
_EXIT_FAILED: Final = 70
"""EX_SOFTWARE."""


class ChildProcess:
    """A forked process, known by a pidfd that becomes readable when it ends.

    Args:
        main: runs in the child with the child's end of a socket pair; the child ends with it.
        keep_fds: descriptors that the child needs; all others but 0..2 are closed there.
    """

    def __init__(self, main: Callable[[socket.socket], None], keep_fds: Iterable[int]) -> None:
        self.sock, child_sock = socket.socketpair()
        parent = os.getpid()
        # Buffered output would be written twice, once by each process.
        sys.stdout.flush()
        sys.stderr.flush()
        self.pid = os.fork()
        if self.pid == 0:
            _run_child(main, child_sock, keep_fds, parent)
        child_sock.close()
        self.pidfd = os.pidfd_open(self.pid)

    def kill(self, signum: int = signal.SIGKILL) -> None:
        """Send a signal; harmless when the process is gone."""
        with contextlib.suppress(ProcessLookupError):
            signal.pidfd_send_signal(self.pidfd, signum)

    def reap(self) -> str:
        """Take the exit status of an ended process and say it in words."""
        _, status = os.waitpid(self.pid, 0)
        os.close(self.pidfd)
        code = os.waitstatus_to_exitcode(status)
        if code < 0:
            return f"killed by {signal.Signals(-code).name}"
        return f"ended with exit status {code}"


def freeze_heap() -> None:
    """Keep the pages of everything imported so far shared with forked children.

    A collection in a child would write to every object's header and copy its page.
    """
    gc.collect()
    gc.freeze()


def _run_child(
    main: Callable[[socket.socket], None],
    sock: socket.socket,
    keep_fds: Iterable[int],
    parent: int,
) -> NoReturn:
    try:
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:
            os._exit(_EXIT_FAILED)  # the supervisor died before the line above
        signal.set_wakeup_fd(-1)
        # Ctrl-C in the terminal of `up --foreground` is the supervisor's to handle.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        _close_others({0, 1, 2, sock.fileno(), *keep_fds})
        main(sock)
        os._exit(0)
    except BaseException:  # noqa: BLE001 - nothing may return into the supervisor's frames
        traceback.print_exc()
    finally:
        with contextlib.suppress(Exception):
            sys.stderr.flush()
        os._exit(_EXIT_FAILED)


def _close_others(keep: set[int]) -> None:
    for name in os.listdir("/proc/self/fd"):  # noqa: PTH208 - numbers, no paths
        if int(name) not in keep:
            with contextlib.suppress(OSError):
                os.close(int(name))
