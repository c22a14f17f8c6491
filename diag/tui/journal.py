# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""What happened between two samples, as lines of a log. Pure."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from diag.printable import printable
from diag.topo.findings import Finding, Severity
from diag.topo.model import Aer, Endpoint
from diag.topo.sampling import Sample

KEPT: Final = 2000
"""Events that are kept; the number of those that were forgotten is shown."""

_SEVERITY: Final[dict[str, Severity]] = {
    "online": "note", "resetting": "warning", "wedged": "error", "gone": "error",
    "stale": "error", "unknown": "warning",
}  # fmt: skip
_AER: Final = (
    ("correctable_count", "correctable", "warning"),
    ("nonfatal_count", "non-fatal", "error"),
    ("fatal_count", "fatal", "error"),
)


Change = tuple[Severity, str, str, str]
"""How bad, which kind, about what, in words."""


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened to `subject`, a bus address, a card or a source."""

    number: int
    time_ns: int
    wall_ns: int
    severity: Severity
    kind: str
    subject: str
    text: str


class Journal:
    """Compares each sample with the one before and keeps what changed."""

    def __init__(self, kept: int = KEPT) -> None:
        self.events: deque[Event] = deque(maxlen=kept)
        self.forgotten = 0
        self._count = 0
        self._sample: Sample | None = None
        """The last one that was live."""
        self._state = "live"
        self._findings: dict[tuple[str, str], Finding] = {}

    def add(self, sample: Sample, findings: list[Finding]) -> None:
        """The next sample, and what is wrong in it."""
        if sample.state != self._state:
            self._note(sample, _source_line(sample))
            self._state = sample.state
        # Of a source that does not answer one line is enough, whatever hangs off it.
        if sample.state != "live":
            return
        changes = [] if self._sample is None else _changes(self._sample, sample)
        for change in (*changes, *self._finding_changes(findings)):
            self._note(sample, change)
        self._sample = sample
        self._findings = {(finding.rule, finding.subject): finding for finding in findings}

    def note(self, sample: Sample, severity: Severity, kind: str, subject: str, text: str) -> None:
        """Something that was done from here."""
        self._note(sample, (severity, kind, subject, text))

    def _note(self, sample: Sample, change: Change) -> None:
        if len(self.events) == self.events.maxlen:
            self.forgotten += 1
        self._count += 1
        severity, kind, subject, text = change
        self.events.append(
            Event(
                self._count,
                sample.time_ns,
                sample.wall_ns,
                severity,
                kind,
                subject,
                printable(text),
            )
        )

    def _finding_changes(self, findings: list[Finding]) -> Iterator[Change]:
        now = {(finding.rule, finding.subject): finding for finding in findings}
        for key, finding in now.items():
            if key not in self._findings:
                yield _finding_line(finding)
        for key, finding in self._findings.items():
            if key not in now:
                yield "note", "finding", finding.subject, f"no longer: {finding.rule}"


def _source_line(sample: Sample) -> Change:
    if sample.state == "live":
        return "note", "source", sample.rack.source, "answers again"
    return "error", "source", sample.rack.source, f"{sample.state}: {sample.reason or ''}"


def _finding_line(finding: Finding) -> Change:
    return finding.severity, "finding", finding.subject, f"{finding.rule}: {finding.text}"


def _changes(before: Sample, now: Sample) -> Iterator[Change]:
    if before.rack.generation != now.rack.generation:
        text = f"rack generation {before.rack.generation} → {now.rack.generation}"
        yield "warning", "topology", now.rack.name, text
    ports = {port.bdf: port for port in before.rack.ports}
    if before.rack.ports is not now.rack.ports:
        for port in now.rack.ports:
            if port.bdf in ports:
                yield from _grown(port.bdf, ports.pop(port.bdf).aer, port.aer)
            else:
                yield "note", "topology", port.bdf, "the port appeared"
        for bdf in ports:
            yield "warning", "topology", bdf, "the port is no longer there"
    yield from _endpoint_changes(before, now)


def _endpoint_changes(before: Sample, now: Sample) -> Iterator[Change]:
    known = {endpoint.bdf: endpoint for endpoint in before.rack.endpoints}
    for endpoint in now.rack.endpoints:
        old = known.pop(endpoint.bdf, None)
        if old is None:
            yield "note", "topology", endpoint.bdf, "the endpoint appeared"
        elif old != endpoint:
            yield from _state(old, endpoint)
            yield from _reset(old, endpoint, now)
            yield from _address(old, endpoint)
            yield from _client(old, endpoint)
            yield from _grown(endpoint.bdf, old.aer, endpoint.aer)
    for bdf in known:
        yield "error", "topology", bdf, "the endpoint is no longer there"


def _state(old: Endpoint, new: Endpoint) -> Iterator[Change]:
    if old.health != new.health:
        why = f": {new.health_reason}" if new.health_reason else ""
        yield _SEVERITY[new.health], "state", new.bdf, f"{old.health} → {new.health}{why}"


def _reset(old: Endpoint, new: Endpoint, now: Sample) -> Iterator[Change]:
    if None in {old.generation, new.generation} or old.generation == new.generation:
        return
    readings = now.readings.get(new.n)
    cause = "" if readings is None or readings.reset_cause is None else f" ({readings.reset_cause})"
    text = f"reset{cause}: generation {old.generation} → {new.generation}"
    yield "warning", "reset", new.bdf, text


def _address(old: Endpoint, new: Endpoint) -> Iterator[Change]:
    if old.address is None or new.address is None or old.address.state == new.address.state:
        return
    severity: Severity = "error" if new.address.state == "rejected" else "note"
    why = f": {new.address.reason}" if new.address.reason else ""
    text = f"device address {old.address.state} → {new.address.state}{why}"
    yield severity, "address", new.bdf, text


def _client(old: Endpoint, new: Endpoint) -> Iterator[Change]:
    if old.client_pid == new.client_pid or new.health != "online" or old.health != "online":
        return
    if new.client_pid is None:
        yield "note", "client", new.bdf, f"pid {old.client_pid} closed it"
    else:
        yield "note", "client", new.bdf, f"pid {new.client_pid} opened it"


def _grown(bdf: str, old: Aer, new: Aer) -> Iterator[Change]:
    for member, word, severity in _AER:
        before, now = getattr(old, member), getattr(new, member)
        if before is not None and now is not None and now > before:
            plural = "" if now - before == 1 else "s"
            text = f"{now - before} {word} error{plural}, {now} since power-on"
            yield ("error" if severity == "error" else "warning"), "aer", bdf, text
