# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""A real rack: processes, sockets, and what becomes of it when parts are killed."""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from diag.model.rack.client import RackClient, RackUnreachableError
from diag.model.rack.control import INVALID_PARAMS, MAX_REQUEST_BYTES, REFUSED, RpcError
from diag.model.rack.launch import LaunchError, RunningRack, start_rack, stop_rack
from diag.model.rack.register_view import BLOCKS, READINGS, block_indices
from diag.model.rack.runtime_dir import RackDir, list_racks, running_pid
from diag.model.rack.topology_file import parse_topology
from diag.model.tlp_file import decode
from diag.topo.model import Aer
from diag.topo.sources.rack import RackSource
from pyaccel.spec import regs
from tests.build.racks import MINIMAL, runtime_directory


@pytest.fixture(scope="module")
def base() -> Iterator[Path]:
    """A base directory for the racks of this file."""
    with runtime_directory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setenv("AXL_RUNTIME_DIR", str(folder))
        yield folder


@pytest.fixture(scope="module")
def shared(base: Path) -> Iterator[RunningRack]:
    """A 2x2 rack for tests that leave it as it was."""
    with RunningRack("2x2", name="shared") as running:
        yield running


@pytest.fixture
def fresh(base: Path) -> Iterator[RunningRack]:
    """A 2x2 rack of a test's own."""
    with RunningRack("2x2", name="fresh") as running:
        yield running


def eventually(condition: Callable[[], bool]) -> None:
    """Wait for something that another process does; pytest-timeout bounds it."""
    for _ in range(1000):
        if condition():
            return
        time.sleep(0.01)
    raise AssertionError("it never happened")


def is_alive(pid: int) -> bool:
    """Whether a process exists and is no zombie."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state not in "ZX"


def worker_pids(client: RackClient) -> list[int]:
    """Pids of all workers."""
    return [worker["pid"] for worker in client.call("rack.info")["workers"]]


def accepts(directory: RackDir, number: int) -> bool:
    """Whether an endpoint's socket accepts connections."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as sock:
        try:
            sock.connect(str(directory.socket(f"ep{number}.sock")))
        except OSError:
            return False
        return True


def raw_exchange(directory: RackDir, data: bytes) -> list[dict[str, Any]]:
    """Replies to raw bytes on the control socket, until it has nothing more to say."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as sock:
        sock.settimeout(5)
        sock.connect(str(directory.control))
        try:
            sock.sendall(data)
            sock.shutdown(socket.SHUT_WR)
        except OSError:
            pass  # it hung up on us while we were sending: what it said first counts
        text = b""
        while piece := sock.recv(65536):
            text += piece
    return [json.loads(line) for line in text.splitlines()]


def test_every_socket_accepts_once_the_rack_is_up(shared: RunningRack) -> None:
    """Endpoint sockets accept and are for the owner alone."""
    for number in range(4):
        assert accepts(shared.directory, number)
        mode = shared.directory.socket(f"ep{number}.sock").stat().st_mode
        assert mode & 0o777 == 0o600
    assert shared.directory.control.stat().st_mode & 0o777 == 0o600
    assert shared.directory.events_enable.stat().st_size == 4096


def test_workers_inherit_no_descriptor_of_the_supervisor(shared: RunningRack) -> None:
    """The lock, the control socket and other workers' sockets are closed in a worker."""
    with shared.client() as client:
        client.call("card.restart", card=1)
        pids = worker_pids(client)
        for pid in pids:
            targets = [str(fd.readlink()) for fd in Path(f"/proc/{pid}/fd").iterdir()]
            assert str(shared.directory.pid) not in targets
            # Two listeners and the connection to the supervisor.
            assert sum(target.startswith("socket:") for target in targets) == 3
            assert not any("pidfd" in target for target in targets)


def test_the_topology_file_and_the_endpoints_agree(shared: RunningRack) -> None:
    """What the file says of an endpoint is what its registers say."""
    placement = parse_topology(shared.directory.topology.read_text())
    with shared.client() as client:
        for placed in placement.endpoints:
            rows = client.call("registers.get", endpoint=placed.n, block="IDENT")["registers"]
            values = {row["name"]: row for row in rows}
            assert values["IDENT.BOARD_SERIAL"]["value"] == placed.serial
            assert values["IDENT.ENDPOINT"]["fields"]["INDEX"] == placed.index
            assert values["IDENT.MEMORY_BYTES"]["value"] == placed.bar2_bytes
            rows = client.call("registers.get", endpoint=placed.n, block="ADDR")["registers"]
            captured = next(row for row in rows if row["name"] == "ADDR.CAPTURED")
            assert captured["fields"]["BUS"] == int(placed.bdf[5:7], 16)


def test_every_register_block_can_be_read(shared: RunningRack) -> None:
    """Each block of the register description is served and decoded."""
    with shared.client() as client:
        for block in BLOCKS:
            index = None if block_indices(block) is None else 0
            rows = client.call("registers.get", endpoint=0, block=block, index=index)["registers"]
            expected = {r.name for r in regs.REGISTERS if r.name.startswith(f"{block}.")}
            assert {row["name"] for row in rows} == expected


def test_telemetry_covers_every_register_of_the_block() -> None:
    """No telemetry register is forgotten."""
    block = {r.name for r in regs.REGISTERS if r.name.startswith("TELEMETRY.")}
    assert {r.register.name for r in READINGS} == block - {"TELEMETRY.VALID"}


def test_telemetry_has_values_for_all_endpoints(shared: RunningRack) -> None:
    """A healthy rack has every value of every endpoint."""
    with shared.client() as client:
        rows = client.call("telemetry.get")["endpoints"]
    assert [row["n"] for row in rows] == [0, 1, 2, 3]
    for row in rows:
        assert row["state"] == "online"
        assert None not in row["values"].values()
        assert row["values"]["link_width"] == 16


RAW = {
    "malformed": (b"{]\n", -32700),
    "long line": (b"x" * (MAX_REQUEST_BYTES + 10), -32700),
    "no method": (b'{"jsonrpc": "2.0", "id": 1}\n', -32600),
    "unknown method": (b'{"jsonrpc": "2.0", "id": 1, "method": "rack.fly"}\n', -32601),
    "unknown parameter": (
        b'{"jsonrpc":"2.0","id":1,"method":"who","params":{"a":1}}\n',
        -32602,
    ),
}


@pytest.mark.parametrize(("data", "code"), RAW.values(), ids=RAW.keys())
def test_malformed_control_input_gets_its_error(
    shared: RunningRack, data: bytes, code: int
) -> None:
    """Bad input is answered with the code that JSON-RPC names, and others are still served."""
    replies = raw_exchange(shared.directory, data)
    assert [reply["error"]["code"] for reply in replies] == [code]
    with shared.client() as client:
        assert client.call("rack.info")["name"] == "shared"


def test_a_bad_line_does_not_end_the_connection(shared: RunningRack) -> None:
    """After malformed JSON the next request of the same client is served."""
    replies = raw_exchange(
        shared.directory, b'nonsense\n{"jsonrpc": "2.0", "id": 2, "method": "who"}\n'
    )
    assert replies[0]["error"]["code"] == -32700
    assert (replies[1]["id"], len(replies[1]["result"]["endpoints"])) == (2, 4)


def test_notifications_get_no_reply(shared: RunningRack) -> None:
    """A request without an id is carried out silently, even a wrong one."""
    assert raw_exchange(shared.directory, b'{"jsonrpc": "2.0", "method": "rack.fly"}\n') == []


BAD_CALLS = [
    ("registers.get", {"endpoint": 4, "block": "IDENT"}, "params.endpoint"),
    ("registers.get", {"endpoint": 0, "block": "NONE"}, "params.block"),
    ("registers.get", {"endpoint": 0, "block": "QUEUE"}, "params.index"),
    ("registers.get", {"endpoint": 0, "block": "QUEUE", "index": 16}, "params.index"),
    ("fault.inject", {"endpoint": 0, "fault": "none_such"}, "params.fault"),
    ("fault.inject", {"endpoint": 0, "fault": "hung_queue", "queue": 16}, "params.queue"),
    ("fault.inject", {"endpoint": 0, "fault": "hung_queue", "set": {"x": 1}}, "params.set.x"),
    ("fault.inject", {"endpoint": 0, "fault": "hung_queue", "set": {"after": -1}}, "set.after"),
    ("fault.clear", {"id": 1}, "params.endpoint"),
    ("tap.start", {"path": "relative"}, "params.path"),
    ("card.kill", {"card": 2}, "params.card"),
]


@pytest.mark.parametrize(("method", "params", "where"), BAD_CALLS)
def test_a_bad_parameter_is_refused_by_name(
    shared: RunningRack, method: str, params: dict[str, Any], where: str
) -> None:
    """Invalid parameters are told with the place."""
    with shared.client() as client, pytest.raises(RpcError, match=where) as caught:
        client.call(method, **params)
    assert caught.value.code == INVALID_PARAMS


def test_a_client_that_does_not_read_hurts_nobody(shared: RunningRack) -> None:
    """Replies to a silent client pile up only to a bound; others are served meanwhile."""
    request = b'{"jsonrpc": "2.0", "id": 1, "method": "telemetry.get"}\n'
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as sock, shared.client() as client:
        sock.connect(str(shared.directory.control))
        sock.setblocking(False)
        for _ in range(200):
            if select.select([], [sock], [], 0)[1]:
                sock.send(request)
        assert client.call("rack.info")["name"] == "shared"


def test_a_client_that_floods_takes_no_request_from_others(shared: RunningRack) -> None:
    """Thousands of requests of one client wait in its own line; another is never told BUSY."""
    request = b'{"jsonrpc": "2.0", "id": 1, "method": "telemetry.get"}\n'
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as sock, shared.client() as client:
        sock.connect(str(shared.directory.control))
        sock.setblocking(False)
        for _ in range(30):
            with contextlib.suppress(BlockingIOError):
                sock.send(request * 1000)
            rows = client.call("telemetry.get")["endpoints"]
            assert [row["state"] for row in rows] == ["online"] * 4
            with contextlib.suppress(BlockingIOError):
                assert b"BUSY" not in sock.recv(1 << 20)


def test_a_flood_is_answered_in_full_and_in_order(shared: RunningRack) -> None:
    """Nothing that waits is lost, also when the client has said its last word."""
    count = 500
    text = b"".join(
        b'{"jsonrpc": "2.0", "id": %d, "method": "rack.info"}\n' % n for n in range(count)
    )
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as sock:
        sock.connect(str(shared.directory.control))
        threading.Thread(target=lambda: (sock.sendall(text), sock.shutdown(socket.SHUT_WR))).start()
        with sock.makefile("rb") as stream:
            ids = [json.loads(line)["id"] for line in stream]
    assert ids == list(range(count))


def test_a_stuck_worker_holds_up_only_those_who_ask_it(fresh: RunningRack) -> None:
    """A client cannot use up the places for requests of a stopped worker: no BUSY for others."""
    request = b'{"jsonrpc": "2.0", "id": 1, "method": "telemetry.get"}\n'
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as sock, fresh.client() as client:
        os.kill(worker_pids(client)[0], signal.SIGSTOP)
        sock.connect(str(fresh.directory.control))
        sock.sendall(request * 1000)
        for _ in range(20):
            assert client.call("rack.info")["name"] == "fresh"
            row = client.call("telemetry.get", endpoint=2)["endpoints"][0]
            assert row["state"] == "online"
        assert "no answer" in client.call("telemetry.get", endpoint=0)["endpoints"][0]["reason"]


def test_events_are_switched_by_the_enable_word(shared: RunningRack) -> None:
    """The first word of events.enable tells clients whether to record."""

    def word() -> int:
        (value,) = struct.unpack_from("<I", shared.directory.events_enable.read_bytes())
        return int(value)

    with shared.client() as client:
        assert client.call("events.enable")["enabled"]
        assert word() == 1
        client.call("events.disable")
        assert word() == 0


def test_faults_are_armed_listed_and_cleared(shared: RunningRack) -> None:
    """A fault is active on its endpoint from inject to clear."""
    with shared.client() as client:
        armed = client.call(
            "fault.inject",
            endpoint=3,
            fault="lost_completion",
            queue=1,
            seed=9,
            set={"after": 10, "opcode": "copy"},
        )
        rows = client.call("fault.active")["endpoints"]
        assert [len(row["faults"]) for row in rows] == [0, 0, 0, 1]
        given = rows[3]["faults"][0]["parameters"]
        assert (given["queue"], given["seed"], given["after"], given["opcode"]) == (1, 9, 10, 1)
        cleared = client.call("fault.clear", endpoint=3, id=armed["id"])["endpoints"]
        assert cleared == [{"n": 3, "cleared": 1}]
        assert client.call("fault.log", endpoint=3)["endpoints"][0]["log"] == []


def test_the_fault_catalogue_is_listed(shared: RunningRack) -> None:
    """Every fault is told with its parameters."""
    with shared.client() as client:
        faults = {fault["name"]: fault for fault in client.call("fault.list")["faults"]}
    assert {"lost_completion", "link_down", "hung_queue"} <= faults.keys()
    assert any(p["name"] == "after" for p in faults["lost_completion"]["parameters"])


def test_a_tap_makes_a_readable_file(shared: RunningRack, tmp_path: Path) -> None:
    """Start, status and stop; the file names all endpoints and is complete."""
    path = tmp_path / "run.axltlp"
    with shared.client() as client:
        client.call("tap.start", path=str(path))
        with pytest.raises(RpcError, match="stop it first"):
            client.call("tap.start", path=str(tmp_path / "other"))
        assert client.call("tap.status")["running"]
        summary = client.call("tap.stop")
        assert client.call("tap.status") == {"running": False, "path": None}
    about, records = decode(path.read_bytes())
    assert (summary["errors"], summary["dropped"], about["dropped"]) == ([], 0, 0)
    assert [endpoint["n"] for endpoint in about["endpoints"]] == [0, 1, 2, 3]
    assert len(records) == summary["records"]


def test_a_tap_does_not_overwrite_a_file(shared: RunningRack, tmp_path: Path) -> None:
    """What was recorded before is kept."""
    path = tmp_path / "precious"
    path.write_text("data")
    with shared.client() as client, pytest.raises(RpcError, match="name a new file") as caught:
        client.call("tap.start", path=str(path))
    assert caught.value.code == REFUSED
    assert path.read_text() == "data"


def test_a_removed_endpoint_is_gone_until_restored(fresh: RunningRack) -> None:
    """Surprise link-down: no values, a reason; afterwards a new generation."""
    with fresh.client() as client:
        assert client.call("endpoint.remove", endpoint=2)["state"] == "gone"
        row = client.call("telemetry.get", endpoint=2)["endpoints"][0]
        assert set(row["values"].values()) == {None}
        assert set(row["unavailable"]) == set(row["values"])
        with pytest.raises(RpcError, match="link-down"):
            client.call("registers.get", endpoint=2, block="IDENT")
        restored = client.call("endpoint.restore", endpoint=2)
        assert (restored["state"], restored["address"]["state"]) == ("online", "stale")
        assert restored["generation"] > 0
    assert parse_topology(fresh.directory.topology.read_text()).generation == 2


def test_a_cleared_link_down_is_told_in_the_topology(fresh: RunningRack) -> None:
    """By whatever way the link comes back, the topology has a new generation."""
    with fresh.client() as client:
        fault = client.call("fault.inject", endpoint=1, fault="link_down")
        assert client.call("topology.get")["endpoints"][1]["state"] == "gone"
        client.call("fault.clear", endpoint=1, id=fault["id"])
        assert client.call("topology.get")["generation"] == 2
        client.call("fault.inject", endpoint=1, fault="link_down")
        assert client.call("endpoint.restore", endpoint=1)["state"] == "online"
        assert client.call("fault.active", endpoint=1)["endpoints"][0]["faults"] == []
        assert client.call("topology.get")["generation"] == 3
        client.call("fault.inject", endpoint=1, fault="link_down", set={"duration_ms": 1})
        eventually(lambda: client.call("topology.get")["generation"] == 4)


def test_errors_are_counted_and_named(fresh: RunningRack) -> None:
    """aer.get: counts and pending errors per endpoint, null for one that is gone."""
    with fresh.client() as client:
        client.call("endpoint.remove", endpoint=3)
        rows = client.call("aer.get")["endpoints"]
        assert rows[0]["counts"] == {"correctable": 0, "nonfatal": 0, "fatal": 0}
        assert rows[0]["uncorrectable"] == rows[0]["correctable"] == []
        assert rows[3]["counts"] is None
        shown = RackSource(fresh.directory).read().endpoints
        assert (shown[0].aer, shown[3].aer) == (Aer(0, 0, 0), Aer())
        assert "aer" in shown[3].unavailable
        assert "aer" not in shown[0].unavailable
        client.call("card.kill", card=0)
        eventually(lambda: client.call("aer.get", endpoint=0)["endpoints"][0]["counts"] is None)


def test_a_reset_endpoint_has_its_bars_again(fresh: RunningRack) -> None:
    """Firmware's step follows every reset: peers still reach the device memory."""
    with fresh.client() as client:
        before = client.call("topology.get")["endpoints"][1]["generation"]
        after = client.call("endpoint.reset", endpoint=1)
        assert after["generation"] == before + 1
        assert after["reset_cause"] == "secondary_bus"
        rows = client.call("registers.get", endpoint=1, block="ADDR")["registers"]
        status = next(row for row in rows if row["name"] == "ADDR.STATUS")
        assert status["fields"]["CAPTURED_VALID"] == 1


def test_a_killed_worker_leaves_the_other_card_serving(fresh: RunningRack) -> None:
    """SIGKILL of one worker: its endpoints are gone, the others answer, restart heals."""
    with fresh.client() as client:
        victim, survivor = worker_pids(client)
        os.kill(victim, signal.SIGKILL)
        eventually(lambda: client.call("rack.info")["workers"][0]["state"] == "dead")
        rows = client.call("telemetry.get")["endpoints"]
        assert [row["state"] for row in rows] == ["gone", "gone", "online", "online"]
        assert "SIGKILL" in rows[0]["reason"]
        assert accepts(fresh.directory, 2)
        assert not accepts(fresh.directory, 0)
        answer = client.call("card.restart", card=0)
        assert answer["generation"] == 2
        assert accepts(fresh.directory, 0)
        rows = client.call("topology.get")["endpoints"]
        assert {row["state"] for row in rows} == {"online"}
        assert worker_pids(client)[1] == survivor


def test_a_crashed_worker_is_told_with_its_signal(fresh: RunningRack) -> None:
    """A segmentation fault of one card is seen as such."""
    with fresh.client() as client:
        os.kill(worker_pids(client)[1], signal.SIGSEGV)
        eventually(lambda: client.call("rack.info")["workers"][1]["state"] == "dead")
        assert client.call("who")["endpoints"][3]["reason"].endswith("killed by SIGSEGV")


def test_a_stuck_worker_makes_its_endpoints_stale(fresh: RunningRack) -> None:
    """A stopped worker costs one deadline, no hang; killing it brings the card back."""
    with fresh.client() as client:
        stuck = worker_pids(client)[0]
        os.kill(stuck, signal.SIGSTOP)
        rows = client.call("telemetry.get")["endpoints"]
        assert [row["state"] for row in rows] == ["stale", "stale", "online", "online"]
        assert "no answer within" in rows[0]["reason"]
        client.call("card.restart", card=0)
        assert {row["state"] for row in client.call("who")["endpoints"]} == {"online"}


def test_the_kill_drill_kills_and_refuses_twice(fresh: RunningRack) -> None:
    """card.kill ends the worker; a card without one cannot be killed again."""
    with fresh.client() as client:
        assert len(client.call("card.kill", card=1)["killed"]) == 1
        eventually(lambda: client.call("rack.info")["workers"][1]["state"] == "dead")
        with pytest.raises(RpcError, match=r"card\.restart"):
            client.call("card.kill", card=1)


def test_auto_restart_brings_a_card_back(base: Path) -> None:
    """With --auto-restart a killed worker is replaced without anybody asking."""
    with RunningRack("1x1", name="auto", auto_restart=True) as running, running.client() as client:
        (first,) = worker_pids(client)
        os.kill(first, signal.SIGKILL)
        eventually(lambda: client.call("rack.info")["workers"][0]["starts"] == 2)
        eventually(lambda: client.call("rack.info")["workers"][0]["state"] == "running")
        assert worker_pids(client) != [first]


def test_a_second_rack_of_the_same_name_is_refused(shared: RunningRack) -> None:
    """The error names the pid and both ways out; the first rack is not disturbed."""
    pid = running_pid(shared.directory)
    with pytest.raises(LaunchError, match=rf"runs already \(pid {pid}\).*accel-rack down shared"):
        start_rack("2x2", "shared")
    with shared.client() as client:
        assert client.call("rack.info")["pid"] == pid


def test_down_leaves_nothing_behind(base: Path) -> None:
    """No process and no file is left."""
    directory = start_rack("2x2", "gone")
    with RackClient(directory) as client:
        pids = [client.call("rack.info")["pid"], *worker_pids(client)]
    assert stop_rack(directory)
    assert not any(is_alive(pid) for pid in pids)
    assert not directory.path.exists()


def test_workers_die_with_their_supervisor(base: Path) -> None:
    """SIGKILL of the supervisor: the workers go, and the next start clears the leftovers."""
    directory = start_rack("2x2", "orphan")
    with RackClient(directory) as client:
        pids = worker_pids(client)
    supervisor = running_pid(directory)
    assert supervisor is not None
    os.kill(supervisor, signal.SIGKILL)
    eventually(lambda: not any(is_alive(pid) for pid in pids))
    assert directory.control.exists()
    assert directory in list_racks()
    with pytest.raises(RackUnreachableError, match="Connection refused"):
        RackClient(directory)
    with RunningRack("1x1", name="orphan") as running, running.client() as client:
        assert client.call("rack.info")["rack"] == "1x1"
        assert not directory.socket("ep1.sock").exists()


def test_down_clears_what_a_killed_rack_left(base: Path) -> None:
    """stop_rack without a supervisor removes the files and says that nothing ran."""
    directory = start_rack("1x1", "dead")
    supervisor = running_pid(directory)
    assert supervisor is not None
    os.kill(supervisor, signal.SIGKILL)
    eventually(lambda: not is_alive(supervisor))
    assert not stop_rack(directory)
    assert not directory.path.exists()


def test_sigterm_is_an_orderly_end(base: Path) -> None:
    """A supervisor that is terminated clears its folder."""
    directory = start_rack("1x1", "term")
    supervisor = running_pid(directory)
    assert supervisor is not None
    os.kill(supervisor, signal.SIGTERM)
    eventually(lambda: not directory.path.exists())


@pytest.mark.parametrize(("grouping", "workers"), [("card", 1), ("endpoint", 2), ("rack", 1)])
def test_processes_follow_the_rack_file(
    base: Path, tmp_path: Path, grouping: str, workers: int
) -> None:
    """One worker per card, per endpoint or per rack, as the file says."""
    text = MINIMAL.replace("endpoints: 1", "switch: yes, endpoints: 2")
    path = tmp_path / "r.yaml"
    path.write_text(f"{text}processes: {grouping}\n")
    with RunningRack(str(path), name="group") as running, running.client() as client:
        assert len(worker_pids(client)) == workers


def test_fault_presets_are_armed_at_the_start(base: Path, tmp_path: Path) -> None:
    """A preset of the rack file is active from the first command on."""
    path = tmp_path / "r.yaml"
    path.write_text(MINIMAL + "faults: [{fault: hung_queue, endpoint: 0, queue: 2, seed: 5}]\n")
    with RunningRack(str(path), name="preset") as running, running.client() as client:
        (fault,) = client.call("fault.active")["endpoints"][0]["faults"]
        assert (fault["fault"], fault["parameters"]["queue"]) == ("hung_queue", 2)


def test_an_unknown_fault_preset_keeps_the_rack_down(base: Path, tmp_path: Path) -> None:
    """A rack file with a fault that does not exist is refused at start, and nothing is left."""
    path = tmp_path / "r.yaml"
    path.write_text(MINIMAL + "faults: [{fault: gremlins, endpoint: 0}]\n")
    with pytest.raises(LaunchError, match="there is no fault 'gremlins'"):
        start_rack(str(path), "preset")
    assert not (base / "preset").exists()


def test_a_client_that_gives_up_waiting_says_where(base: Path) -> None:
    """A control socket that never answers ends the call at the deadline."""
    path = base / "mute.sock"
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
        listener.bind(str(path))
        listener.listen()
        with (
            RackClient(path, timeout_s=0.05) as client,
            pytest.raises(RackUnreachableError, match=r"mute\.sock: who: .*time"),
        ):
            client.call("who")
    path.unlink()


def test_the_foreground_rack_ends_with_ctrl_c(base: Path) -> None:
    """`up --foreground` serves until SIGINT and clears its folder."""
    command = [sys.executable, "-m", "diag.model.cli", "up", "--rack", "1x1", "-n", "fore"]
    with subprocess.Popen([*command, "--foreground"], stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        assert "rack fore is up" in process.stderr.readline()
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == 0
    assert not (base / "fore").exists()
