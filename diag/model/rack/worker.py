# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""A worker process: the endpoints of one card, their vfio-user servers, one event loop."""

from __future__ import annotations

import contextlib
import signal
import socket
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from diag.model.bus import ResetKind
from diag.model.fabric import Fabric
from diag.model.loop import Loop
from diag.model.pci_caps import AER_CORRECTABLE_NAMES, AER_UNCORRECTABLE_NAMES, error_names
from diag.model.rack import fault_catalogue
from diag.model.rack.channel import RpcServer
from diag.model.rack.control import (
    MAX_REPLY_BYTES,
    METHOD_NOT_FOUND,
    REFUSED,
    Json,
    Request,
    Respond,
    RpcError,
)
from diag.model.rack.placement import PlacedEndpoint
from diag.model.rack.queue_view import describe_queues
from diag.model.rack.rack_endpoint import RackEndpoint
from diag.model.rack.register_view import ReadRegister, no_telemetry, read_block, read_telemetry
from diag.model.rack.runtime_dir import RackDir
from diag.model.rack.spec import RackSpec
from diag.model.rack.tap import TapWriter
from diag.model.tlp import TlpTap
from diag.model.vfio_user.server import ServerOptions, VfioUserServer
from pyaccel.spec import regs
from pyaccel.spec.types import Register

UNBLOCK_S: Final = 0.1
"""How long a client can block this process by a trick with its interrupt eventfd."""
LINK_DOWN: Final = "surprise link-down: reads return all-ones"


@dataclass(frozen=True, slots=True)
class WorkerContext:
    """What every worker of a rack shares; made before the first fork."""

    spec: RackSpec
    directory: RackDir
    fabric: Fabric
    firmware: bool = True
    """Whether endpoints are enumerated here; see RackEndpoint."""


@dataclass(slots=True)
class _Served:
    """One endpoint with the server in front of it."""

    placed: PlacedEndpoint
    endpoint: RackEndpoint
    server: VfioUserServer


class Worker:
    """Serves endpoints until the supervisor hangs up.

    Args:
        context: shared by all workers.
        endpoints: what to serve.
        sock: connection to the supervisor.
    """

    def __init__(
        self, context: WorkerContext, endpoints: tuple[PlacedEndpoint, ...], sock: socket.socket
    ) -> None:
        self._loop = Loop()
        self._served = {placed.n: self._serve(context, placed) for placed in endpoints}
        self._tap: TapWriter | None = None
        self._methods: dict[str, Callable[[dict[str, Json]], Json]] = {
            "status": self._rows(self._status),
            "telemetry": self._rows(self._telemetry),
            "who": self._rows(self._who),
            "aer": self._rows(self._aer),
            "sample": self._rows(self._sample),
            "registers": self._registers,
            "fault.inject": self._fault_inject,
            "fault.active": self._rows(self._fault_active),
            "fault.clear": self._rows(self._fault_clear),
            "fault.log": self._rows(self._fault_log),
            "tap.start": self._tap_start,
            "tap.stop": self._tap_stop,
            "tap.status": self._tap_status,
            "endpoint.remove": self._remove,
            "endpoint.restore": self._restore,
            "endpoint.reset": self._reset,
        }
        self._arm_presets(context.spec)
        self._supervisor = RpcServer(
            self._loop,
            sock,
            limit=MAX_REPLY_BYTES,
            dispatch=self._dispatch,
            on_close=self._loop.stop,
        )

    def run(self) -> None:
        """Tell the supervisor that the sockets accept, and serve."""
        signal.signal(signal.SIGALRM, _ignore_signal)
        self._supervisor.notify("ready", {})
        self._loop.run()

    def _serve(self, context: WorkerContext, placed: PlacedEndpoint) -> _Served:
        endpoint = RackEndpoint(placed, self._loop, context.fabric, firmware=context.firmware)
        path = context.directory.socket(placed.socket)
        # A worker that was killed leaves its socket behind.
        path.unlink(missing_ok=True)
        options = ServerOptions(
            on_connect=self._clients_changed, on_disconnect=self._clients_changed
        )
        server = VfioUserServer(str(path), endpoint, self._loop, options)
        endpoint.on_retrained = lambda: self._supervisor.notify("retrained", {"endpoint": placed.n})
        return _Served(placed, endpoint, server)

    def _clients_changed(self) -> None:
        """While there are clients a signal comes now and then: it ends a write that blocks."""
        has_clients = any(served.server.has_client for served in self._served.values())
        interval = UNBLOCK_S if has_clients else 0
        signal.setitimer(signal.ITIMER_REAL, interval, interval)

    def _arm_presets(self, spec: RackSpec) -> None:
        for preset in spec.faults:
            if preset.endpoint in self._served:
                faults = self._served[preset.endpoint].endpoint.faults
                fault_catalogue.arm(faults, preset.fault, fault_catalogue.preset_settings(preset))

    def _dispatch(self, request: Request, respond: Respond) -> None:
        method = self._methods.get(request.method)
        if method is None:
            raise RpcError(METHOD_NOT_FOUND, f"workers have no method {request.method!r}")
        respond(method(request.params))

    def _rows(
        self, describe: Callable[[_Served, dict[str, Json]], dict[str, Any]]
    ) -> Callable[[dict[str, Json]], Json]:
        """A method that answers with one row per endpoint, or for the one that was named."""

        def method(params: dict[str, Json]) -> Json:
            chosen = params.get("endpoint")
            rows = [
                {"n": n, **describe(served, params)}
                for n, served in self._served.items()
                if chosen is None or chosen == n
            ]
            return {"endpoints": rows}

        return method

    def _one(self, params: dict[str, Json]) -> _Served:
        return self._served[params["endpoint"]]

    def _status(self, served: _Served, _: dict[str, Json]) -> dict[str, Any]:
        endpoint = served.endpoint
        read = _reader(endpoint)
        state, reason = _health(endpoint)
        address = regs.ADDR_STATUS.decode(read(regs.ADDR_STATUS, ()))
        rejected = address["STATE"] == regs.AddressState.REJECTED
        cause = regs.CTRL_RESET_CAUSE.get(read(regs.CTRL_RESET_CAUSE, ()), "CAUSE")
        return {
            "state": state,
            "reason": reason,
            "generation": read(regs.CTRL_GENERATION, ()),
            "reset_cause": regs.ResetCause(cause).name.lower(),
            "address": {
                "state": regs.AddressState(address["STATE"]).name.lower(),
                "reason": regs.AddressReason(address["REASON"]).name.lower() if rejected else None,
                "generation": read(regs.ADDR_GENERATION, ()),
            },
            "client_pid": served.server.client_pid,
        }

    def _telemetry(self, served: _Served, _: dict[str, Json]) -> dict[str, Any]:
        state, reason = _health(served.endpoint)
        head = {"state": state, "reason": reason}
        if state == "gone":
            return {**head, **no_telemetry(LINK_DOWN)}
        return {**head, **read_telemetry(_reader(served.endpoint))}

    def _sample(self, served: _Served, _: dict[str, Json]) -> dict[str, Any]:
        """All that changes while an endpoint works, in one answer."""
        link_up = served.endpoint.link_up
        return {
            **self._telemetry(served, {}),
            **self._status(served, {}),
            "aer": dict(served.endpoint.config_space.aer_counts) if link_up else None,
            "queues": describe_queues(served.endpoint.engine.queues) if link_up else None,
        }

    def _who(self, served: _Served, _: dict[str, Json]) -> dict[str, Any]:
        state, reason = _health(served.endpoint)
        return {"state": state, "reason": reason, "pid": served.server.client_pid}

    def _aer(self, served: _Served, _: dict[str, Json]) -> dict[str, Any]:
        state, reason = _health(served.endpoint)
        head = {"state": state, "reason": reason}
        if state == "gone":
            return {**head, "counts": None, "uncorrectable": None, "correctable": None}
        space = served.endpoint.config_space
        uncorrectable, correctable = space.aer_status
        return {
            **head,
            "counts": dict(space.aer_counts),
            "uncorrectable": error_names(AER_UNCORRECTABLE_NAMES, uncorrectable),
            "correctable": error_names(AER_CORRECTABLE_NAMES, correctable),
        }

    def _registers(self, params: dict[str, Json]) -> Json:
        served = self._one(params)
        if not served.endpoint.link_up:
            raise RpcError(REFUSED, LINK_DOWN)
        block, index = params["block"], params.get("index")
        rows = read_block(block, index, _reader(served.endpoint))
        return {"n": served.placed.n, "block": block, "index": index, "registers": rows}

    def _fault_inject(self, params: dict[str, Json]) -> Json:
        served = self._one(params)
        faults = served.endpoint.faults
        armed = fault_catalogue.arm(faults, params["fault"], params.get("set") or {})
        return {"n": served.placed.n, **armed}

    def _fault_active(self, served: _Served, _: dict[str, Json]) -> dict[str, Any]:
        return {"faults": served.endpoint.faults.active()}

    def _fault_clear(self, served: _Served, params: dict[str, Json]) -> dict[str, Any]:
        return {"cleared": fault_catalogue.clear(served.endpoint.faults, params.get("id"))}

    def _fault_log(self, served: _Served, _: dict[str, Json]) -> dict[str, Any]:
        faults = served.endpoint.faults
        return {"log": list(faults.log), "fired": faults.fired}

    def _tap_start(self, params: dict[str, Json]) -> Json:
        chosen = params.get("endpoint")
        taps = []
        for n, served in self._served.items():
            if chosen is None or chosen == n:
                tap = TlpTap(served.endpoint.config_space, endpoint=n)
                served.endpoint.tap = tap
                taps.append(tap)
        self._tap = TapWriter(self._loop, params["path"], taps)
        return {}

    def _tap_stop(self, _: dict[str, Json]) -> Json:
        for served in self._served.values():
            served.endpoint.tap = None
        if self._tap is not None:
            self._tap.close()
        return self._tap_status({}, stop=True)

    def _tap_status(self, _: dict[str, Json], *, stop: bool = False) -> Json:
        tap = self._tap
        if stop:
            self._tap = None
        return tap.describe() if tap else {"records": 0, "dropped": 0, "errors": []}

    def _remove(self, params: dict[str, Json]) -> Json:
        served = self._one(params)
        served.endpoint.lose_link()
        return {"n": served.placed.n, **self._status(served, {})}

    def _restore(self, params: dict[str, Json]) -> Json:
        served = self._one(params)
        served.endpoint.retrain()
        return {"n": served.placed.n, **self._status(served, {})}

    def _reset(self, params: dict[str, Json]) -> Json:
        served = self._one(params)
        served.endpoint.reset(ResetKind.SECONDARY_BUS)
        return {"n": served.placed.n, **self._status(served, {})}


def run_worker(
    context: WorkerContext, endpoints: tuple[PlacedEndpoint, ...], sock: socket.socket
) -> None:
    """Main function of a worker process."""
    worker = Worker(context, endpoints, sock)
    with contextlib.suppress(KeyboardInterrupt):
        worker.run()


def _ignore_signal(_number: int, _frame: object) -> None:
    """Interrupting a system call is all that the signal is for."""


def _reader(endpoint: RackEndpoint) -> ReadRegister:
    """Read registers past link, tap and latches: this is the rack's own view of the device."""

    def read(register: Register, indices: tuple[int, ...]) -> int:
        data = endpoint.registers.read(register.at(*indices), register.width // 8)
        return int.from_bytes(data, "little")

    return read


def _health(endpoint: RackEndpoint) -> tuple[str, str | None]:
    if not endpoint.link_up:
        return "gone", LINK_DOWN
    status = regs.CTRL_STATUS.decode(_reader(endpoint)(regs.CTRL_STATUS, ()))
    if status["HALTED"]:
        return "wedged", "an uncorrected error stopped the device (CTRL.STATUS.HALTED)"
    return "online", None
