# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""Metrics for Prometheus. A scrape takes a sample; what is not known is left out, never 0.

Counters are counters since power-on, as devices and ports keep them; units are in the names.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from typing import Final

from prometheus_client import CollectorRegistry, start_http_server
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric

from diag.printable import printable
from diag.topo.findings import find
from diag.topo.links import links
from diag.topo.model import GIGATRANSFERS, HEALTHS, Aer, Endpoint, Rack
from diag.topo.protocol import SourceUsageError
from diag.topo.sampling import Readings, Sample, Sampler

_WHO: Final = ("bdf", "identity")
_LINK: Final = ("upper", "lower")
_AER: Final = ("correctable", "nonfatal", "fatal")
_DIRECTIONS: Final = ("host_to_device", "device_to_host", "device_to_device", "peer")
_GAUGES: Final = (
    ("temperature_celsius", "temperature_millicelsius", 1000, "Temperature."),
    ("power_watts", "power_milliwatt", 1000, "Electrical power."),
    ("clock_hertz", "clock_khz", 0.001, "Clock of the engine."),
    ("utilisation_ratio", "utilisation_permille", 1000, "Share of the last second with work."),
)


class SampleCollector:
    """Gives Prometheus' client the families of a new sample, one scrape at a time.

    Args:
        sampler: what to ask; see Follower.
    """

    def __init__(self, sampler: Sampler) -> None:
        self._sampler = sampler
        self._lock = threading.Lock()
        """One question at a time: a Follower is for one thread."""

    def collect(self) -> Iterable[Metric]:
        """The metrics of now."""
        with self._lock:
            return list(families(self._sampler.sample()))


def families(sample: Sample) -> Iterator[Metric]:
    """All metrics of a sample."""
    up = GaugeMetricFamily("axl_source_up", "Whether the source answered.")
    up.add_metric([], float(sample.state == "live"))
    yield up
    endpoints = sample.rack.endpoints
    yield _info(endpoints)
    yield _health(endpoints)
    yield _resets(endpoints)
    yield from _telemetry(sample)
    yield _pending(sample)
    yield from _links(sample.rack)
    if sample.state == "live":
        yield _findings(sample.rack)


def serve(sampler: Sampler, address: str) -> threading.Thread:
    """Answer scrapes at HOST:PORT or PORT, on the loopback interface where no host is named."""
    host, _, port = address.rpartition(":")
    if not port.isdecimal() or not 0 < int(port) < 65536:
        raise SourceUsageError(f"--exporter {printable(address, 60)}: is no HOST:PORT or PORT")
    registry = CollectorRegistry()
    registry.register(SampleCollector(sampler))
    try:
        _, thread = start_http_server(int(port), host or "127.0.0.1", registry)
    except OSError as error:
        raise SourceUsageError(f"--exporter {printable(address, 60)}: {error.strerror}") from None
    return thread


def _who(endpoint: Endpoint) -> list[str]:
    return [endpoint.bdf, endpoint.identity or ""]


def _info(endpoints: Iterable[Endpoint]) -> Metric:
    names = (*_WHO, "endpoint", "card", "slot")
    family = GaugeMetricFamily("axl_endpoint_info", "Where an endpoint is; always 1.", labels=names)
    for endpoint in endpoints:
        place = [endpoint.n, endpoint.card, endpoint.slot]
        words = ["" if each is None else str(each) for each in place]
        family.add_metric([*_who(endpoint), *words], 1)
    return family


def _health(endpoints: Iterable[Endpoint]) -> Metric:
    labels = (*_WHO, "state")
    family = GaugeMetricFamily(
        "axl_endpoint_state", "1 for the state that it is in.", labels=labels
    )
    for endpoint in endpoints:
        for state in HEALTHS:
            family.add_metric([*_who(endpoint), state], float(endpoint.health == state))
    return family


def _resets(endpoints: Iterable[Endpoint]) -> Metric:
    family = CounterMetricFamily("axl_endpoint_resets", "Resets (generation).", labels=_WHO)
    for endpoint in endpoints:
        if endpoint.generation is not None:
            family.add_metric(_who(endpoint), endpoint.generation)
    return family


def _telemetry(sample: Sample) -> Iterator[Metric]:
    known = [
        (endpoint, sample.readings[endpoint.n].telemetry)
        for endpoint in sample.rack.endpoints
        if endpoint.n in sample.readings
    ]
    for name, member, divisor, text in _GAUGES:
        gauge = GaugeMetricFamily(f"axl_endpoint_{name}", text, labels=_WHO)
        for endpoint, telemetry in known:
            value = getattr(telemetry, member)
            if value is not None:
                gauge.add_metric(_who(endpoint), value / divisor)
        yield gauge
    moved = CounterMetricFamily(
        "axl_endpoint_dma_bytes", "Bytes moved.", labels=(*_WHO, "direction")
    )
    finished = CounterMetricFamily("axl_endpoint_commands", "Commands finished.", labels=_WHO)
    broken = CounterMetricFamily(
        "axl_endpoint_memory_errors", "Errors of device memory.", labels=(*_WHO, "kind")
    )
    for endpoint, telemetry in known:
        for direction in _DIRECTIONS:
            _add(moved, [*_who(endpoint), direction], getattr(telemetry, f"bytes_{direction}"))
        _add(finished, _who(endpoint), telemetry.commands_finished_count)
        _add(broken, [*_who(endpoint), "corrected"], telemetry.memory_corrected_count)
        _add(broken, [*_who(endpoint), "uncorrected"], telemetry.memory_uncorrected_count)
    yield from (moved, finished, broken)


def _pending(sample: Sample) -> Metric:
    family = GaugeMetricFamily(
        "axl_queue_pending_slots", "Ring slots that wait for the device.", labels=(*_WHO, "queue")
    )
    for endpoint in sample.rack.endpoints:
        for queue in (sample.readings.get(endpoint.n) or Readings()).queues or ():
            if queue.pending_slots is not None:
                family.add_metric([*_who(endpoint), str(queue.number)], queue.pending_slots)
    return family


def _links(rack: Rack) -> Iterator[Metric]:
    speed = GaugeMetricFamily(
        "axl_pcie_link_speed_transfers_per_second", "Link speed.", labels=(*_LINK, "which")
    )
    width = GaugeMetricFamily("axl_pcie_link_lanes", "Link width.", labels=(*_LINK, "which"))
    errors = CounterMetricFamily(
        "axl_pcie_aer_errors",
        "AER errors that one end of a link has counted.",
        labels=(*_LINK, "end", "bdf", "kind"),
    )
    for each in links(rack):
        if each.lower is None:
            continue
        names = [each.upper.bdf, each.lower.bdf]
        link = each.upper.link
        for which, rate, lanes in (
            ("now", link.speed, link.width),
            ("best", link.max_speed, link.max_width),
        ):
            gigatransfers = GIGATRANSFERS.get(rate or 0)
            if gigatransfers is not None:
                speed.add_metric([*names, which], float(gigatransfers) * 1e9)
            if lanes is not None:
                width.add_metric([*names, which], lanes)
        for end, bdf, aer in zip(("upper", "lower"), names, each.errors, strict=True):
            _count_errors(errors, [*names, end, bdf], aer)
    yield from (speed, width, errors)


def _count_errors(family: CounterMetricFamily, names: list[str], aer: Aer) -> None:
    counts = (aer.correctable_count, aer.nonfatal_count, aer.fatal_count)
    for severity, count in zip(_AER, counts, strict=True):
        _add(family, [*names, severity], count)


def _findings(rack: Rack) -> Metric:
    family = GaugeMetricFamily(
        "axl_findings", "Things to look at.", labels=("severity", "rule", "subject")
    )
    for finding in find(rack):
        family.add_metric([finding.severity, finding.rule, finding.subject], 1)
    return family


def _add(family: CounterMetricFamily, labels: list[str], value: int | None) -> None:
    if value is not None:
        family.add_metric(labels, value)
