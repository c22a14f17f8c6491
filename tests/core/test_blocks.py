# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""Telemetry and error blocks, and the health that is judged from them."""

from __future__ import annotations

from contextlib import closing

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyaccel.spec import regs
from pyaccel.spec.formats import MAX_CONTEXTS, MAX_QUEUES, Stage
from pyaccel.spec.regs import ErrorCode

SECOND = 1_000_000_000


def telemetry(core, host):
    """(name of the result, sample)."""
    sample = core.new("struct axl_telemetry_sample *")
    return core.error(core.axl_telemetry_read(host.os, sample)), sample


def set_sensors(host, **values):
    """Set sensors and mark all of them valid."""
    host.set(regs.TELEMETRY_VALID, 15)
    for name, value in values.items():
        host.set(getattr(regs, f"TELEMETRY_{name}"), value)


def test_telemetry_is_decoded(core, host):
    """Values, signs and counters arrive."""
    set_sensors(host, TEMPERATURE=2**32 - 5000, POWER=12, CLOCK=34, UTILISATION=1000)
    host.set(regs.TELEMETRY_LINK, regs.TELEMETRY_LINK.make(SPEED=4, WIDTH=16))
    host.set(regs.TELEMETRY_PROGRESS, 1 << 40)
    host.set(regs.TELEMETRY_BYTES_PEER, 2**64 - 1)
    error, sample = telemetry(core, host)
    assert error == "ok"
    assert (sample.valid, sample.temperature_millicelsius) == (15, -5000)
    assert (sample.power_milliwatt, sample.clock_khz, sample.utilisation_permille) == (12, 34, 1000)
    assert (sample.link_speed, sample.link_width) == (4, 16)
    assert (sample.progress, sample.bytes_peer) == (1 << 40, 2**64 - 1)


@pytest.mark.parametrize(
    ("name", "value", "bit"),
    [
        ("TEMPERATURE", 250_001, 1),
        ("TEMPERATURE", 2**31, 1),
        ("POWER", 10_000_001, 2),
        ("CLOCK", 2**32 - 1, 4),
        ("UTILISATION", 1001, 8),
    ],
)
def test_impossible_sensor_counts_as_broken(core, host, name, value, bit):
    """The value is withheld and its valid bit cleared; the others stay."""
    set_sensors(host, **{name: value})
    _, sample = telemetry(core, host)
    assert (sample.valid, sample.impossible) == (15 & ~bit, bit)
    values = ("temperature_millicelsius", "power_milliwatt", "clock_khz", "utilisation_permille")
    assert not any(getattr(sample, v) for v in values)


def test_broken_sensor_is_zero(core, host):
    """Without its valid bit a value is not passed on."""
    set_sensors(host, TEMPERATURE=40000, POWER=5)
    host.set(regs.TELEMETRY_VALID, 2)
    _, sample = telemetry(core, host)
    assert (sample.valid, sample.temperature_millicelsius, sample.power_milliwatt) == (2, 0, 5)
    assert sample.impossible == 0


@pytest.mark.parametrize(("speed", "width"), [(7, 3), (15, 63), (0, 0)])
def test_links_that_do_not_exist_are_unknown(core, host, speed, width):
    """Speed and width are 0, unknown, if no link has them."""
    host.set(regs.TELEMETRY_LINK, regs.TELEMETRY_LINK.make(SPEED=speed, WIDTH=width))
    _, sample = telemetry(core, host)
    assert (sample.link_speed, sample.link_width) == (0, 0)


def test_telemetry_of_a_gone_endpoint_is_nothing(core, host):
    """Gone gives zeroes, not all-ones as values."""
    set_sensors(host, POWER=5)
    host.c.is_gone = 1
    error, sample = telemetry(core, host)
    assert error == "gone"
    assert not any(bytes(core.ffi.buffer(sample)))


def errblk(core, host):
    """(name of the result, block)."""
    block = core.new("struct axl_errblk *")
    return core.error(core.axl_errblk_read(host.os, block)), block


def set_error(host, code=ErrorCode.PAGE_FAULT, where=None, **status):
    """Record an error as the device would."""
    bits = {"VALID": 1, "HAS_COMMAND": 1, "HAS_ADDRESS": 1, **status}
    host.set(regs.ERROR_STATUS, regs.ERROR_STATUS.make(CODE=code, **bits))
    host.set(regs.ERROR_WHERE, regs.ERROR_WHERE.make(**(where or {"QUEUE": 3, "CONTEXT": 9})))
    host.set(regs.ERROR_COUNT, 2)
    host.set(regs.ERROR_SEQUENCE, 77)
    host.set(regs.ERROR_ADDRESS, 0x1234000)
    host.set(regs.ERROR_TIME, 5)


def test_error_block_is_decoded_and_reported(core, host):
    """Every field arrives, and an error event with it."""
    host.record_events()
    set_error(host)
    error, block = errblk(core, host)
    assert error == "ok"
    assert (block.valid, block.suspect, block.code, block.count) == (True, False, 1, 2)
    assert (block.queue, block.context, block.sequence) == (3, 9, 77)
    assert (block.address, block.ticks) == (0x1234000, 5)
    (event,) = host.events
    assert (event["stage"], event["status"], event["sequence"]) == (Stage.ERROR, 1, 77)
    assert (event["queue"], event["address"]) == (3, 0x1234000)


def test_without_a_record_there_is_nothing(core, host):
    """No record: success, not valid, no event."""
    host.record_events()
    set_error(host, VALID=0)
    error, block = errblk(core, host)
    assert (error, block.valid, host.events) == ("ok", False, [])
    assert not any(bytes(core.ffi.buffer(block)))


@pytest.mark.parametrize("where", [{"QUEUE": 16}, {"QUEUE": 255}, {"CONTEXT": 64}])
def test_command_of_an_impossible_queue_is_withheld(core, host, where):
    """A queue or context that does not exist is not passed on."""
    set_error(host, where=where)
    _, block = errblk(core, host)
    assert (block.valid, block.suspect, block.has_command) == (True, True, False)
    assert (block.queue, block.context, block.sequence) == (0, 0, 0)
    assert block.address == 0x1234000


@pytest.mark.parametrize("code", [0, 12, 255])
def test_unknown_code_is_passed_on_as_suspect(core, host, code):
    """The number stays visible: newer firmware may know more errors."""
    set_error(host, code)
    _, block = errblk(core, host)
    assert (block.code, block.suspect) == (code, True)


def test_fields_without_their_bits_are_withheld(core, host):
    """HAS_COMMAND and HAS_ADDRESS decide what is meaningful."""
    set_error(host, HAS_COMMAND=0, HAS_ADDRESS=0)
    _, block = errblk(core, host)
    assert (block.queue, block.sequence, block.address, block.suspect) == (0, 0, 0, False)


def test_block_that_changes_while_read_is_read_again(core, host):
    """A mixture of two records is never passed on; changing for ever is an error."""
    set_error(host)
    looks, unstable = [0], [2]

    def hook(at, _size, value):
        if at != regs.ERROR_STATUS.at():
            return value
        looks[0] += 1
        return value if looks[0] > unstable[0] else value ^ looks[0] << 8

    host.on_read(hook)
    error, block = errblk(core, host)
    assert (error, block.code) == ("ok", ErrorCode.PAGE_FAULT)
    looks[0], unstable[0] = 0, 99
    error, block = errblk(core, host)
    assert (error, block.valid) == ("no_room_now", False)


def test_error_block_of_a_gone_endpoint(core, host):
    """All-ones is gone, for reading and for clearing."""
    set_error(host)
    host.c.is_gone = 1
    assert errblk(core, host)[0] == "gone"
    assert core.error(core.axl_errblk_clear(host.os)) == "gone"


def test_clear_writes_the_valid_bit(core, host):
    """Write 1 to clear."""
    host.record_writes()
    assert core.error(core.axl_errblk_clear(host.os)) == "ok"
    assert host.writes == [(regs.ERROR_STATUS.at(), 1)]


@given(block=st.binary(min_size=0x28, max_size=0x28))
def test_random_error_blocks_never_name_what_does_not_exist(core, block):
    """Whatever the block holds, queue and context index our tables safely."""
    with closing(core.host()) as host:
        host.bar0[0x600:0x628] = block
        _, seen = errblk(core, host)
        assert seen.queue < MAX_QUEUES
        assert seen.context < MAX_CONTEXTS


class Health:
    """axl_health with a clock and a heartbeat."""

    def __init__(self, core, host, queue_s=10, heartbeat_s=2):
        self.core, self.host, self.now = core, host, 0
        self.c = core.new("struct axl_health *")
        core.axl_health_init(self.c, queue_s * SECOND, heartbeat_s * SECOND)
        self.hung = core.new("uint32_t *", 99)

    def check(self, *queues, seconds=1, beats=10):
        """Let time pass and check; queues are (in_flight, completed)."""
        self.now += seconds * SECOND
        beat = self.host.get(regs.TELEMETRY_HEARTBEAT)
        self.host.set(regs.TELEMETRY_HEARTBEAT, beat + beats)
        rows = self.core.new("struct axl_health_queue[]", [(c, f) for f, c in queues] or 1)
        return self.core.axl_health_check(
            self.c, self.host.os, self.now, rows, len(queues), self.hung
        )


@pytest.fixture
def health(core, host):
    """Queue timeout 10 s, heartbeat timeout 2 s."""
    return Health(core, host)


def test_progress_is_health_however_long_it_takes(core, health):
    """A busy queue that completes something now and then is not hung."""
    for n in range(50):
        assert health.check((5, n // 9), seconds=1) == core.AXL_HEALTH_OK


def test_queue_without_progress_is_hung_after_its_timeout(core, health):
    """Not before the timeout, and the right queue is named."""
    for _ in range(10):
        assert health.check((0, 7), (3, 7)) == core.AXL_HEALTH_OK
    assert health.check((0, 7), (3, 7)) == core.AXL_HEALTH_QUEUE_HUNG
    assert health.hung[0] == 1


def test_work_that_came_after_a_long_pause_is_not_hung(core, health):
    """Idle time does not count against new work."""
    assert health.check((0, 7)) == core.AXL_HEALTH_OK
    assert health.check((1, 7), seconds=1000) == core.AXL_HEALTH_OK
    assert health.check((1, 7), seconds=9) == core.AXL_HEALTH_OK
    assert health.check((1, 7), seconds=1) == core.AXL_HEALTH_QUEUE_HUNG


def test_queue_in_a_fence_wait_is_not_hung(core, host, health):
    """A fence may take as long as it takes; a halted queue does not wait for one."""
    host.set(regs.QUEUE_STATUS, regs.QUEUE_STATUS.make(STATE=1, WAITING=1), 0)
    for _ in range(30):
        assert health.check((1, 0)) == core.AXL_HEALTH_OK
    host.set(regs.QUEUE_STATUS, regs.QUEUE_STATUS.make(STATE=2, WAITING=1), 0)
    assert health.check((1, 0)) == core.AXL_HEALTH_QUEUE_HUNG


def test_stopped_heartbeat_is_the_firmware(core, health):
    """Two seconds without a beat; the queues do not matter."""
    assert health.check(beats=1) == core.AXL_HEALTH_OK
    assert health.check(beats=0) == core.AXL_HEALTH_OK
    assert health.check(beats=0) == core.AXL_HEALTH_FIRMWARE
    assert health.check(beats=1) == core.AXL_HEALTH_OK


def test_halted_device_is_reported_at_once(core, host, health):
    """STATUS.HALTED needs no timeout."""
    host.set(regs.CTRL_STATUS, regs.CTRL_STATUS.make(READY=1, HALTED=1))
    assert health.check() == core.AXL_HEALTH_FIRMWARE


def test_all_ones_is_gone_and_a_wrapping_heartbeat_is_not(core, host, health):
    """A heartbeat of 2^32 - 1 alone is a number."""
    host.set(regs.TELEMETRY_HEARTBEAT, 2**32 - 2)
    assert health.check(beats=1) == core.AXL_HEALTH_OK
    host.c.is_gone = 1
    host.set(regs.TELEMETRY_HEARTBEAT, 0)
    assert health.check() == core.AXL_HEALTH_GONE


def test_restart_forgets(core, health):
    """After a reset the clocks start anew."""
    for _ in range(10):
        health.check((1, 0))
    core.axl_health_restart(health.c)
    assert health.check((1, 0), seconds=5) == core.AXL_HEALTH_OK
    assert health.check((1, 0), seconds=5) == core.AXL_HEALTH_OK


def test_too_many_queues_are_cut(core, health):
    """A wrong count does not write beyond the table."""
    assert health.check(*[(0, 0)] * 40) == core.AXL_HEALTH_OK
