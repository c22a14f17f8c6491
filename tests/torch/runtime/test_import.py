# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""`import torch` never breaks; what is missing is explained when the device is first used.

Each program runs in a process of its own: what it tries cannot be undone in this one.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import pyaccel
from pyaccel import testing
from pyaccel.torch import _library


@pytest.fixture(scope="module")
def own_rack() -> Iterator[str]:
    """AXL_RUNTIME_DIR of a rack whose endpoints this process does not hold."""
    with testing.rack("2x2") as running:
        yield str(running.runtime_dir)


def run(program: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """A Python process with other environment variables."""
    return subprocess.run(
        [sys.executable, "-c", program],
        env=os.environ | environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=110,
    )


def test_without_rack_and_driver_the_first_use_says_what_to_do(tmp_path: Path) -> None:
    """No device: is_available() is False, and a tensor's error names accel-rack."""
    done = run(
        "import torch\nprint(torch.axl.is_available(), torch.axl.device_count())\n"
        "torch.ones(2, device='axl')",
        AXL_RUNTIME_DIR=str(tmp_path),
    )

    assert done.stdout.split() == ["False", "0"]
    assert "accel-rack up" in done.stderr
    assert done.stderr.strip().splitlines()[-1].startswith(("RuntimeError", "torch."))


@pytest.mark.parametrize(
    ("built_for", "said"),
    [
        ("2.6.0", "was compiled for torch 2.6.0, this is torch"),
        ("2.13.0", "cannot be loaded"),
    ],
)
def test_a_library_that_does_not_fit_is_explained(
    tmp_path: Path, built_for: str, said: str
) -> None:
    """For another torch, or damaged: import works, the first tensor tells."""
    (tmp_path / "other.so").write_bytes(b"no library")
    (tmp_path / "other.torch").write_text(built_for)
    program = (
        "import pathlib, pyaccel.torch, sys\n"
        "import torch\n"  # TORCH_DEVICE_BACKEND_AUTOLOAD=0: nothing is loaded yet
        "from pyaccel.torch import _library\n"
        f"_library.LIBRARY = pathlib.Path({str(tmp_path / 'other.so')!r})\n"
        "_library.BUILT_FOR = _library.LIBRARY.with_suffix('.torch')\n"
        "pyaccel.torch.autoload()\n"
        "print('imported', torch.axl.is_available())\n"
        "torch.ones(2, device='axl')"
    )
    done = run(program, TORCH_DEVICE_BACKEND_AUTOLOAD="0")

    assert done.stdout.split() == ["imported", "False"]
    assert said in done.stderr
    assert "pip install -e ." in done.stderr or "install torch" in done.stderr


def test_the_versions_compared_are_minor_ones(tmp_path: Path) -> None:
    """2.13.1+cpu fits a library for 2.13.0; 2.14 does not."""
    library, built_for = tmp_path / "a.so", tmp_path / "a.torch"
    assert "is not built; run `pip install -e .`" in str(
        _library.reason_against(library, built_for, "2.13.1")
    )
    library.touch()
    built_for.write_text("2.13.0+cpu\n")

    assert _library.reason_against(library, built_for, "2.13.1") is None
    assert "2.14.0" in str(_library.reason_against(library, built_for, "2.14.0"))


def test_a_second_backend_is_refused_politely() -> None:
    """Where another PrivateUse1 backend is loaded, axl says which, and torch works."""
    program = (
        "import torch\n"
        "torch.utils.rename_privateuse1_backend('other')\n"
        "import pyaccel.torch\n"
        "pyaccel.torch.autoload()\n"
        "print((torch.ones(2) + 1).tolist())"
    )
    done = run(program, TORCH_DEVICE_BACKEND_AUTOLOAD="0")

    assert done.stdout.strip() == "[2.0, 2.0]"
    assert "room for one backend" in done.stderr
    assert "'other' is loaded" in done.stderr


def test_importing_opens_no_device_and_names_are_stable(own_rack: str) -> None:
    """Asking what there is opens nothing, so a child may be forked; axl:N is by stable id."""
    done = run(
        "import torch, os\n"
        "assert torch.axl.is_available() and torch.axl.device_count() == 4\n"
        "print(torch.axl.is_initialized())\n"
        "if os.fork() == 0:\n"
        "    print(torch.ones(2, device='axl').cpu().tolist(), flush=True)\n"
        "    os._exit(0)\n"
        "os.wait()\n"
        "ids = [torch.axl.endpoint(i) for i in range(4)]\n"
        "print(ids == sorted(set(ids)))",
        AXL_RUNTIME_DIR=own_rack,
    )

    assert done.stdout.splitlines() == ["False", "[1.0, 1.0]", "True"], done.stderr


def test_a_forked_child_is_told_to_spawn(own_rack: str) -> None:
    """A child of a process that used the device gets PyTorch's own advice, not a crash."""
    done = run(
        "import torch, os\n"
        "kept = torch.ones(2, device='axl')\n"
        "kept.cpu()\n"
        "if (child := os.fork()) == 0:\n"
        "    try:\n"
        "        torch.ones(2, device='axl')\n"
        "    except RuntimeError as error:\n"
        "        print(error, flush=True)\n"
        "    os._exit(0)\n"
        "assert os.waitpid(child, 0)[1] == 0\n"
        "print((kept.fill_(3)).cpu().tolist())",
        AXL_RUNTIME_DIR=own_rack,
    )

    assert "Cannot re-initialize axl in forked subprocess" in done.stdout
    assert "'spawn' start method" in done.stdout
    assert done.stdout.splitlines()[-1] == "[3.0, 3.0]"


def test_a_data_loader_may_fork_after_the_device_was_used(own_rack: str) -> None:
    """Workers that make CPU tensors work, and end without touching the device."""
    done = run(
        "import torch\n"
        "torch.ones(2, device='axl').cpu()\n"
        "data = torch.utils.data.TensorDataset(torch.arange(8.0))\n"
        "loader = torch.utils.data.DataLoader(data, batch_size=4, num_workers=2,"
        " pin_memory=True, multiprocessing_context='fork')\n"
        "print(sum(batch.to('axl', non_blocking=True).sum().item() for batch, in loader))",
        AXL_RUNTIME_DIR=own_rack,
    )

    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "28.0"


def test_visible_devices_chooses_and_orders(own_rack: str) -> None:
    """AXL_VISIBLE_DEVICES takes stable ids; axl:0 is the first of them."""
    ids = [info.id for info in pyaccel.devices(f"rack:{next(Path(own_rack).iterdir())}")]
    chosen = [ids[2], ids[0]]
    done = run(
        "import torch\nprint(*(torch.axl.endpoint(i) for i in range(torch.axl.device_count())))",
        AXL_VISIBLE_DEVICES=",".join(chosen),
        AXL_RUNTIME_DIR=own_rack,
    )

    assert done.stdout.split() == chosen


def test_no_thread_of_backward_outlives_the_program(own_rack: str) -> None:
    """They end before Python does: one that then lets go of a Python object aborts the process."""
    done = run(
        "import atexit, pathlib\n"
        "def names():\n"
        "    return [each.read_text() for each in pathlib.Path('/proc/self/task').glob('*/comm')]\n"
        "def count(): return sum('autograd' in each for each in names())\n"
        "atexit.register(lambda: print(count()))\n"  # runs last
        "import torch\n"
        "torch.ones(3, device='axl', requires_grad=True).sum().backward()\n"
        "print(count())",
        AXL_RUNTIME_DIR=own_rack,
    )

    assert done.returncode == 0, done.stderr
    during, after = (int(each) for each in done.stdout.split())
    assert during > 0
    assert after == 0
