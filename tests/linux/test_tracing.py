# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""The driver's tracepoints, seen by the tools that people have: none of ours is needed."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from diag.lab.supervisor import CHECKOUT
from diag.model.rack.enumerate import enumerate_rack
from diag.model.rack.spec import load_rack
from tests.linux.conftest import Driver

pytestmark = [pytest.mark.guest, pytest.mark.timeout(400)]

BDF = enumerate_rack(load_rack("2x2")).endpoints[0].bdf
COUNT = 100
BYTES = 64 * COUNT
TRACING = "/sys/kernel/tracing"
ENV = f"PYTHONPATH={CHECKOUT}"
WORK = f"{sys.executable} -m tests.linux.guest_work {BDF} {COUNT}"
TABLE = yaml.safe_load((CHECKOUT / "drivers/spec/formats.yaml").read_text())["tracepoints"]


@pytest.fixture(autouse=True)
def quiet_kernel(driver: Driver) -> Iterator[None]:
    """Every test fails when the kernel complains while it runs."""
    start = driver.lab.kernel_log_bytes()
    yield
    assert driver.lab.check_kernel_log(start, (r"pcieport|aer_inject|AER: PCIe Bus Error",)) == []


@pytest.fixture
def tool(request: pytest.FixtureRequest) -> str:
    """A program of the host, which the guest has too; skips where it is not installed."""
    if shutil.which(request.param) is None:
        pytest.skip(f"{request.param} is not installed")
    return str(request.param)


@dataclass(frozen=True, slots=True)
class Seen:
    """One line of a trace."""

    name: str
    thread: str
    fields: dict[str, str]


def parse(text: str) -> list[Seen]:
    """Events of tracefs' `trace` or `trace-cmd report`."""
    lines = re.findall(r"(?m)^ *(\S.*)-\d+ +\[\d+\].*: axl_(\w+): +(.*)$", text)
    return [
        Seen(name, thread.strip(), dict(pair.split("=", 1) for pair in fields.split()))
        for thread, name, fields in lines
    ]


def traced(driver: Driver, script: str) -> tuple[list[Seen], str]:
    """What tracefs shows of a shell script, and what the script printed last."""
    switch = f"{TRACING}/events/axl/enable"
    text = driver.shell(
        f"echo >{TRACING}/trace; echo 1 >{switch}; cd {CHECKOUT}; {script};"
        f" echo 0 >{switch}; cat {TRACING}/trace"
    )
    output, _, trace = text.partition("# tracer:")
    return parse(trace), output


def counts(events: list[Seen]) -> Counter[str]:
    """How often each event was seen."""
    return Counter(event.name for event in events)


def test_the_kernel_shows_the_documented_fields(driver: Driver) -> None:
    """Every tracepoint has the fields of the table, in its order and with its types."""
    text = driver.shell(f"cd {TRACING}/events/axl; grep -H field: */format")
    shown: dict[str, list[tuple[str, str]]] = {}
    for event, type_, name in re.findall(r"(?m)^axl_(\w+)/format:\tfield:(u\d+) (\w+);", text):
        shown.setdefault(event, []).append((name, type_))
    table = {
        event: [
            (name, TABLE["fields"][name]["type"])
            for name in [*TABLE["common"], *TABLE["classes"][body["class"]]]
        ]
        for event, body in TABLE["events"].items()
    }
    assert shown == table


def test_events_of_the_work_are_complete(driver: Driver) -> None:
    """Every command is there once at every stage; what was made or mapped also ends."""
    events, output = traced(driver, f"{ENV} {WORK}")
    seen = counts(events)

    stages = ("submit", "fetch", "start", "finish", "complete")
    assert {seen[stage] for stage in stages} == {COUNT}
    assert seen["doorbell"] == COUNT / 10
    assert (seen["queue_create"], seen["queue_destroy"]) == (1, 1)
    assert (seen["dma_map"], seen["dma_unmap"]) == (2, 2)
    done = [event.fields for event in events if event.name == "complete"]
    assert {(e["opcode"], e["direction"], e["status"]) for e in done} == {
        ("copy", "host_to_device", "ok")
    }
    assert [int(e["sequence"]) for e in done] == list(range(1, COUNT + 1))
    pid = output.split()[-1]
    asked = [e for e in events if "pid" in e.fields]
    assert {e.fields["pid"] for e in asked} == {pid}
    assert {e.name for e in asked} >= {"submit", "doorbell", "dma_map", "queue_create"}
    # Stages that the process did not ask for name no process, whoever found them.
    assert not any("pid" in e.fields for e in events if e.name in {"complete", "irq", "fetch"})


@pytest.mark.parametrize(
    ("kind", "register"), [("nonfatal", 0x4000), ("fatal", 0x40000), ("correctable", 0)]
)
def test_an_aer_error_is_told_with_its_register(driver: Driver, kind: str, register: int) -> None:
    """Severity and status register; a fatal one also is a reset by the operating system."""
    events, _ = traced(
        driver, f"{ENV} {sys.executable} -m tests.linux.guest_checks aer {BDF} {kind}"
    )

    told = [e.fields for e in events if e.name == "aer"]
    assert {(e["severity"], int(e["status_register"], 16)) for e in told} == {(kind, register)}
    resets = [e.fields for e in events if e.name.startswith("reset_")]
    if kind != "fatal":
        assert resets == []
        return
    assert [e["kind"] for e in resets] == ["os", "os"]
    assert resets[1]["outcome"] == "ok"
    changes = [e.fields["change"] for e in events if e.name == "topology"]
    assert changes == ["addressed"]
    lost = [e.fields["status"] for e in events if e.name == "complete"]
    assert lost == ["aborted", "ok"]


def test_a_reset_by_ioctl_is_told_with_its_kind(driver: Driver) -> None:
    """The process that asked for the reset is named."""
    check = f"{ENV} {sys.executable} -m tests.linux.guest_checks reset {BDF} 1"
    events, _ = traced(driver, check)

    resets = [e for e in events if e.name.startswith("reset_")]
    assert [(e.name, e.fields["kind"]) for e in resets] == [
        ("reset_begin", "function"),
        ("reset_end", "function"),
    ]
    submits = [e.fields["pid"] for e in events if e.name == "submit"]
    assert {e.fields["pid"] for e in resets} == set(submits)


def test_the_kernel_s_own_resets_name_no_process(driver: Driver) -> None:
    """A hung queue is reset by a worker: kind and queue are told, and nobody asked for it."""
    with driver.rack() as rack:
        rack.call("fault.inject", endpoint=0, fault="hung_queue", set={}, queue=0)
    check = f"{ENV} {sys.executable} -m tests.linux.guest_checks hang {BDF}"
    events, _ = traced(driver, check)

    resets = [e.fields for e in events if e.name.startswith("reset_")]
    assert {(e["kind"], e["queue"], e["pid"], e["tid"]) for e in resets} == {
        ("queue", "0", "0", "0")
    }
    assert "aborted" in {e.fields["status"] for e in events if e.name == "complete"}


def test_a_fault_is_an_error_event(driver: Driver) -> None:
    """The error block's record: code, command and address."""
    check = f"{ENV} {sys.executable} -m tests.linux.guest_checks faults {BDF}"
    events, _ = traced(driver, check)

    first = next(e.fields for e in events if e.name == "error")
    assert (first["code"], first["opcode"]) == ("page_fault", "copy")
    assert int(first["va"], 16) != 0


def test_topology_follows_the_driver(driver: Driver) -> None:
    """Unbinding is told, and the others are given new addresses; binding likewise."""
    drivers = "/sys/bus/pci/drivers/axl"
    events, _ = traced(driver, f"echo {BDF} >{drivers}/unbind; echo {BDF} >{drivers}/bind")

    changes = [(e.fields["dev"] == BDF, e.fields["change"]) for e in events if e.name == "topology"]
    others = [(False, "addressed")] * 3
    assert changes == [
        (True, "removed"), *others, (True, "addressed"), (True, "appeared"), *others,
    ]  # fmt: skip


@pytest.mark.parametrize("tool", ["trace-cmd"], indirect=True)
def test_trace_cmd_records_and_decodes(driver: Driver, tool: str) -> None:
    """Recorded and reported: all events, none lost, codes as names."""
    text = driver.shell(
        f"cd {CHECKOUT}; {ENV} {tool} record -q -e 'axl:*' -o /tmp/axl.dat {WORK} >/dev/null;"
        f" {tool} report -i /tmp/axl.dat 2>&1; rm /tmp/axl.dat"
    )
    events = parse(text)

    assert "LOST" not in text
    assert (counts(events)["submit"], counts(events)["complete"]) == (COUNT, COUNT)
    assert {e.fields["opcode"] for e in events if e.name == "submit"} == {"copy"}


@pytest.mark.parametrize("tool", ["perf"], indirect=True)
def test_perf_counts_exactly(driver: Driver, tool: str) -> None:
    """One `perf stat` over all axl events: one submit and one completion for each command."""
    text = driver.shell(
        f"cd {CHECKOUT}; {ENV} {tool} stat -a -x , -e 'axl:*' -- {WORK} 2>&1 >/dev/null"
    )
    found = {name: int(count) for count, name in re.findall(r"(?m)^(\d+),,axl:axl_(\w+),", text)}

    assert (found["submit"], found["complete"], found["doorbell"]) == (COUNT, COUNT, COUNT / 10)
    assert set(found) == set(TABLE["events"])


HISTOGRAM = """
tracepoint:axl:axl_submit { @submits = count(); }
tracepoint:axl:axl_start { @start[args->bdf, args->queue, args->sequence] = args->time_ns; }
tracepoint:axl:axl_finish /@start[args->bdf, args->queue, args->sequence]/ {
  @ns[args->queue] = hist(args->time_ns - @start[args->bdf, args->queue, args->sequence]);
  delete(@start[args->bdf, args->queue, args->sequence]);
}
"""


@pytest.mark.parametrize("tool", ["bpftrace"], indirect=True)
def test_bpftrace_makes_a_histogram(driver: Driver, tool: str) -> None:
    """Time from start to finish per queue, aggregated in the kernel: every command counts."""
    program = shlex.quote(HISTOGRAM)
    text = driver.shell(f"cd {CHECKOUT}; {ENV} {tool} -f json -e {program} -c {shlex.quote(WORK)}")
    maps: dict[str, Any] = {}
    for line in text.splitlines():
        if line.startswith('{"type": ') and isinstance(json.loads(line)["data"], dict):
            maps |= json.loads(line)["data"]

    assert maps["@submits"] == COUNT
    (buckets,) = maps["@ns"].values()
    assert sum(bucket["count"] for bucket in buckets) == COUNT


def test_bcc_counts_in_the_kernel(driver: Driver, headers: Path) -> None:
    """TRACEPOINT_PROBE reads typed fields: commands, and bytes by direction."""
    if not Path("/usr/lib/python3/dist-packages/bcc").is_dir():
        pytest.skip("python3-bpfcc is not installed")
    common = str(headers).removesuffix("-amd64") + "-common"
    text = driver.shell(
        f"cd {CHECKOUT}; modules=/lib/modules/$(uname -r);"
        f" ln -sfn {headers} $modules/build; ln -sfn {common} $modules/source;"
        f" {ENV} /usr/bin/python3 tests/linux/guest_bcc.py {WORK}"
    )

    host_to_device = "1"
    assert json.loads(text.splitlines()[-1]) == {
        "submits": COUNT,
        "completes": COUNT,
        "bytes": {host_to_device: BYTES},
    }
