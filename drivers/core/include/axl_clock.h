/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/*
 * The device clock in terms of the host's: pairs of readings, the line through them,
 * and how far off it may be.
 */
#ifndef AXL_CLOCK_H
#define AXL_CLOCK_H

#include "axl_os.h"

/* A line: ns = host_ns + (ticks - device_ticks) * ns_per_tick. Plain data, copy freely. */
struct axl_clock_line {
	uint64_t device_ticks;
	uint64_t host_ns;
	uint64_t rate_q32; /* ns per tick, 32 fractional bits; 0: no line yet */
	uint64_t uncertainty_ns; /* half the time the reading took */
};

struct axl_clock_sample {
	uint64_t ticks;
	uint64_t ns; /* middle of the reading */
	uint64_t uncertainty_ns;
};

struct axl_clock {
	struct axl_clock_line line;
	struct axl_clock_sample oldest; /* far end of the baseline */
	struct axl_clock_sample middle; /* becomes the far end next */
	uint64_t frequency_hz; /* nominal */
	uint64_t nominal_q32; /* ns per tick at the nominal frequency */
	uint32_t samples; /* accepted */
	uint32_t rejected; /* readings that contradicted the nominal frequency */
};

/*
 * Read the nominal frequency. AXL_ERR_GONE; AXL_ERR_DEVICE: outside 1 kHz to 100 GHz.
 * May sleep: yes.
 */
int axl_clock_init(struct axl_clock *clock, const struct axl_os *os);

/* Both clocks of now, read once. AXL_ERR_GONE. May sleep: yes. */
int axl_clock_read(const struct axl_os *os, struct axl_clock_sample *sample_out);

/*
 * Read both clocks, several times, and correct the line if the best reading improves it.
 * Call it at intervals: every second is plenty. AXL_ERR_GONE; AXL_ERR_DEVICE: the device clock contradicts its nominal
 * frequency by more than 1 % (it stood still, or jumped); the line then starts anew
 * from this reading. May sleep: yes.
 */
int axl_clock_sample(struct axl_clock *clock, const struct axl_os *os);

/*
 * Host time in ns of a device time in ticks; ticks may lie before or after the
 * readings and may have wrapped. AXL_ERR_BUSY: no reading yet; AXL_ERR_INVAL: more
 * than about 146 years away. May sleep: no.
 */
int axl_clock_to_ns(const struct axl_clock_line *line, uint64_t ticks, uint64_t *ns_out);

#endif
