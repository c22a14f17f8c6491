# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""What is found to be wrong, and what is advised."""

from __future__ import annotations

import dataclasses

import pytest

from diag.topo.findings import Finding, find
from diag.topo.model import LEFT, Address, Aer, Link, Pci, Peer
from tests.build.topologies import STALE, endpoint, link, port, rack


def only(findings: list[Finding]) -> Finding:
    """The one finding."""
    assert len(findings) == 1, findings
    return findings[0]


def test_a_healthy_rack_has_no_findings() -> None:
    """Nothing is invented."""
    assert find(rack()) == []


@pytest.mark.parametrize("slow", [link(speed=1), link(width=8)])
def test_a_link_below_its_capability_is_a_warning(slow: Link) -> None:
    """Speed or width below what both ends can do is told at the port above."""
    finding = only(find(rack(ports=(port(link=slow),))))
    assert (finding.severity, finding.rule) == ("warning", "link-below-capability")
    assert finding.subject == "0000:00:01.0"
    assert "16GT/s x16" in finding.text
    assert "slot 1" in finding.advice


def test_an_empty_slot_is_no_slow_link() -> None:
    """Ports without anything below them report the lowest speed, or the last one."""
    tree = rack(endpoint(parent=None, path=()), ports=(port(link=link(speed=1)),))
    assert find(tree) == []


def test_an_unknown_link_is_no_finding() -> None:
    """What is not known is not judged."""
    assert find(rack(ports=(port(link=link(None, None)),))) == []


def test_both_ends_of_a_slow_link_are_told_once() -> None:
    """The upstream port sees the same link as the port above it."""
    slow = link(width=4)
    upper = port(link=slow)
    lower = port(bdf="0000:01:00.0", kind="upstream", parent=upper.bdf, link=slow, slot=None)
    tree = rack(endpoint(bdf="0000:02:00.0", parent=lower.bdf), ports=(upper, lower))
    assert only(find(tree)).subject == upper.bdf


@pytest.mark.parametrize("health", ["gone", "wedged", "stale"])
def test_an_endpoint_that_is_not_well_is_an_error(health: str) -> None:
    """The reason is told; its address is not judged as well."""
    ill = dataclasses.replace(
        endpoint(), health=health, health_reason="killed by SIGKILL", address=STALE
    )
    finding = only(find(rack(ill)))
    assert (finding.severity, finding.rule) == ("error", f"endpoint-{health}")
    assert "SIGKILL" in finding.text


def test_an_address_that_is_not_set_up_is_a_note() -> None:
    """Stale is the normal state before anybody opened the endpoint."""
    finding = only(find(rack(endpoint(address=STALE))))
    assert (finding.severity, finding.rule) == ("note", "address-stale")


def test_a_rejected_address_is_an_error_with_its_reason() -> None:
    """The endpoint disagrees with the driver."""
    address = Address("rejected", "bdf_mismatch", 3)
    finding = only(find(rack(endpoint(address=address))))
    assert (finding.severity, finding.rule) == ("error", "address-rejected")
    assert "bdf_mismatch" in finding.text


def test_a_card_with_a_missing_endpoint_is_an_error() -> None:
    """The card says how many endpoints it has; the missing index is named."""
    finding = only(find(rack(endpoint(count=3, index=1))))
    assert (finding.severity, finding.rule) == ("error", "card-incomplete")
    assert finding.subject == "card:0x00a0c00000000001"
    assert "missing index 0, 2" in finding.text


def test_errors_come_first() -> None:
    """The worst is read first."""
    tree = rack(endpoint(count=2, address=STALE), ports=(port(link=link(width=1)),))
    assert [finding.severity for finding in find(tree)] == ["error", "warning", "note"]


def test_a_bridge_without_bus_numbers_hides_what_is_below() -> None:
    """Linux gives it bus 0 then."""
    finding = only(find(rack(ports=(port(secondary=0, subordinate=0),))))
    assert (finding.rule, finding.severity) == ("bus-numbers-exhausted", "error")
    assert "pci=assign-busses" in finding.advice


def test_acs_between_peers_names_the_parameter_that_helps() -> None:
    """In the words of the driver, with the port that redirects."""
    reason = "ACS redirects requests at port 0000:02:01.0"
    peers = (Peer("card:0x0000000000000001/1", "0000:05:00.0", reachable=False, reason=reason),)
    finding = only(find(rack(endpoint(peers=peers))))
    assert (finding.rule, finding.severity) == ("acs-blocks-peers", "note")
    assert "pci=disable_acs_redir=0000:02:01.0" in finding.advice


@pytest.mark.parametrize(
    ("before", "after", "severity"),
    [
        (Aer(1, 0, 0), Aer(2, 0, 0), "warning"),
        (Aer(1, 0, 0), Aer(1, 1, 0), "error"),
        (Aer(1, 0, 0), Aer(2, 0, 3), "error"),
        (Aer(1, 0, 0), Aer(1, 0, 0), None),
        (Aer(5, 0, 0), Aer(0, 0, 0), None),
        (Aer(), Aer(5, 0, 0), None),
        (Aer(5, 0, 0), Aer(), None),
    ],
)
def test_errors_that_grow_are_told_at_their_end(
    before: Aer, after: Aer, severity: str | None
) -> None:
    """Reset or unknown counters say nothing."""
    earlier, later = (rack(endpoint(aer=aer)) for aer in (before, after))
    found = find(later, earlier)
    assert [each.severity for each in found] == ([severity] if severity else [])
    assert all(each.subject == "0000:01:00.0" for each in found)
    assert find(later) == []


def test_what_left_the_tree_is_looked_for_in_its_slot() -> None:
    """There is no folder left to write to."""
    tree = rack(endpoint(health="gone", health_reason=LEFT, pci=Pci(vendor_id=0x1AF4)))
    finding = only(find(tree))
    assert finding.rule == "endpoint-gone"
    assert "/sys/bus/pci/rescan" in finding.advice
    assert "/remove" not in finding.advice


def test_a_source_that_is_gone_is_one_finding() -> None:
    """Not one for each endpoint; endpoints that are gone for reasons of their own are their own."""
    gone = [endpoint(n=n, index=n, count=2, bdf=f"0000:01:00.{n}", health="gone",
                     health_reason="hung up") for n in (0, 1)]  # fmt: skip
    lost = rack(*gone, live=False, live_reason="hung up")
    assert only(find(lost)).rule == "source-gone"
    assert [each.rule for each in find(rack(*gone))] == ["endpoint-gone"] * 2
