# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""Setting up the device address, and the context registers."""

from __future__ import annotations

import pytest

from pyaccel.spec import regs
from pyaccel.spec.regs import AddressReason, AddressState

PATH = (0x0008, 0x0100, 0x0208)
PLACE = {"segment": 1, "bus": 5, "device": 3, "function": 2, "slot": 9, "depth": 3, "path": PATH}
PEERS = [(0x40_0000_0000, 1 << 30, 0x00A0C00000000001, 0), (0x40_4000_0000, 1 << 30, 77, 1)]


@pytest.fixture
def commit(core, host):
    """Call axl_addr_commit(); (result, reason)."""

    def call(peers=PEERS, **place):
        ident = core.new("struct axl_ident *")
        assert core.axl_ident_read(host.os, ident) == 0
        rows = core.new("struct axl_peer[]", [tuple(p) for p in peers] or 1)
        reason = core.new("uint32_t *", 99)
        where = core.new("struct axl_place *", PLACE | place)
        host.record_writes()
        code = core.axl_addr_commit(host.os, ident, where, rows, len(peers), reason)
        return core.error(code), reason[0]

    return call


def answer(host, **status):
    """Let ADDR.STATUS read as this."""
    value = regs.ADDR_STATUS.make(**status)
    host.on_read(lambda at, _n, was: value if at == regs.ADDR_STATUS.at() else was)


def test_commit_writes_place_card_path_and_peers(commit, host):
    """Every register of the block holds what was asked for; COMMIT 0 first, 1 last."""
    answer(host, STATE=AddressState.COMMITTED)
    assert commit() == ("ok", AddressReason.NONE)
    assert regs.ADDR_PLACE.decode(host.get(regs.ADDR_PLACE)) == {
        "SEGMENT": 1,
        "BUS": 5,
        "DEVICE": 3,
        "FUNCTION": 2,
    }
    assert regs.ADDR_CARD.decode(host.get(regs.ADDR_CARD)) == {"SLOT": 9, "INDEX": 0}
    assert host.get(regs.ADDR_CARD_SERIAL) == 0x00A0C00000000001
    assert host.get(regs.ADDR_PATH_DEPTH) == 3
    assert [host.get(regs.ADDR_PATH, n) for n in range(3)] == [1 << 31 | bdf for bdf in PATH]
    assert host.get(regs.ADDR_PEER_COUNT) == 2
    for row, (address, size, serial, index) in enumerate(PEERS):
        assert host.get(regs.PEER_ADDRESS, row) == address
        assert host.get(regs.PEER_SIZE, row) == size
        assert host.get(regs.PEER_SERIAL, row) == serial
        assert host.get(regs.PEER_INFO, row) == 1 << 31 | index
    commits = [value for offset, value in host.writes if offset == regs.ADDR_COMMIT.at()]
    assert commits == [0, 1]
    assert host.writes[0] == (regs.ADDR_COMMIT.at(), 0)
    assert host.writes[-1] == (regs.ADDR_COMMIT.at(), 1)


@pytest.mark.parametrize("reason", list(AddressReason)[1:])
def test_rejection_says_why(commit, host, reason):
    """The device's reason reaches the caller."""
    answer(host, STATE=AddressState.REJECTED, REASON=reason)
    assert commit() == ("address_rejected", reason)


@pytest.mark.parametrize(
    "status",
    [
        {"STATE": 3},
        {"STATE": AddressState.REJECTED, "REASON": 7},
        {"STATE": AddressState.STALE},
    ],
)
def test_status_that_cannot_be_is_the_devices_fault(commit, host, status):
    """An unknown state or reason, or STALE after a commit, is no success."""
    answer(host, **status)
    assert commit()[0] == "device_nonsense"


@pytest.mark.parametrize(
    "place", [{"device": 32}, {"function": 8}, {"depth": 0}, {"depth": 17}, {"depth": 255}]
)
def test_impossible_places_are_not_written(commit, host, place):
    """Fields that do not fit their registers are refused before the first write."""
    assert commit(**place)[0] == "invalid_argument"
    assert host.writes == []


@pytest.mark.parametrize(
    "peers",
    [
        [(0, 0, 0, 0)],
        [(2**64 - 4096, 8192, 0, 0)],
        [(0, 4096, 0, 256)],
        PEERS * 33,
    ],
)
def test_impossible_peers_are_not_written(commit, host, peers):
    """Empty, wrapping or too many rows are refused before the first write."""
    assert commit(peers)[0] == "invalid_argument"
    assert host.writes == []


def test_gone_endpoint_is_told_apart(core, commit, host):
    """All-ones from STATUS is gone, and no success."""
    host.on_read(lambda at, _n, was: was if at < 0x100 and not host.writes else 2**32 - 1)
    assert commit()[0] == "gone"


def test_status_reports_the_captured_place(core, host):
    """The captured number is passed on only if it is valid."""
    status = core.new("struct axl_addr_status *")
    host.set(regs.ADDR_CAPTURED, 0x0518)
    host.set(regs.ADDR_GENERATION, 4)
    assert core.axl_addr_status(host.os, status) == 0
    assert (status.state, status.captured_valid, status.captured) == (0, False, 0)
    host.set(regs.ADDR_STATUS, regs.ADDR_STATUS.make(STATE=1, CAPTURED_VALID=1))
    assert core.axl_addr_status(host.os, status) == 0
    assert (status.state, status.captured, status.generation) == (1, 0x0518, 4)


def test_an_endpoint_that_leaves_while_its_status_is_read_is_gone(core, host):
    """A good STATUS and a GENERATION of all-ones are not a status."""
    status = core.new("struct axl_addr_status *")
    left = (regs.ADDR_GENERATION.offset, regs.IDENT_MAGIC.offset)
    host.on_read(lambda at, _n, was: 2**32 - 1 if at in left else was)

    assert core.error(core.axl_addr_status(host.os, status)) == "gone"
    assert status.generation == 0


def test_context_is_enabled_with_its_root_and_nothing_cached(core, host):
    """ROOT first, then the old fault cleared, then ENABLE and INVALIDATE together."""
    host.record_writes()
    host.on_read(lambda at, _n, was: was & 1 if at == regs.CONTEXT_CONTROL.at(5) else was)
    assert core.error(core.axl_ctx_enable(host.os, 5, 0x1_2345_6000)) == "ok"
    assert host.writes == [
        (regs.CONTEXT_ROOT.at(5), 0x1_2345_6000),
        (regs.CONTEXT_STATUS.at(5), 1),
        (regs.CONTEXT_CONTROL.at(5), 3),
    ]
    assert core.error(core.axl_ctx_invalidate(host.os, 5)) == "ok"
    assert host.writes[3:] == [(regs.CONTEXT_CONTROL.at(5), 3)]
    assert core.error(core.axl_ctx_disable(host.os, 5)) == "ok"
    assert host.writes[4:] == [(regs.CONTEXT_CONTROL.at(5), 2)]


@pytest.mark.parametrize(("n", "root"), [(64, 4096), (0, 4097), (0, 0), (0, 1 << 52)])
def test_impossible_contexts_are_refused(core, host, n, root):
    """A context that does not exist, or a root that is no page."""
    assert core.error(core.axl_ctx_enable(host.os, n, root)) == "invalid_argument"


def test_every_context_call_checks_its_number(core, host):
    """No call computes a register offset from a number out of range."""
    for call in ("disable", "invalidate", "fault_state", "clear_fault"):
        assert core.error(getattr(core, f"axl_ctx_{call}")(host.os, 64)) == "invalid_argument"


def test_context_that_does_not_obey_is_reported(core, host):
    """ENABLE must read back as written."""
    host.on_read(lambda at, _n, was: 0 if at == regs.CONTEXT_CONTROL.at(0) else was)
    assert core.error(core.axl_ctx_enable(host.os, 0, 4096)) == "device_nonsense"
    host.on_read(lambda at, _n, was: 1 if at == regs.CONTEXT_CONTROL.at(0) else was)
    assert core.error(core.axl_ctx_disable(host.os, 0)) == "device_nonsense"


def test_fault_is_seen_and_cleared(core, host):
    """Faulted is 1, not faulted 0; a fault that does not clear is the device's fault."""
    host.set(regs.CONTEXT_STATUS, 1, 3)
    assert core.axl_ctx_fault_state(host.os, 3) == 1
    assert core.axl_ctx_fault_state(host.os, 4) == 0
    assert core.error(core.axl_ctx_clear_fault(host.os, 3)) == "device_nonsense"
    host.on_write(lambda at, _n, value: host.set(regs.CONTEXT_STATUS, 0, 3))
    assert core.error(core.axl_ctx_clear_fault(host.os, 3)) == "ok"


def test_context_of_a_gone_endpoint(core, host):
    """Every call answers gone."""
    host.c.is_gone = 1
    assert core.error(core.axl_ctx_enable(host.os, 0, 4096)) == "gone"
    for call in ("disable", "invalidate", "fault_state", "clear_fault"):
        assert core.error(getattr(core, f"axl_ctx_{call}")(host.os, 0)) == "gone"
