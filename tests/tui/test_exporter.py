# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""Metrics: types, units, what is left out; rules and dashboard use names that exist."""

from __future__ import annotations

import dataclasses
import json
import re
import socket
import subprocess
import urllib.request
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from diag.topo.model import Aer
from diag.topo.protocol import SourceUsageError
from diag.tui.exporter import SampleCollector, serve
from tests.build.samples import Script, rack, sample, troubled, with_port_errors

MONITORING = Path(__file__).resolve().parents[2] / "docs/monitoring"


def scraped(*samples) -> dict[str, list]:
    """What Prometheus reads, by metric family."""
    registry = CollectorRegistry()
    registry.register(SampleCollector(Script(*samples)))
    text = generate_latest(registry).decode()
    found = {}
    for family in text_string_to_metric_families(text):
        found[family.name] = family
    return found


def value(family, **labels: str) -> float:
    """The one sample with those labels."""
    hits = [s.value for s in family.samples if labels.items() <= s.labels.items()]
    assert len(hits) == 1, (labels, family.samples)
    return hits[0]


def test_counters_are_counters_with_units_in_their_names() -> None:
    """What only grows is a counter, what moves is a gauge, in base units."""
    found = scraped(sample(2))
    assert found["axl_endpoint_dma_bytes"].type == "counter"
    assert found["axl_pcie_aer_errors"].type == "counter"
    assert found["axl_endpoint_temperature_celsius"].type == "gauge"
    moved = value(found["axl_endpoint_dma_bytes"], bdf="0000:06:00.0", direction="host_to_device")
    assert moved == 160e6
    assert value(found["axl_endpoint_temperature_celsius"], bdf="0000:05:00.0") == 41.2
    speeds = found["axl_pcie_link_speed_transfers_per_second"]
    assert value(speeds, lower="0000:05:00.0", which="now") == 16e9


def test_both_ends_of_a_link_have_their_counters() -> None:
    """The upper end counts what comes up, the lower what comes down."""
    made = with_port_errors(troubled(), "0000:04:00.0", Aer(7, 0, 0))
    errors = scraped(sample(0, made))["axl_pcie_aer_errors"]
    assert value(errors, bdf="0000:04:00.0", end="upper", kind="correctable") == 7
    assert value(errors, bdf="0000:05:00.0", end="lower", kind="correctable") == 12


def test_what_is_not_known_is_left_out() -> None:
    """A dead endpoint has a state and nothing else; a silent source has no findings."""
    found = scraped(sample(1, troubled()))
    for name, family in found.items():
        dead = [s for s in family.samples if s.labels.get("bdf") == "0000:0a:00.0"]
        assert not dead or name in {"axl_endpoint_info", "axl_endpoint_state"}, name
    assert value(found["axl_endpoint_state"], bdf="0000:0a:00.0", state="gone") == 1
    silent = dataclasses.replace(sample(1), state="gone", reason="x", readings={})
    found = scraped(silent)
    assert value(found["axl_source_up"]) == 0
    assert "axl_findings" not in found


def test_a_scrape_over_http() -> None:
    """On the loopback interface, with every family once."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    serve(Script(sample(0), sample(1)), str(port))
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=20) as answer:
        text = answer.read().decode()
    assert text.count("# TYPE axl_source_up gauge") == 1
    with pytest.raises(SourceUsageError, match="in use"):
        serve(Script(sample(0)), f"127.0.0.1:{port}")


def test_names_from_outside_stay_one_label() -> None:
    """Quotes and line ends in a finding's subject cannot add a metric."""
    made = dataclasses.replace(rack(), endpoints=())
    found = scraped(sample(0, dataclasses.replace(made, name='x"} 1\nevil 1')))
    assert not any("evil" in name for name in found)


def test_rules_pass_promtool() -> None:
    """They parse, and fire when they should and not before."""
    for words in (["check", "rules", "axl-rules.yml"], ["test", "rules", "axl-rules-test.yml"]):
        done = subprocess.run(
            ["promtool", *words], cwd=MONITORING, check=False, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stdout + done.stderr


def test_rules_and_dashboard_ask_for_metrics_that_exist() -> None:
    """Every axl_ name in them is one that a scrape gives."""
    found = scraped(sample(0), sample(1))
    names = {s.name for family in found.values() for s in family.samples}
    panels = json.loads((MONITORING / "axl-dashboard.json").read_text())["panels"]
    asked = " ".join(target["expr"] for panel in panels for target in panel["targets"])
    rules = (MONITORING / "axl-rules.yml").read_text()
    used = set(re.findall(r"\baxl_[a-z_]+", asked + rules))
    assert len(used) > 8
    assert used - names - {"axl_findings"} == set()
