# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""libaxl and pyaccel over axl.ko: their own tests, run in the guest against /dev/accel.

One pytest in the guest runs the files of RUN; each of their functions is one test here, and
fails here with what it said there. Functions marked `rack_only` are not run, and FILES that
say nothing of endpoints neither: both lists are held complete.
"""

from __future__ import annotations

import ast
import json
import shutil
import sys
import threading
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from diag.lab.guest import GUEST_SHARE
from diag.lab.supervisor import CHECKOUT
from diag.model.rack.control import RpcError
from tests.build.guest_rack import BUILD, CONTROL
from tests.build.native import build
from tests.linux.conftest import SLOWNESS, Driver

# The first test waits for downloads, the build, the boot, and all tests in the guest.
pytestmark = [pytest.mark.guest, pytest.mark.timeout(1000)]

TESTS = CHECKOUT / "tests"
RUN = (
    "userlib/test_end_to_end.py",
    "userlib/test_trouble.py",
    "userlib/test_examples.py",
    "pyaccel/test_buffer.py",
    "pyaccel/test_device.py",
    "pyaccel/test_queue.py",
    "pyaccel/test_digits.py",
)
NOT_RUN = {
    "userlib/test_builders.py": "no endpoint",
    "userlib/test_interface.py": "no endpoint: what is installed",
    "userlib/test_events.py": "event rings are of embedded racks, the driver has tracepoints",
    "userlib/test_hostile_server.py": "the driver has no server; tests/linux/test_lies.py",
    "pyaccel/test_arithmetic.py": "no endpoint: the model itself executes",
    "pyaccel/test_binding.py": "no endpoint",
    "pyaccel/test_handle.py": "no endpoint",
    "pyaccel/test_packing.py": "no endpoint",
    "pyaccel/test_tensor.py": "no endpoint",
}
KERNEL_ONLY = "linux/libaxl_kernel.py"
CACHED = "/run/axl-lab/cached"
TIMEOUT_S = 600.0 * SLOWNESS
_POLL_S = 0.02
# Nothing can be written into the checkout; the order is that of the files.
OPTIONS = f"""
    -q --tb=short --durations=15 --rootdir={CHECKOUT} -c {CHECKOUT}/pyproject.toml
    -p tests.build.guest_rack -p no:cacheprovider -p no:randomly
    -o timeout_func_only=true
""".split()


def functions(file: str) -> dict[str, str | None]:
    """Test functions of a file; for what is not run over the kernel driver, why."""
    found = {}
    for node in ast.parse((TESTS / file).read_text()).body:
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
            marks = [m for m in map(ast.unparse, node.decorator_list) if "mark.rack_only" in m]
            found[node.name] = marks[0] if marks else None
    return found


ALL = {(file, name): why for file in (*RUN, KERNEL_ONLY) for name, why in functions(file).items()}


@contextmanager
def answering(driver: Driver, folder: Path) -> Iterator[None]:
    """Requests of the guest to the rack are answered until the block ends."""
    over = threading.Event()

    def answer(request: Path) -> None:
        asked = json.loads(request.read_text())
        try:
            with driver.rack() as rack:
                told = rack.call(asked["method"], **asked["params"])
        except RpcError as error:
            told = {"error": str(error)}
        request.unlink()
        draft = request.with_suffix(".draft")
        draft.write_text(json.dumps(told))
        draft.rename(request.with_suffix(".reply"))

    def serve() -> None:
        while not over.wait(_POLL_S):
            for request in folder.glob("*.request"):
                answer(request)

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


@pytest.fixture(scope="module")
def share(driver: Driver, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The shared folder, with libaxl and its test programs in it, also with sanitizers."""
    folder = driver.lab.files.share
    for name, kind in (("c", ""), ("c-asan", "-asan"), ("c-tsan", "-tsan")):
        made = build(name, tmp_path_factory.mktemp(name))
        shutil.copytree(made, folder / f"libaxl{kind}", symlinks=True)
    (folder / "control").mkdir()
    # A second way to the virtual environment, past the mount that shows every change of the
    # checkout at once: what is read there is cached, which halves the time of imports.
    driver.shell(f"mkdir {CACHED}; mount --bind / {CACHED}")
    yield folder
    driver.shell(f"umount {CACHED}; rmdir {CACHED}")


def run_in_guest(driver: Driver, share: Path, *files: Path) -> dict[tuple[str, str], list[str]]:
    """Outcomes of every test function in the guest, by file and name: one for each variant."""
    environment = {
        "PYTHONPATH": str(CHECKOUT),
        "PYTHONDONTWRITEBYTECODE": "1",
        CONTROL: f"{GUEST_SHARE}/control",
        BUILD: f"{GUEST_SHARE}/libaxl",
    }
    command = ["env", *(f"{key}={value}" for key, value in environment.items())]
    command += [f"{CACHED}{sys.executable}", "-m", "pytest", *OPTIONS]
    command += [f"--timeout={120 * SLOWNESS}", f"--junitxml={GUEST_SHARE}/junit.xml"]
    with answering(driver, share / "control"):
        done = driver.lab.guest.run([*command, *map(str, files)], timeout_s=TIMEOUT_S)
    assert done.status in (0, 1), (done.stdout + done.stderr).decode()
    return outcomes(share / "junit.xml")


def outcomes(junit: Path) -> dict[tuple[str, str], list[str]]:
    """What a JUnit file says: "passed", "skipped: why" or the failure."""
    found: dict[tuple[str, str], list[str]] = {}
    for case in ET.parse(junit).iter("testcase"):
        module = case.attrib["classname"].removeprefix("tests.").replace(".", "/") + ".py"
        key = (module, case.attrib["name"].partition("[")[0])
        told = "passed"
        for child in case:
            if child.tag in ("failure", "error"):
                told = f"{case.attrib['name']}: {child.text}"
            elif child.tag == "skipped":
                told = f"skipped: {child.attrib['message']}"
        found.setdefault(key, []).append(told)
    return found


@pytest.fixture(scope="module")
def log_start(driver: Driver) -> int:
    """Where the kernel log ended before."""
    return driver.lab.kernel_log_bytes()


@pytest.fixture(scope="module")
def told(driver: Driver, share: Path, log_start: int) -> dict[tuple[str, str], list[str]]:
    """Outcomes of all functions."""
    return run_in_guest(driver, share, *(TESTS / file for file in (*RUN, KERNEL_ONLY)))


def test_every_file_is_run_or_said_not_to_be() -> None:
    """A new test file of libaxl or pyaccel has to be in one of the lists."""
    there = {
        f"{folder}/{path.name}"
        for folder in ("userlib", "pyaccel")
        for path in (TESTS / folder).glob("test_*.py")
    }
    assert there == {*RUN, *NOT_RUN}


@pytest.mark.parametrize("case", [key for key, why in ALL.items() if not why], ids="::".join)
def test_over_the_kernel_driver(told, case: tuple[str, str]) -> None:
    """The functions that also run on an embedded rack, and those of KERNEL_ONLY, pass."""
    assert set(told[case]) == {"passed"}, "\n".join(told[case])


def test_nothing_else_was_left_out(told) -> None:
    """What the guest skipped is what is marked, and nothing ran that is not listed."""
    assert set(told) == set(ALL)
    skipped = {key for key, results in told.items() if any(r.startswith("skip") for r in results)}
    assert skipped == {key for key, why in ALL.items() if why}


def test_the_kernel_did_not_complain(driver: Driver, told, log_start: int) -> None:
    """Whatever the tests did, nothing is in the kernel log but what the driver has to say."""
    assert driver.lab.check_kernel_log(log_start) == []
