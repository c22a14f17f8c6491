# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""axl.ko driving the reference device behind two switches in a real kernel."""

from __future__ import annotations

import errno
from functools import partial

import pytest

from pyaccel.spec.formats import Status
from tests.linux.conftest import ENDPOINTS, FIRST, FOURTH, SECOND, THIRD, Driver

# The first test waits for downloads, the build and the boot.
pytestmark = [
    pytest.mark.guest,
    pytest.mark.timeout(400),
    pytest.mark.usefixtures("quiet_kernel"),
]


def test_every_endpoint_has_all_its_vectors(driver: Driver) -> None:
    """One for events and one for each queue, as long as there are few endpoints."""
    assert {row["vectors"] for row in driver.check("identity").values()} == {17}


def test_sysfs_says_the_same(driver: Driver) -> None:
    """The attributes agree with the ioctl."""
    seen = driver.check("identity")

    for placed in ENDPOINTS:
        sysfs = seen[placed.bdf]["sysfs"]
        assert sysfs["board_serial"] == f"0x{placed.serial:016x}"
        assert sysfs["endpoint_index"] == str(placed.index)
        assert sysfs["upstream_path"] == ",".join(placed.path)
        assert sysfs["slot"] == str(placed.slot)
        assert (sysfs["address_state"], sysfs["state"]) == ("committed", "online")


@pytest.mark.parametrize("bdf", [placed.bdf for placed in ENDPOINTS])
def test_copies_are_byte_for_byte(driver: Driver, bdf: str) -> None:
    """Copies of odd sizes and offsets through device memory arrive as they were sent."""
    seen = driver.check("copies", bdf)

    assert set(seen["statuses"]) == {Status.OK}
    assert seen["wrong"] == 0


def test_a_fault_stays_in_its_context(driver: Driver) -> None:
    """Unmapped and read-only addresses fault one context; it recovers, others never notice."""
    seen = driver.check("faults", FIRST)

    assert seen["statuses"] == [
        Status.PAGE_FAULT,
        Status.CONTEXT_FAULTED,
        Status.OK,
        Status.PROTECTION_FAULT,
        Status.OK,
    ]
    assert seen["faulted"] == 1
    assert seen["records"] >= 1


def test_files_are_isolated(driver: Driver) -> None:
    """Another file's objects do not exist for this one, and freed memory holds no secrets."""
    seen = driver.check("neighbours", FIRST)

    assert set(seen["attempts"]) == {errno.ENOENT}
    assert not seen["leaked"]


def test_what_runs_out_is_given_back_at_close(driver: Driver) -> None:
    """Queues and contexts end with -ENOSPC, memory with -ENOMEM; closing the file frees all."""
    seen = driver.check("limits", SECOND)

    assert seen["queues"] == [0] * 15 + [errno.ENOSPC]
    assert seen["contexts"] == [0] * 63 + [errno.ENOSPC]
    assert (seen["big"], seen["busy"], seen["again"]) == (errno.ENOMEM, errno.EBUSY, 0)


def test_hostile_arguments_are_refused(driver: Driver) -> None:
    """Unknown flags, non-zero padding, impossible values: -EINVAL, each of them."""
    assert [case for case in driver.check("hostile", THIRD) if case[1] != errno.EINVAL] == []


def test_what_does_not_exist_is_not_found(driver: Driver) -> None:
    """Numbers and addresses of nothing: -ENOENT."""
    assert [case for case in driver.check("not_found", THIRD) if case[1] != errno.ENOENT] == []


def test_random_ioctls_harm_nobody(driver: Driver) -> None:
    """Wrong fields and noise get errors; the kernel stays quiet and a neighbour works."""
    seen = driver.check("garbage", FOURTH)

    assert seen["neighbour"] == Status.OK
    expected_errors = {
        "OK",
        "EINVAL",
        "ENOENT",
        "EFAULT",
        "ENOMEM",
        "ENOSPC",
        "E2BIG",
        "EBUSY",
        "EBADF",
    }
    assert set(seen["errors"]) <= expected_errors
    assert seen["errors"]["OK"] > 100


def test_memory_outlives_the_commands_that_use_it(driver: Driver) -> None:
    """Memory unmapped and closed under a running command is given back only after it."""
    seen = driver.check("unmap_in_flight", FIRST)

    assert (seen["status"], seen["failed"]) == (0, Status.OK)
    assert seen["gained"] == [0, 1 << 20]


def test_syncobjs_order_queues(driver: Driver) -> None:
    """A batch's syncobj signals when the batch ends, and holds another queue until then."""
    assert driver.check("syncobjs", SECOND) == {"early": errno.ETIME, "late": 0, "second": 0}


def test_a_full_ring_makes_one_wait_or_not(driver: Driver) -> None:
    """NONBLOCK says -EAGAIN, an impossible batch -E2BIG, and waiting ends when there is room."""
    assert driver.check("nonblock", THIRD) == {
        "filled": 0,
        "full": errno.EAGAIN,
        "too_big": errno.E2BIG,
        "waited": 0,
        "wait": 0,
    }


@pytest.mark.parametrize("how", ["1", "2", "flr", "bus"])
def test_a_reset_ends_what_was_before(driver: Driver, how: str) -> None:
    """Asked for by ioctl or by the OS: jobs end, old objects are stale, new ones work."""
    seen = driver.check("reset", FOURTH, how)

    assert seen["lost"] == errno.ESTALE
    assert set(seen["stale"]) == {errno.ESTALE}
    assert seen["generations"] == 1
    assert (seen["address_state"], seen["state"], seen["again"]) == (1, "online", 0)


def test_a_hung_queue_is_reset_alone(driver: Driver) -> None:
    """Its command is given up, it works again, and the endpoint keeps its generation."""
    with driver.rack() as rack:
        rack.call("fault.inject", endpoint=0, fault="hung_queue", set={}, queue=0)
    before = driver.check("identity")[FIRST]["sysfs"]["generation"]
    seen = driver.check("hang", FIRST)

    assert (seen["status"], seen["failed"]) == (0, Status.ABORTED)
    assert (seen["after"], seen["beside"]) == (Status.OK, Status.OK)
    assert seen["generation"] == int(before)


@pytest.mark.parametrize(
    ("fault", "failed"),
    [
        ("lost_interrupt", [Status.OK, Status.OK]),
        ("wrong_sequence", [Status.ABORTED, Status.OK]),
    ],
)
def test_what_the_device_withholds_is_noticed(
    driver: Driver, fault: str, failed: list[int]
) -> None:
    """A lost interrupt costs time only; a completion that lies is not believed."""
    with driver.rack() as rack:
        rack.call("fault.inject", endpoint=1, fault=fault, set={}, queue=0)
    seen = driver.check("later", SECOND)

    assert seen["status"] == [0, 0]
    assert seen["failed"] == failed


def test_removing_the_driver_ends_open_files(driver: Driver) -> None:
    """Unbinding under an open file: -ENODEV for work and ioctls, SIGBUS for its memory."""
    seen = driver.check("unbind", SECOND)

    assert seen["signal"] == 7
    assert set(seen["answers"]) == {errno.ENODEV}
    assert seen["again"] == Status.OK


def test_a_killed_process_leaves_nothing(driver: Driver) -> None:
    """A process that dies with work in flight disturbs nobody and leaks no memory."""
    assert driver.check("killed", THIRD) == {"statuses": [Status.OK], "lost_bytes": 0}


def test_tracepoints_follow_a_command(driver: Driver) -> None:
    """One NOP leaves submit, doorbell, fetch, start, finish and complete, in that order."""
    seen = driver.check("stages", FOURTH)
    stages = [event for event in seen["events"] if event[1] not in {"irq", "wake"}]

    names = [name for _, name, _, _ in stages]
    assert names == ["submit", "doorbell", "fetch", "start", "finish", "complete"]
    assert {(sequence, dev) for _, _, sequence, dev in stages} == {(2, FOURTH)}


def test_a_lost_endpoint_is_gone_until_it_is_found_again(driver: Driver) -> None:
    """All-ones end the work with -ENODEV; after remove and rescan the endpoint works."""
    held = driver.lab.files.share / "held"
    with driver.rack() as rack:
        lose = partial(rack.call, "endpoint.remove", endpoint=3)
        seen = driver.check_meanwhile(held, lose, "gone", FOURTH)
        rack.call("endpoint.restore", endpoint=3)
    driver.shell(f"echo 1 >/sys/bus/pci/devices/{FOURTH}/remove; echo 1 >/sys/bus/pci/rescan")

    assert seen == {"status": errno.ENODEV, "state": "gone", "submit": errno.ENODEV}
    assert driver.check("identity")[FOURTH]["address_state"] == 1
    assert driver.check("copies", FOURTH)["wrong"] == 0


def test_the_others_learn_when_one_leaves(driver: Driver) -> None:
    """Peer tables follow: one row less while an endpoint is unbound, whole again after."""
    folder = f"/sys/bus/pci/devices/{FIRST}/axl"
    unbind = f"echo {FOURTH} >/sys/bus/pci/drivers/axl/unbind"
    without = driver.shell(f"{unbind}; cat {folder}/peer_count {folder}/address_state")
    driver.shell(f"echo {FOURTH} >/sys/bus/pci/drivers/axl/bind")

    assert without.split() == ["3", "committed"]
    assert driver.check("identity")[FIRST]["peers"] == 4


def test_the_module_comes_and_goes(driver: Driver) -> None:
    """Unloading and loading leaves nothing behind that stops it from working again."""
    for _ in range(3):
        driver.unload()
        driver.load()

    assert {row["address_state"] for row in driver.check("identity").values()} == {1}
    assert driver.check("copies", FIRST)["wrong"] == 0
