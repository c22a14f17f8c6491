# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""axl.ko behind an IOMMU, and endpoints that cannot reach each other: one boot for both."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from pathlib import Path

import pytest

from diag.lab.config import LabConfig
from diag.model.rack.enumerate import enumerate_rack
from diag.model.rack.spec import load_rack
from pyaccel.spec.formats import Status
from tests.linux.conftest import Driver, loaded

# The first test waits for downloads, the build and the boot.
pytestmark = [pytest.mark.guest, pytest.mark.timeout(400)]

RACK = """\
axl-rack: 1
name: two-roots
description: one card with two endpoints, and one of its own below another root port
root-ports:
  - slot: 1
    card: {serial: 0x00a0c00000000031, switch: yes, endpoints: 2}
  - slot: 2
    card: {serial: 0x00a0c00000000032, endpoints: 1}
"""


@pytest.fixture(scope="module")
def rack(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A rack with two root ports."""
    path = tmp_path_factory.mktemp("rack") / "two-roots.yaml"
    path.write_text(RACK)
    return path


@pytest.fixture(scope="module")
def behind(module: Path, rack: Path) -> Iterator[Driver]:
    """The guest, with an IOMMU in front of its endpoints."""
    with loaded(module, LabConfig(str(rack), accel="tcg", iommu=True)) as made:
        yield made


@pytest.fixture(autouse=True)
def quiet_kernel(behind: Driver) -> Iterator[None]:
    """Every test fails when the kernel complains while it runs, DMAR faults included."""
    start = behind.lab.kernel_log_bytes()
    yield
    allowed = (r"pcieport|aer_inject|AER: PCIe Bus Error",)
    assert behind.lab.check_kernel_log(start, allowed) == []
    assert "DMAR: [DMA" not in behind.lab.kernel_log(start)


@pytest.fixture(scope="module")
def bdfs(rack: Path) -> list[str]:
    """The endpoints, those of one card first."""
    return [placed.bdf for placed in enumerate_rack(load_rack(str(rack))).endpoints]


def test_memory_is_reached_page_by_page(behind: Driver, bdfs: list[str]) -> None:
    """Random copies between all kinds of memory; rings of many pages, wrapped."""
    domain = f"cat /sys/bus/pci/devices/{bdfs[0]}/iommu_group/type"
    assert behind.shell(domain).startswith("DMA"), "no IOMMU translates here"

    seen = behind.check("transfers", bdfs[0])

    assert (seen["statuses"], seen["wrong"], seen["batches"]) == ([Status.OK], [], Status.OK)


def test_sysfs_says_why_a_peer_is_out_of_reach(behind: Driver, bdfs: list[str]) -> None:
    """The IOMMU where a switch could route requests, the root port where none could."""
    seen = behind.check("reach", *bdfs)
    reasons = dict(line.split(" unreachable: ") for line in seen[bdfs[0]])

    assert {name.split()[-1]: reason for name, reason in reasons.items()} == {
        bdfs[1]: "an IOMMU translates the requests",
        bdfs[2]: "below another root port",
    }


@pytest.mark.parametrize("pair", [(0, 1), (2, 0)])
def test_unreachable_memory_goes_through_the_host(
    behind: Driver, bdfs: list[str], pair: tuple[int, int]
) -> None:
    """Importing device memory says -EXDEV; a host buffer of the owner does instead."""
    owner, user = (bdfs[n] for n in pair)

    assert behind.check("peer_refused", owner, user) == {
        "refused": errno.EXDEV,
        "statuses": [Status.OK, Status.OK],
        "staged": "peer",
    }


def test_no_mapping_is_left_at_removal(behind: Driver, bdfs: list[str]) -> None:
    """Pinned pages and an imported dma-buf are unmapped when the driver is unbound."""
    pins = behind.check("pin_removed", bdfs[2])
    dmabuf = behind.check("udmabuf_removed", bdfs[2])

    assert (pins["made"], pins["left"], pins["after"]) == ([0] * 4, 0, 0)
    assert (dmabuf["status"], dmabuf["late"]) == (Status.OK, errno.ENODEV)


@pytest.mark.parametrize("how", ["1", "2"])
def test_a_reset_leaves_no_mapping_in_use(behind: Driver, bdfs: list[str], how: str) -> None:
    """What was mapped for the lost work is not touched any more; new work is translated too."""
    seen = behind.check("reset", bdfs[0], how)

    assert (seen["lost"], seen["generations"], seen["again"]) == (errno.ESTALE, 1, Status.OK)
    assert behind.check("copies", bdfs[0])["wrong"] == 0


def test_a_fatal_error_is_recovered_from(behind: Driver, bdfs: list[str]) -> None:
    """The reset of the link costs the work in flight; DMA works afterwards."""
    seen = behind.check("aer", bdfs[2], "fatal")

    assert seen == {
        "lost": errno.ESTALE,
        "state": "online",
        "address_state": "committed",
        "again": Status.OK,
    }


def test_removal_and_death_leave_no_mapping_in_use(behind: Driver, bdfs: list[str]) -> None:
    """The driver is unbound, and a process killed, with work in flight."""
    removed = behind.check("unbind", bdfs[1])

    assert (set(removed["answers"]), removed["again"]) == ({errno.ENODEV}, Status.OK)
    assert behind.check("killed", bdfs[1]) == {"statuses": [Status.OK], "lost_bytes": 0}
