/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
#include "axl_clock.h"

#include "axl_field.h"
#include "axl_ident.h"
#include "axl_math.h"
#include "axl_regs.h"

#define NS_PER_S 1000000000ull
#define MIN_HZ 1000u
#define MAX_HZ 100000000000ull
/*
 * The baseline over which the rate is measured. Too short and the uncertainty of the
 * readings swamps the drift (1 us over 10 ms is 100 ppm); too long and the line lags
 * behind an oscillator that warms up.
 */
#define MIN_BASELINE_NS 10000000ull
#define MAX_BASELINE_NS 10000000000ull
/*
 * Use a measured rate only if the readings blur it by less than 1 / 20000, 50 ppm: the
 * nominal rate of an ordinary oscillator is not worse than that.
 */
#define BASELINE_QUALITY 20000u
/* Readings per sample, of which the quickest counts: it was disturbed least. */
#define READINGS 4
/* How fast a line loses precision, 1 / 65536 of its age: when to prefer a new reading. */
#define AGEING_SHIFT 16
/* Tolerated deviation from the nominal frequency: 1 / 128. */
#define MAX_DRIFT_SHIFT 7

int axl_clock_init(struct axl_clock *clock, const struct axl_os *os)
{
	uint64_t hz = axl_read64(os, AXL_REG_CLOCK_FREQUENCY);

	memset(clock, 0, sizeof(*clock));
	if (hz == AXL_ALL_ONES64 && axl_is_gone(os))
		return AXL_ERR_GONE;
	if (hz < MIN_HZ || hz > MAX_HZ)
		return AXL_ERR_DEVICE;
	clock->frequency_hz = hz;
	clock->nominal_q32 = axl_div64(NS_PER_S << 32, hz);
	return AXL_OK;
}

int axl_clock_read(const struct axl_os *os, struct axl_clock_sample *sample_out)
{
	uint64_t before = axl_time_ns(os);
	uint64_t after;

	axl_write32(os, AXL_REG_CLOCK_LATCH, AXL_CLOCK_LATCH_LATCH_MASK);
	after = axl_time_ns(os);
	sample_out->ticks = axl_read64(os, AXL_REG_CLOCK_TICKS);
	/* A posted write may have reached the endpoint only just before the read. */
	if (!os->writes_complete)
		after = axl_time_ns(os);
	if (sample_out->ticks == AXL_ALL_ONES64 && axl_is_gone(os))
		return AXL_ERR_GONE;
	sample_out->ns = before + (after - before) / 2;
	sample_out->uncertainty_ns = (after - before + 1) / 2;
	return AXL_OK;
}

static int read_best(const struct axl_os *os, struct axl_clock_sample *best)
{
	struct axl_clock_sample sample;
	int err = axl_clock_read(os, best);
	int i;

	for (i = 1; !err && i < READINGS; i++) {
		err = axl_clock_read(os, &sample);
		if (!err && sample.uncertainty_ns < best->uncertainty_ns)
			*best = sample;
	}
	return err;
}

static void start_line(struct axl_clock *clock, const struct axl_clock_sample *now)
{
	clock->oldest = *now;
	clock->middle = *now;
	clock->line.device_ticks = now->ticks;
	clock->line.host_ns = now->ns;
	clock->line.uncertainty_ns = now->uncertainty_ns;
	clock->line.rate_q32 = clock->nominal_q32;
}

/*
 * Whether the device clock ran at about its nominal rate from one reading to the next,
 * given how exact the two readings are.
 */
static bool ran_as_promised(const struct axl_clock *clock, const struct axl_clock_sample *from,
			    const struct axl_clock_sample *to)
{
	uint64_t host_ns = to->ns - from->ns;
	uint64_t slack = (host_ns >> MAX_DRIFT_SHIFT) + from->uncertainty_ns + to->uncertainty_ns;
	uint64_t device_ns;

	/* One tick more on each side: both readings are whole ticks. */
	slack += (clock->nominal_q32 >> 31) + 1;
	if (!axl_mul_q32(to->ticks - from->ticks, clock->nominal_q32, &device_ns))
		return false;
	return device_ns > host_ns ? device_ns - host_ns <= slack : host_ns - device_ns <= slack;
}

/* ns * 2^32 / ticks, with ns shifted up as far_end as it goes. */
static uint64_t rate_q32(uint64_t ns, uint64_t ticks)
{
	uint32_t up = 63 - axl_log2_floor(ns | 1);

	if (up >= 32)
		return axl_div64(ns << 32, ticks);
	/* Spans above 4 s: give up low bits of the divisor, never of the quotient. */
	return axl_div64(ns << up, ticks >> (32 - up));
}

static void measure_rate(struct axl_clock *clock, const struct axl_clock_sample *now)
{
	const struct axl_clock_sample *far_end = &clock->oldest;
	uint64_t baseline_ns = now->ns - far_end->ns;
	uint64_t blur_ns = now->uncertainty_ns + far_end->uncertainty_ns;

	if (baseline_ns < MIN_BASELINE_NS || baseline_ns < blur_ns * BASELINE_QUALITY)
		return;
	if (now->ticks - far_end->ticks < MIN_HZ)
		return;
	clock->line.rate_q32 = rate_q32(baseline_ns, now->ticks - far_end->ticks);
}

/* Two overlapping baselines, so that dropping the older one leaves half a window. */
static void move_baseline(struct axl_clock *clock, const struct axl_clock_sample *now)
{
	if (now->ns - clock->oldest.ns >= MAX_BASELINE_NS) {
		clock->oldest = clock->middle;
		clock->middle = *now;
	} else if (clock->middle.ns == clock->oldest.ns &&
		   now->ns - clock->oldest.ns >= MAX_BASELINE_NS / 2) {
		clock->middle = *now;
	}
}

static void adopt(struct axl_clock *clock, const struct axl_clock_sample *now)
{
	measure_rate(clock, now);
	clock->line.device_ticks = now->ticks;
	clock->line.host_ns = now->ns;
	clock->line.uncertainty_ns = now->uncertainty_ns;
	move_baseline(clock, now);
}

int axl_clock_sample(struct axl_clock *clock, const struct axl_os *os)
{
	struct axl_clock_sample last = {
		.ticks = clock->line.device_ticks,
		.ns = clock->line.host_ns,
		.uncertainty_ns = clock->line.uncertainty_ns,
	};
	struct axl_clock_sample now;
	int err;

	if (!clock->nominal_q32)
		return AXL_ERR_BUSY;
	err = read_best(os, &now);
	if (err)
		return err;
	if (!clock->samples) {
		start_line(clock, &now);
		clock->samples = 1;
		return AXL_OK;
	}
	if (!ran_as_promised(clock, &last, &now)) {
		clock->rejected++;
		start_line(clock, &now);
		return AXL_ERR_DEVICE;
	}
	clock->samples++;
	if (now.uncertainty_ns <= last.uncertainty_ns + ((now.ns - last.ns) >> AGEING_SHIFT))
		adopt(clock, &now);
	return AXL_OK;
}

int axl_clock_to_ns(const struct axl_clock_line *line, uint64_t ticks, uint64_t *ns_out)
{
	uint64_t ahead = ticks - line->device_ticks;
	bool is_before = (ahead >> 63) != 0;
	uint64_t distance_ns;

	if (!line->rate_q32)
		return AXL_ERR_BUSY;
	if (!axl_mul_q32(is_before ? 0 - ahead : ahead, line->rate_q32, &distance_ns) ||
	    distance_ns >> 62)
		return AXL_ERR_INVAL;
	*ns_out = is_before ? line->host_ns - distance_ns : line->host_ns + distance_ns;
	return AXL_OK;
}
