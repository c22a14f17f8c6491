# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""What the screen shows at one moment, made from samples off the UI thread. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from diag.topo.findings import Finding, Severity, find
from diag.topo.model import Aer, Endpoint, Port, Rack
from diag.topo.sampling import Sample
from diag.topo.text import bdf_shortener
from diag.tui.journal import Event, Journal
from diag.tui.series import History, Values


@dataclass(frozen=True, slots=True)
class Picture:
    """One sample with all that follows from it."""

    sample: Sample
    members: Mapping[str, Port | Endpoint]
    """Ports and endpoints by bus address."""
    endpoints: Mapping[int, Endpoint]
    """Endpoints by number."""
    short: int
    """Leading characters of bus addresses that are the same everywhere."""
    values: Mapping[int, Values]
    findings: tuple[Finding, ...]
    trouble: Mapping[str, Severity]
    """The worst of the errors and warnings about each subject."""
    events: tuple[Event, ...]
    began_ns: int
    """CLOCK_MONOTONIC of the first sample."""
    forgotten_count: int = 0
    baseline: Mapping[str, Aer] = field(default_factory=dict)
    """Error counters at the first sample, by bus address."""

    @property
    def lost(self) -> str | None:
        """Why nothing is known of this moment; None while the source answers."""
        return None if self.sample.state == "live" else self.sample.reason or self.sample.state

    @property
    def rack(self) -> Rack:
        """The tree."""
        return self.sample.rack


class Painter:
    """Makes one picture after the other; the history behind them is shared."""

    def __init__(self) -> None:
        self.history = History()
        self.journal = Journal()
        self._began_ns: int | None = None
        self._baseline: dict[str, Aer] = {}

    def add(self, sample: Sample) -> Picture:
        """The picture of the next sample."""
        # Of a source that does not answer one line in the head is enough.
        findings = find(sample.rack) if sample.state == "live" else []
        self.journal.add(sample, findings)
        if self._began_ns is None:
            self._began_ns = sample.time_ns
        members: dict[str, Port | Endpoint] = {port.bdf: port for port in sample.rack.ports}
        members.update((endpoint.bdf, endpoint) for endpoint in sample.rack.endpoints)
        for bdf, member in members.items():
            self._baseline.setdefault(bdf, member.aer)
        return Picture(
            sample=sample,
            members=members,
            short=bdf_shortener(sample.rack),
            endpoints={endpoint.n: endpoint for endpoint in sample.rack.endpoints},
            values=self.history.add(sample),
            findings=tuple(findings),
            trouble=_worst(findings),
            events=tuple(self.journal.events),
            began_ns=self._began_ns,
            forgotten_count=self.journal.forgotten,
            baseline=self._baseline,
        )


def _worst(findings: list[Finding]) -> dict[str, Severity]:
    found: dict[str, Severity] = {}
    # Errors come first.
    for finding in findings:
        if finding.severity != "note":
            found.setdefault(finding.subject, finding.severity)
    return found
