# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""Asking several workers at once and answering when the last has answered."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from diag.model.rack.control import Json, RpcError
from diag.model.rack.group import WorkerGroup

Outcomes = list[tuple[WorkerGroup, Json | RpcError]]
"""What each group said, in the order of the groups."""

Rows = list[dict[str, Any]]
"""One object per endpoint, with its number as "n"."""


def ask_groups(
    groups: Sequence[WorkerGroup],
    method: str,
    params: dict[str, Json],
    done: Callable[[Outcomes], None],
) -> None:
    """Call a method of every group and `done` with all outcomes.

    Every call has a deadline of its own, so `done` runs even when a worker is stuck.
    """
    outcomes: dict[int, Json | RpcError] = {}

    def take(position: int, outcome: Json | RpcError) -> None:
        outcomes[position] = outcome
        if len(outcomes) == len(groups):
            done([(group, outcomes[i]) for i, group in enumerate(groups)])

    if not groups:
        done([])
    for position, group in enumerate(groups):
        group.call(method, params, partial(take, position))


def merge_rows(outcomes: Outcomes, missing: Callable[[WorkerGroup, RpcError], Rows]) -> Rows:
    """One row per endpoint by number; `missing` makes those of a group without an answer."""
    rows: Rows = []
    for group, outcome in outcomes:
        rows += missing(group, outcome) if isinstance(outcome, RpcError) else outcome["endpoints"]
    return sorted(rows, key=lambda row: int(row["n"]))


def first_error(outcomes: Outcomes) -> RpcError | None:
    """The first error among the outcomes."""
    return next((outcome for _, outcome in outcomes if isinstance(outcome, RpcError)), None)
