# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""bcc on axl's tracepoints: `python3 guest_bcc.py COMMAND...`, with the system's Python.

Runs in the guest. Counts submits, completions and their bytes per direction in the kernel
while the command runs, and prints the counts as JSON.
"""

import json
import subprocess
import sys

from bcc import BPF

PROGRAM = """
BPF_ARRAY(counts, u64, 2);
BPF_HASH(bytes, u32, u64);

TRACEPOINT_PROBE(axl, axl_submit)
{
        u32 direction = args->direction;

        counts.increment(0);
        bytes.increment(direction, args->bytes);
        return 0;
}

TRACEPOINT_PROBE(axl, axl_complete)
{
        if (args->status == 0)
                counts.increment(1);
        return 0;
}
"""


def main(command: list[str]) -> None:
    """Attach, run the command, print what was counted."""
    bpf = BPF(text=PROGRAM)
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    seen = {
        "submits": bpf["counts"][0].value,
        "completes": bpf["counts"][1].value,
        "bytes": {key.value: value.value for key, value in bpf["bytes"].items()},
    }
    print(json.dumps(seen))  # noqa: T201 - the result


if __name__ == "__main__":
    main(sys.argv[1:])
