# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""The methods of the control socket. docs/guide/accel-rack.md lists them with examples."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from diag.model.rack import fault_catalogue
from diag.model.rack.control import (
    METHOD_NOT_FOUND,
    REFUSED,
    UNAVAILABLE,
    Json,
    Params,
    Request,
    Respond,
    RpcError,
)
from diag.model.rack.gather import ask_groups, first_error, merge_rows
from diag.model.rack.group import WorkerGroup
from diag.model.rack.register_view import BLOCKS, block_indices, no_telemetry
from diag.model.rack.tap import TapSession

if TYPE_CHECKING:
    from diag.model.rack.supervisor import Supervisor

SCHEMA: Final = 1
"""Version of every result; a member is only ever added within one version."""

Method = Callable[[Params, Respond], None]
MissingRows = Callable[[WorkerGroup, RpcError], list[dict[str, Any]]]
"""Rows for the endpoints of a worker that gave no answer."""


class RackMethods:
    """Dispatches requests; everything that a worker must answer has a deadline.

    Args:
        rack: the supervisor.
    """

    def __init__(self, rack: Supervisor) -> None:
        self._rack = rack
        self._tap: TapSession | None = None
        self._methods: dict[str, Method] = {
            "rack.info": self._info,
            "rack.shutdown": self._shutdown,
            "topology.get": self._topology,
            "telemetry.get": self._telemetry,
            "aer.get": self._aer,
            "sample.get": self._sample,
            "registers.get": self._registers,
            "fault.list": self._fault_list,
            "fault.inject": self._fault_inject,
            "fault.active": self._fault_active,
            "fault.clear": self._fault_clear,
            "fault.log": self._fault_log,
            "tap.start": self._tap_start,
            "tap.stop": self._tap_stop,
            "tap.status": self._tap_status,
            "events.enable": self._events_enable,
            "events.disable": self._events_disable,
            "endpoint.remove": self._endpoint_remove,
            "endpoint.restore": self._endpoint_restore,
            "endpoint.reset": self._endpoint_reset,
            "card.kill": self._card_kill,
            "card.restart": self._card_restart,
            "who": self._who,
        }

    def dispatch(self, request: Request, respond: Respond) -> None:
        """Run one request; RpcError for what is wrong with it."""
        method = self._methods.get(request.method)
        if method is None:
            known = ", ".join(sorted(self._methods))
            raise RpcError(METHOD_NOT_FOUND, f"no method {request.method!r}", {"known": known})
        method(Params(request.params), respond)

    def _info(self, params: Params, respond: Respond) -> None:
        params.close()
        rack = self._rack
        respond(
            {
                "schema": SCHEMA,
                "name": rack.directory.name,
                "rack": rack.spec.name,
                "description": rack.spec.description,
                "pid": os.getpid(),
                "uptime_s": (time.monotonic_ns() - rack.started_ns) // 1_000_000_000,
                "generation": rack.placement.generation,
                "grouping": rack.spec.grouping,
                "auto_restart": rack.auto_restart,
                "events_enabled": rack.events_enabled(),
                "workers": [group.describe() for group in rack.groups],
            }
        )

    def _shutdown(self, params: Params, respond: Respond) -> None:
        params.close()
        respond({"pid": os.getpid()})
        self._rack.shut_down()

    def _topology(self, params: Params, respond: Respond) -> None:
        params.close()
        placement = self._rack.placement
        head = {"schema": SCHEMA, "name": placement.name, "generation": placement.generation}
        self._ask_all("status", {}, _missing_row, lambda rows: respond({**head, "endpoints": rows}))

    def _telemetry(self, params: Params, respond: Respond) -> None:
        def missing(group: WorkerGroup, error: RpcError) -> list[dict[str, Any]]:
            return [{**row, **no_telemetry(error.message)} for row in _missing_row(group, error)]

        self._endpoint_rows("telemetry", params, respond, missing=missing)

    def _sample(self, params: Params, respond: Respond) -> None:
        params.close()
        placement = self._rack.placement
        head = {"schema": SCHEMA, "name": placement.name, "generation": placement.generation}
        self._ask_all("sample", {}, _missing_row, lambda rows: respond({**head, "endpoints": rows}))

    def _registers(self, params: Params, respond: Respond) -> None:
        n = self._endpoint(params)
        block = params.text("block")
        if block not in BLOCKS:
            raise params.error("block", f"is none of {', '.join(BLOCKS)}")
        count = block_indices(block)
        index = None
        if count is not None:
            index = params.integer("index", 0, count - 1)
        params.close()
        self._group(n).call("registers", {"endpoint": n, "block": block, "index": index}, respond)

    def _fault_list(self, params: Params, respond: Respond) -> None:
        params.close()
        respond({"schema": SCHEMA, "faults": fault_catalogue.describe()})

    def _fault_inject(self, params: Params, respond: Respond) -> None:
        n = self._endpoint(params)
        fault = params.text("fault")
        settings = {
            **params.scalars("set"),
            "queue": params.optional_integer("queue", 0, 15),
            "seed": params.optional_integer("seed", 0, 1 << 63),
        }
        params.close()
        request = {"endpoint": n, "fault": fault, "set": fault_catalogue.checked(fault, settings)}
        self._group(n).call("fault.inject", request, respond)

    def _aer(self, params: Params, respond: Respond) -> None:
        nothing = {"counts": None, "uncorrectable": None, "correctable": None}

        def missing(group: WorkerGroup, error: RpcError) -> list[dict[str, Any]]:
            return [{**row, **nothing} for row in _missing_row(group, error)]

        self._endpoint_rows("aer", params, respond, missing=missing)

    def _fault_active(self, params: Params, respond: Respond) -> None:
        self._endpoint_rows("fault.active", params, respond)

    def _fault_log(self, params: Params, respond: Respond) -> None:
        self._endpoint_rows("fault.log", params, respond)

    def _fault_clear(self, params: Params, respond: Respond) -> None:
        fault = params.optional_integer("id", 0, (1 << 32) - 1)
        if fault is not None and params.take("endpoint") is None:
            raise params.error("endpoint", "is missing: ids count per endpoint")
        self._endpoint_rows("fault.clear", params, respond, extra={"id": fault})

    def _endpoint_rows(
        self,
        method: str,
        params: Params,
        respond: Respond,
        *,
        extra: dict[str, Json] | None = None,
        missing: MissingRows | None = None,
    ) -> None:
        """Answer with a row per endpoint, or for the one that is named."""
        n = self._optional_endpoint(params)
        params.close()
        self._ask_all(
            method,
            {"endpoint": n, **(extra or {})},
            missing or _missing_row,
            lambda rows: respond({"schema": SCHEMA, "endpoints": rows}),
            n,
        )

    def _tap_start(self, params: Params, respond: Respond) -> None:
        path = params.text("path", 4096)
        n = self._optional_endpoint(params)
        params.close()
        if not os.path.isabs(path):  # noqa: PTH117 - a string from outside, checked as such
            raise params.error("path", "must be absolute: the rack has another working directory")
        if self._tap is not None:
            raise RpcError(REFUSED, f"a tap to {self._tap.path} is running; stop it first")
        tap = TapSession(path, self._rack.placement)
        request = {"path": path, "endpoint": n}

        def started(outcomes: list[tuple[WorkerGroup, Json | RpcError]]) -> None:
            error = first_error(outcomes)
            if error is not None:
                self._tap = None
                ask_groups(self._groups(n), "tap.stop", {}, lambda _: respond(error))
                return
            respond({"path": path})

        self._tap = tap
        ask_groups(self._groups(n), "tap.start", request, started)

    def _tap_stop(self, params: Params, respond: Respond) -> None:
        params.close()
        tap, self._tap = self._tap, None
        if tap is None:
            raise RpcError(REFUSED, "no tap is running")
        ask_groups(
            self._rack.groups, "tap.stop", {}, lambda outcomes: respond(tap.finish(outcomes))
        )

    def _tap_status(self, params: Params, respond: Respond) -> None:
        params.close()
        tap = self._tap
        if tap is None:
            respond({"running": False, "path": None})
            return
        ask_groups(
            self._rack.groups, "tap.status", {}, lambda outcomes: respond(tap.status(outcomes))
        )

    def _events_enable(self, params: Params, respond: Respond) -> None:
        params.close()
        self._rack.set_events(enabled=True)
        respond({"enabled": True, "directory": str(self._rack.directory.events)})

    def _events_disable(self, params: Params, respond: Respond) -> None:
        params.close()
        self._rack.set_events(enabled=False)
        respond({"enabled": False, "directory": str(self._rack.directory.events)})

    def _endpoint_remove(self, params: Params, respond: Respond) -> None:
        n = self._endpoint(params)
        params.close()
        self._group(n).call("endpoint.remove", {"endpoint": n}, respond)

    def _endpoint_restore(self, params: Params, respond: Respond) -> None:
        n = self._endpoint(params)
        params.close()
        self._group(n).call("endpoint.restore", {"endpoint": n}, respond)

    def _endpoint_reset(self, params: Params, respond: Respond) -> None:
        n = self._endpoint(params)
        params.close()
        self._group(n).call("endpoint.reset", {"endpoint": n}, respond)

    def _card_kill(self, params: Params, respond: Respond) -> None:
        groups = self._card(params)
        params.close()
        pids = [group.pid for group in groups if group.pid is not None]
        if not pids:
            raise RpcError(REFUSED, "the card has no worker; bring it back with card.restart")
        for group in groups:
            group.kill()
        respond({"killed": pids})

    def _card_restart(self, params: Params, respond: Respond) -> None:
        groups = self._card(params)
        params.close()
        forked: list[WorkerGroup] = []

        def answer() -> None:
            dead = [group for group in groups if group.state == "dead"]
            if dead:
                respond(RpcError(UNAVAILABLE, f"the worker did not start: {dead[0].reason}"))
                return
            rows = [group.describe() for group in groups]
            respond({"generation": self._rack.placement.generation, "workers": rows})

        def started(group: WorkerGroup) -> None:
            forked.append(group)
            if len(forked) == len(groups):
                self._rack.when_settled(groups, answer)

        for group in groups:
            group.restart(partial(started, group))

    def _who(self, params: Params, respond: Respond) -> None:
        params.close()
        self._ask_all(
            "who",
            {},
            _missing_row,
            lambda rows: respond({"schema": SCHEMA, "endpoints": rows}),
        )

    def _ask_all(
        self,
        method: str,
        params: dict[str, Json],
        missing: MissingRows,
        done: Callable[[list[Json]], None],
        n: int | None = None,
    ) -> None:
        ask_groups(
            self._groups(n),
            method,
            params,
            lambda outcomes: done(
                [row for row in merge_rows(outcomes, missing) if n is None or row["n"] == n]
            ),
        )

    def _groups(self, n: int | None) -> list[WorkerGroup]:
        return self._rack.groups if n is None else [self._group(n)]

    def _group(self, n: int) -> WorkerGroup:
        return next(g for g in self._rack.groups if any(e.n == n for e in g.endpoints))

    def _endpoint(self, params: Params) -> int:
        return params.integer("endpoint", 0, len(self._rack.placement.endpoints) - 1)

    def _optional_endpoint(self, params: Params) -> int | None:
        return params.optional_integer("endpoint", 0, len(self._rack.placement.endpoints) - 1)

    def _card(self, params: Params) -> list[WorkerGroup]:
        numbers = {endpoint.card for endpoint in self._rack.placement.endpoints}
        card = params.integer("card", 0, max(numbers))
        groups = [group for group in self._rack.groups if card in group.cards]
        if not groups:
            raise params.error("card", "has no endpoint")
        return groups


def _missing_row(group: WorkerGroup, error: RpcError) -> list[dict[str, Any]]:
    state = "gone" if group.state == "dead" else "stale"
    return [
        {"n": endpoint.n, "state": state, "reason": error.message} for endpoint in group.endpoints
    ]
