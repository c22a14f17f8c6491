# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""A known amount of work for tracing tools to watch: `python -m tests.linux.guest_work BDF COUNT`.

Runs in the guest: a context with one mapped buffer, one queue, COUNT copies in batches of ten
with a wait for each batch, and everything taken down again. Prints its process id.
"""

from __future__ import annotations

import os
import sys

from tests.linux.checks.common import open_at
from tests.linux.session import DEVICE, HOST, PAGE, Work, copy

BATCH = 10
LENGTH = 64


def main(bdf: str, count: int) -> None:
    """Do it; every copy must succeed."""
    work = Work(open_at(bdf))
    host, memory = work.buffer(PAGE, HOST), work.buffer(PAGE, DEVICE)
    for _ in range(count // BATCH):
        assert work.run(copy(host.va, memory.va, LENGTH) * BATCH) == 0
    work.accel.close()
    print(os.getpid())  # noqa: T201 - the result


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
