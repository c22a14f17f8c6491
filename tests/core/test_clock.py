# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""Clock correlation with drift, jitter, wrap-around and clocks that lie."""

from __future__ import annotations

import random

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from pyaccel.spec import regs

MASK = 2**64 - 1
SECOND = 1_000_000_000


class Clock:
    """axl_clock beside a device clock that the test controls."""

    def __init__(self, core, host, hz=100_000_000, ppm=0.0, start=12345):
        self.core, self.host = core, host
        self.ppm, self.start, self.hz = ppm, start, hz
        self.latency_ns, self.random = (0, 0), random.Random(7)
        self.epoch = host.c.now_ns
        host.set(regs.CLOCK_FREQUENCY, hz)
        host.on_write(self._write)
        host.on_read(self._read)
        self.c = core.new("struct axl_clock *")
        self.error = core.error(core.axl_clock_init(self.c, host.os))

    def ticks_at(self, ns):
        """What the device clock shows at host time ns."""
        elapsed = ns - self.epoch
        return (self.start + int(elapsed * self.hz * (1 + self.ppm / 1e6) / 1e9)) & MASK

    def _pass_time(self):
        """Let a random time pass on the way to the device."""
        self.host.c.now_ns += self.random.randint(*self.latency_ns)

    def _write(self, offset, _size, _value):
        """Latch the clock."""
        if offset == regs.CLOCK_LATCH.at():
            self._pass_time()
            self.host.set(regs.CLOCK_TICKS, self.ticks_at(self.host.c.now_ns))

    def _read(self, offset, _size, value):
        """Answer after a while."""
        if offset == regs.CLOCK_TICKS.at():
            self._pass_time()
        return value

    def sample(self, after_ns=0):
        """Take a reading; name of the result."""
        self.host.c.now_ns += after_ns
        return self.core.error(self.core.axl_clock_sample(self.c, self.host.os))

    def to_ns(self, ticks):
        """Host time of a device time, or the name of the error."""
        out = self.core.new("uint64_t *")
        line = self.core.ffi.addressof(self.c[0], "line")
        code = self.core.axl_clock_to_ns(line, ticks & MASK, out)
        return out[0] if code == 0 else self.core.error(code)


@pytest.mark.parametrize("hz", [1000, 32768, 25_000_000, 100_000_000, 1_000_000_007, 10**11])
def test_one_reading_gives_the_nominal_rate(core, host, hz):
    """A second of ticks is a second of host time, to the resolution of the rate."""
    clock = Clock(core, host, hz=hz)
    assert clock.sample() == "ok"
    at = clock.host.c.now_ns
    assert clock.to_ns(clock.c.line.device_ticks) == at
    resolution = hz // 2**32 + 2  # the rate has 32 fractional bits
    assert abs(clock.to_ns(clock.c.line.device_ticks + hz) - at - SECOND) <= resolution
    assert abs(clock.to_ns(clock.c.line.device_ticks - hz) - at + SECOND) <= resolution


@pytest.mark.parametrize("hz", [0, 1, 999, 10**11 + 1, 2**63, MASK])
def test_impossible_frequency_is_refused(core, host, hz):
    """No division by zero, no overflowing rate."""
    clock = Clock(core, host, hz=hz)
    assert clock.error == "device_nonsense"
    assert clock.sample() == "busy"


def test_before_the_first_reading_nothing_can_be_converted(core, host):
    """Unknown is an error, not zero."""
    assert Clock(core, host).to_ns(5) == "busy"


@pytest.mark.parametrize("ppm", [-5000, -100, -1, 0, 1, 100, 5000])
def test_drift_is_measured(core, host, ppm):
    """After ten seconds of readings a time half a second ahead is right to a microsecond."""
    clock = Clock(core, host, ppm=ppm)
    for _ in range(10):
        assert clock.sample(SECOND) == "ok"
    ahead = host.c.now_ns + SECOND // 2
    assert abs(clock.to_ns(clock.ticks_at(ahead)) - ahead) < 1000


@pytest.mark.parametrize("ppm", [-80, 80])
def test_jitter_is_within_the_stated_uncertainty(core, host, ppm):
    """With readings that take 1 to 60 us, errors stay within what the line admits."""
    clock = Clock(core, host, ppm=ppm)
    clock.latency_ns = (500, 30_000)
    for _ in range(60):
        assert clock.sample(SECOND // 2) == "ok"
        now = host.c.now_ns
        assert clock.c.line.uncertainty_ns <= 30_000
        if clock.c.samples > 10:
            error = abs(clock.to_ns(clock.ticks_at(now)) - now)
            aged = (now - clock.c.line.host_ns) * 50e-6
            assert error <= clock.c.line.uncertainty_ns + aged + 100


def test_disturbed_readings_do_not_move_the_line(core, host):
    """A reading that took a millisecond does not replace a good one of a moment ago."""
    clock = Clock(core, host)
    clock.sample()
    before = clock.c.line.host_ns
    clock.latency_ns = (0, 1_000_000)
    assert clock.sample(SECOND // 100) == "ok"
    assert clock.c.line.host_ns == before
    assert clock.sample(200 * SECOND) == "ok"
    assert clock.c.line.host_ns > before


def test_the_quickest_of_several_readings_counts(core, host):
    """One quick reading among slow ones gives the uncertainty."""
    clock = Clock(core, host)
    slow = iter([900, 900, 10, 10, 900, 900, 900, 900])
    clock._pass_time = lambda: setattr(host.c, "now_ns", host.c.now_ns + next(slow))
    assert clock.sample() == "ok"
    assert clock.c.line.uncertainty_ns == 10


def test_changing_drift_is_followed(core, host):
    """An oscillator that warms up: the old rate is forgotten within two windows."""
    clock = Clock(core, host, ppm=0)
    for _ in range(20):
        clock.sample(SECOND)
    here = host.c.now_ns
    clock.start, clock.epoch, clock.ppm = clock.ticks_at(here), here, 200
    for _ in range(25):
        assert clock.sample(SECOND) == "ok"
    ahead = host.c.now_ns + SECOND
    assert abs(clock.to_ns(clock.ticks_at(ahead)) - ahead) < 1000


@pytest.mark.parametrize("start", [MASK, MASK - 10**8, MASK - 25 * 10**7, 2**63 - 5])
def test_wrap_around_does_not_show(core, host, start):
    """The tick counter may pass 2^64 between readings and within a conversion."""
    clock = Clock(core, host, start=start)
    for _ in range(5):
        assert clock.sample(SECOND) == "ok"
    for back in (0, SECOND, 4 * SECOND):
        then = host.c.now_ns - back
        assert abs(clock.to_ns(clock.ticks_at(then)) - then) < 100


def test_clock_that_stands_still_is_noticed(core, host):
    """A reading that contradicts the nominal rate starts a new line."""
    clock = Clock(core, host)
    clock.sample()
    clock.hz = 0
    assert clock.sample(SECOND) == "device_nonsense"
    assert clock.c.rejected == 1
    assert clock.to_ns(clock.ticks_at(0)) == host.c.now_ns


@pytest.mark.parametrize("jump", [10**9, -(10**9), 2**63, 2**62])
def test_clock_that_jumps_is_noticed_and_followed(core, host, jump):
    """After a jump (a reset of the counter) conversions are right again."""
    clock = Clock(core, host)
    clock.sample()
    clock.start = (clock.start + jump) & MASK
    assert clock.sample(SECOND) == "device_nonsense"
    assert clock.sample(SECOND) == "ok"
    assert abs(clock.to_ns(clock.ticks_at(host.c.now_ns)) - host.c.now_ns) < 100


def test_gone_endpoint_is_told_apart(core, host):
    """All-ones is gone; the line stays as it was."""
    clock = Clock(core, host)
    clock.sample()
    before = clock.to_ns(0)
    host.c.is_gone = 1
    assert clock.sample(SECOND) == "gone"
    assert clock.to_ns(0) == before


@example(ticks=2**63 - 1, rate=2**32, at=0)
@example(ticks=2**63 - 1, rate=3 * 2**32 - 1, at=0)
@given(ticks=st.integers(0, MASK), rate=st.integers(0, MASK), at=st.integers(0, MASK))
def test_conversion_is_exact_or_refused(core, ticks, rate, at):
    """Against exact arithmetic: the result is the floor, or an error where it would not fit."""
    line = core.new("struct axl_clock_line *")
    line.device_ticks, line.host_ns, line.rate_q32 = at, 10**15, rate
    out = core.new("uint64_t *", 0)
    result = core.error(core.axl_clock_to_ns(line, ticks, out))
    ahead = (ticks - at) & MASK
    distance = ahead if ahead < 2**63 else ahead - 2**64
    exact = (abs(distance) * rate) >> 32
    if rate == 0:
        assert result == "busy"
    elif exact >= 2**62:
        assert result == "invalid_argument"
    else:
        assert result == "ok"
        assert out[0] == (10**15 + (exact if distance >= 0 else -exact)) & MASK


@given(st.data())
def test_any_clock_is_survived(core, data):
    """Random readings and pauses: results are ok or device_nonsense, never a trap."""
    host = core.host()
    host.set(regs.CLOCK_FREQUENCY, data.draw(st.integers(1000, 10**11)))
    clock = core.new("struct axl_clock *")
    assert core.axl_clock_init(clock, host.os) == 0
    for _ in range(6):
        host.c.now_ns += data.draw(st.integers(0, 2**61))
        host.set(regs.CLOCK_TICKS, data.draw(st.integers(0, MASK - 1)))
        result = core.error(core.axl_clock_sample(clock, host.os))
        assert result in {"ok", "device_nonsense"}
        assert clock.line.rate_q32 != 0
    host.close()


@pytest.mark.parametrize(("complete", "uncertainty_ns"), [(True, 500), (False, 5500)])
def test_posted_write_widens_the_reading(core, host, complete, uncertainty_ns):
    """A posted write may latch as late as the end of the read that follows it."""
    clock = Clock(core, host)
    spent = {regs.CLOCK_LATCH.at(): 1000, regs.CLOCK_TICKS.at(): 10_000}

    def write(offset, size, value):
        host.c.now_ns += spent.get(offset, 0)
        clock._write(offset, size, value)

    def read(offset, _size, value):
        host.c.now_ns += spent.get(offset, 0)
        return value

    host.on_write(write)
    host.on_read(read)
    host.c.os.writes_complete = complete
    begin = host.c.now_ns
    assert clock.sample() == "ok"
    line = clock.c.line
    assert line.uncertainty_ns == uncertainty_ns
    assert (line.host_ns - begin) % 11_000 == uncertainty_ns
