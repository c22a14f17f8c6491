# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""The reference device as PCIe: what an unmodified kernel sees of it in a real QEMU."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from diag.lab import aer, files
from diag.lab.errors import LabError
from diag.lab.guest import GUEST_SHARE
from diag.lab.rack import place_rack
from diag.lab.session import Session
from diag.lab.supervisor import CHECKOUT
from diag.lab.targets import find_function
from diag.lab.tsc import tsc_khz
from diag.model.rack.client import RackClient
from diag.model.rack.enumerate import enumerate_rack
from diag.model.rack.placement import PlacedEndpoint
from diag.model.rack.spec import load_rack
from pyaccel.spec.formats import BAR0_BYTES, BAR4_BYTES, MAGIC, MSIX_VECTORS
from pyaccel.spec.regs import ResetCause

# The first test waits for downloads and the boot.
pytestmark = [pytest.mark.guest, pytest.mark.timeout(400)]

ENDPOINTS = enumerate_rack(load_rack("2x2")).endpoints
PROBE = Path(__file__).with_name("guest_probe.py")
COMMAND_TIMEOUT_S = 120.0
READ_MAGIC = """
import mmap, sys
with open(sys.argv[1] + "/resource0", "r+b") as file:
    print(memoryview(mmap.mmap(file.fileno(), 4096))[:4].cast("I")[0])
"""

ALLOWED = {"test_errors_can_be_injected": [r"AER: .*(error message received|device recovery)"]}
"""Kernel log lines that a test provokes."""

each_endpoint = pytest.mark.parametrize("placed", ENDPOINTS, ids=lambda placed: placed.bdf)


@pytest.fixture(autouse=True)
def quiet_kernel(lab: Session, request: pytest.FixtureRequest) -> Iterator[None]:
    """Every test fails when the kernel complains while it runs."""
    start = lab.kernel_log_bytes()
    yield
    assert lab.check_kernel_log(start, tuple(ALLOWED.get(request.function.__name__, ()))) == []


def output(lab: Session, *argv: str) -> str:
    """What a command prints in the guest; it must succeed."""
    done = lab.guest.run(argv, timeout_s=COMMAND_TIMEOUT_S)
    assert done.status == 0, done.stderr.decode()
    return done.stdout.decode()


def shell(lab: Session, script: str) -> str:
    """What a shell script prints in the guest; it must succeed."""
    return output(lab, "sh", "-ec", script)


def probe(lab: Session, placed: PlacedEndpoint, *options: str) -> dict[str, Any]:
    """Drive one endpoint from inside the guest, with this test's own Python."""
    command = [sys.executable, str(PROBE), placed.bdf, *options]
    text = output(lab, "env", f"PYTHONPATH={CHECKOUT}", *command)
    result: dict[str, Any] = json.loads(text)
    return result


def test_the_boot_logs_nothing_unexpected(boot_complaints: list[str]) -> None:
    """Enumeration, resource assignment and port services pass without a complaint."""
    assert boot_complaints == []


def test_the_clock_of_the_guest_is_right(lab: Session) -> None:
    """Its kernel counts at the rate of this machine's counter, however busy the boot was."""
    khz = tsc_khz()
    if khz is None:
        pytest.skip("no time-stamp counter that can be read on this machine")
    found = re.findall(r"tsc: Detected ([\d.]+) MHz", lab.kernel_log())

    assert float(found[0]) * 1000 == pytest.approx(khz, rel=0.01)


@each_endpoint
def test_an_endpoint_sits_behind_the_right_ports(lab: Session, placed: PlacedEndpoint) -> None:
    """The kernel finds every endpoint where the embedded rack has it, port by port."""
    path = output(lab, "readlink", "-f", f"/sys/bus/pci/devices/{placed.bdf}").strip()

    assert path.removeprefix("/sys/devices/pci0000:00/").split("/") == [*placed.path, placed.bdf]


def test_nothing_else_has_our_identity(lab: Session) -> None:
    """There are as many functions with our ids as the rack has endpoints."""
    found = output(lab, "lspci", "-D", "-n", "-d", "1af4:10f0").splitlines()

    assert [line.split()[:3] for line in found] == [
        [placed.bdf, "1200:", "1af4:10f0"] for placed in ENDPOINTS
    ]


@each_endpoint
def test_lspci_decodes_every_capability(lab: Session, placed: PlacedEndpoint) -> None:
    """PM, MSI-X, PCIe with FLR, AER and the serial number, read by pciutils through QEMU."""
    text = output(lab, "lspci", "-vvv", "-s", placed.bdf)
    serial = "-".join(f"{byte:02x}" for byte in placed.serial.to_bytes(8, "big"))

    assert re.search(r"Capabilities: \[\w+\] Power Management version 3", text)
    assert re.search(rf"MSI-X: Enable- Count={MSIX_VECTORS} Masked-\s+Vector table: BAR=4", text)
    assert re.search(r"Express \(v2\) Endpoint.*FLReset\+", text, re.DOTALL)
    assert re.search(r"Capabilities: \[100 v2\] Advanced Error Reporting", text)
    assert f"Device Serial Number {serial}" in text
    assert "<access denied>" not in text
    assert "[virtual]" not in text


@each_endpoint
def test_bars_are_assigned(lab: Session, placed: PlacedEndpoint) -> None:
    """All three BARs have an address of their size; device memory is 64-bit prefetchable."""
    lines = output(lab, "cat", f"/sys/bus/pci/devices/{placed.bdf}/resource").splitlines()
    rows = [[int(word, 16) for word in line.split()] for line in lines]
    sizes = {bar: rows[bar][1] - rows[bar][0] + 1 for bar in (0, 2, 4)}

    assert sizes == {0: BAR0_BYTES, 2: placed.bar2_bytes, 4: BAR4_BYTES}
    assert all(rows[bar][0] and rows[bar][0] % sizes[bar] == 0 for bar in sizes)
    prefetch_64bit = 0x0010_2000
    assert rows[2][2] & prefetch_64bit == prefetch_64bit


@each_endpoint
def test_the_kernel_watches_the_endpoints_errors(lab: Session, placed: PlacedEndpoint) -> None:
    """The AER service keeps a counter for every kind of error of every endpoint."""
    for severity, total in (("correctable", "TOTAL_ERR_COR"), ("fatal", "TOTAL_ERR_FATAL")):
        path = f"/sys/bus/pci/devices/{placed.bdf}/aer_dev_{severity}"
        rows = dict(line.rsplit(maxsplit=1) for line in output(lab, "cat", path).splitlines())
        counts = {name: int(count) for name, count in rows.items()}

        # Other tests inject errors, so they need not be zero.
        assert counts.pop(total) == sum(counts.values())
        assert len(counts) >= 8


@each_endpoint
def test_an_endpoint_copies_guest_memory(lab: Session, placed: PlacedEndpoint) -> None:
    """Registers by MMIO, rings and page tables by DMA, device memory mapped: one copy works."""
    result = probe(lab, placed)

    assert (result["magic"], result["serial"], result["index"]) == (
        MAGIC,
        placed.serial,
        placed.index,
    )
    assert (result["status"], result["sequence"]) == (0, 7)
    assert result["memory_matches"]


@each_endpoint
def test_an_interrupt_sends_its_message(lab: Session, placed: PlacedEndpoint) -> None:
    """A command's MSI-X vector writes the data of its table entry to the address in it."""
    result = probe(lab, placed, "--interrupt")

    assert result["message"] == 0x1234
    assert result["memory_matches"]


@pytest.mark.parametrize(
    ("method", "cause"), [("flr", ResetCause.FUNCTION), ("bus", ResetCause.SECONDARY_BUS)]
)
def test_a_reset_by_the_kernel_reaches_the_device(
    lab: Session, method: str, cause: ResetCause
) -> None:
    """The device counts the reset, knows its kind and works again."""
    before = probe(lab, ENDPOINTS[0])
    folder = f"/sys/bus/pci/devices/{ENDPOINTS[0].bdf}"
    shell(lab, f"echo {method} >{folder}/reset_method; echo 1 >{folder}/reset")

    after = probe(lab, ENDPOINTS[0])
    assert after["generation"] > before["generation"]
    assert after["reset_cause"] == cause
    assert after["memory_matches"]


def test_a_card_can_be_removed_and_found_again(lab: Session) -> None:
    """After removing a whole card a rescan brings its endpoints back to their places."""
    card = ENDPOINTS[0].path[-2]
    shell(lab, f"echo 1 >/sys/bus/pci/devices/{card}/remove")
    left = output(lab, "lspci", "-D", "-d", "1af4:10f0").splitlines()
    shell(lab, "echo 1 >/sys/bus/pci/rescan")

    assert len(left) == 2
    for placed in ENDPOINTS:
        test_an_endpoint_sits_behind_the_right_ports(lab, placed)
    assert probe(lab, ENDPOINTS[1])["memory_matches"]


@pytest.mark.parametrize(
    ("where", "error", "counter"),
    [
        ("0000:02:01.0", "bad-dllp", "aer_dev_correctable"),
        ("0000:00:01.0", "replay-timeout", "aer_dev_correctable"),
        ("0000:0a:00.0", "bad-tlp", "aer_dev_correctable"),
    ],
)
def test_errors_can_be_injected(lab: Session, where: str, error: str, counter: str) -> None:
    """At a switch port, a root port and an endpoint: the kernel counts exactly one."""
    path = f"/sys/bus/pci/devices/{where}/{counter}"
    before = _total(output(lab, "cat", path))
    command = [sys.executable, "-m", "diag.lab.cli", "aer", "--name", lab.name, where, error]
    subprocess.run(command, cwd=CHECKOUT, check=True, capture_output=True)
    wait = (
        f"for i in $(seq 200); do grep -q '^TOTAL.* {before + 1}$' {path} && break; sleep 0.1; done"
    )
    shell(lab, wait)

    assert _total(output(lab, "cat", path)) == before + 1


def _total(text: str) -> int:
    """The last line of one of the kernel's AER counter files."""
    return int(text.splitlines()[-1].split()[1])


def test_a_masked_error_is_refused(lab: Session) -> None:
    """Nobody would hear of it: the command says which register to write."""
    target = find_function(place_rack(lab.config), "ep0")
    with pytest.raises(LabError, match=r"0000:05:00\.0 masks internal .*setpci"):
        aer.inject(lab, target, "internal")


def test_files_and_folders_are_copied(lab: Session, tmp_path: Path) -> None:
    """A folder arrives in the guest and comes back as it was; a missing file is told."""
    (tmp_path / "one/deep").mkdir(parents=True)
    (tmp_path / "one/deep/file").write_bytes(bytes(range(256)))
    files.copy(lab, str(tmp_path / "one"), "guest:/tmp")
    files.copy(lab, "guest:/tmp/one", str(tmp_path / "two"))
    files.copy(lab, "guest:/tmp/one/deep/file", str(tmp_path))

    assert (tmp_path / "two/deep/file").read_bytes() == bytes(range(256))
    assert (tmp_path / "file").read_bytes() == bytes(range(256))
    with pytest.raises(LabError, match=r"in the guest: .*No such file"):
        files.copy(lab, "guest:/nothing", str(tmp_path))
    with pytest.raises(LabError, match=r"^cannot copy"):
        files.copy(lab, str(tmp_path / "nothing"), "guest:/tmp")


def test_a_lost_link_reads_all_ones(lab: Session) -> None:
    """A fault from the rack's control socket shows in the guest, and can be recovered from."""
    placed = ENDPOINTS[3]
    folder = f"/sys/bus/pci/devices/{placed.bdf}"
    shell(lab, f"echo 1 >{folder}/enable")
    with RackClient(lab.files.rack) as rack:
        alive = output(lab, sys.executable, "-c", READ_MAGIC, folder)
        rack.call("endpoint.remove", endpoint=placed.n)
        lost = output(lab, sys.executable, "-c", READ_MAGIC, folder)
        rack.call("endpoint.restore", endpoint=placed.n)
    # The endpoint lost its BARs with its link: it is enumerated again.
    shell(lab, f"echo 1 >{folder}/remove; echo 1 >/sys/bus/pci/rescan")

    assert (int(alive), int(lost)) == (MAGIC, 0xFFFF_FFFF)
    assert probe(lab, placed)["memory_matches"]


def test_run_passes_output_and_status_through(lab: Session) -> None:
    """accel-lab prints what the command prints and nothing of the kernel's console."""
    script = "echo to stdout; echo to stderr >&2; exit 3"
    command = [sys.executable, "-m", "diag.lab.cli", "run", "--name", lab.name]
    done = subprocess.run(
        [*command, "--accel", "tcg", "--", "sh", "-c", script],
        cwd=CHECKOUT,
        env=os.environ.copy(),
        check=False,
        capture_output=True,
        text=True,
    )

    assert (done.returncode, done.stdout, done.stderr) == (3, "to stdout\n", "to stderr\n")


def test_the_host_is_protected_from_the_guest(lab: Session, tmp_path: Path) -> None:
    """Writes to the host's files stay in the guest's memory."""
    victim = tmp_path / "file"
    victim.write_text("host")
    victim.chmod(0o666)
    shell(lab, "echo guest >/etc/hostname; cat /etc/hostname")
    done = lab.guest.run(["touch", f"{CHECKOUT}/guest-was-here"])

    assert Path("/etc/hostname").read_text() != "guest\n"
    assert done.status != 0
    assert not (CHECKOUT / "guest-was-here").exists()


def test_the_console_has_a_shell(lab: Session) -> None:
    """What is typed on the interactive console is carried out."""
    seen = b""
    with socket.socket(socket.AF_UNIX) as console:
        console.settimeout(COMMAND_TIMEOUT_S)
        console.connect(str(lab.files.console))
        console.sendall(b"echo sum is $((20+3))\n")
        while b"sum is 23" not in seen:
            seen += console.recv(4096)


def test_qemu_can_be_asked(lab: Session) -> None:
    """The control socket answers with the devices of the rack."""
    with lab.qmp() as connection:
        assert connection.execute("query-status")["running"] is True
        buses = json.dumps(connection.execute("query-pci"))

    assert all(f'"qdev_id": "ep{placed.n}"' in buses for placed in ENDPOINTS)


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_run_ends_with_its_program_when_it_is_interrupted(
    lab: Session, number: signal.Signals, status: int
) -> None:
    """Ctrl-C and SIGTERM: the program in the guest ends too, and the guest goes on."""
    started = lab.files.share / f"started-{number}"
    script = f"touch {GUEST_SHARE}/{started.name}; exec sleep 54{number:d}"
    command = [sys.executable, "-m", "diag.lab.cli", "run", "--name", lab.name]
    with subprocess.Popen([*command, "--", "sh", "-c", script], cwd=CHECKOUT) as run:
        while not started.exists():
            assert run.poll() is None
            time.sleep(0.05)
        run.send_signal(number)
        assert run.wait(60) == status

    left = lab.guest.run(
        ["sh", "-c", f"cat /proc/[0-9]*/cmdline | tr '\\0' ' ' | grep -c 'slee[p] 54{number:d}'"]
    )
    assert left.stdout.strip() == b"0"
