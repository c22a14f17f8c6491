/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
#include "axl_telemetry.h"

#include "axl_field.h"
#include "axl_ident.h"
#include "axl_regs.h"

/* What no card reaches: beyond it the sensor is broken, not the card hot. */
#define MIN_MILLICELSIUS (-100000)
#define MAX_MILLICELSIUS 250000
#define MAX_MILLIWATT 10000000u
#define MAX_KHZ 100000000u
#define MAX_PERMILLE 1000u
#define MAX_LINK_SPEED 6u /* 64.0 GT/s */

static void drop_sensor(struct axl_telemetry_sample *sample, uint32_t mask, bool is_possible)
{
	if (is_possible)
		return;
	sample->impossible |= sample->valid & mask;
	sample->valid &= ~mask;
}

static void read_sensors(const struct axl_os *os, struct axl_telemetry_sample *sample)
{
	uint32_t known = AXL_TELEMETRY_VALID_TEMPERATURE_MASK | AXL_TELEMETRY_VALID_POWER_MASK |
			 AXL_TELEMETRY_VALID_CLOCK_MASK | AXL_TELEMETRY_VALID_UTILISATION_MASK;
	int32_t temperature = (int32_t)axl_read32(os, AXL_REG_TELEMETRY_TEMPERATURE);
	uint32_t power = axl_read32(os, AXL_REG_TELEMETRY_POWER);
	uint32_t clock = axl_read32(os, AXL_REG_TELEMETRY_CLOCK);
	uint32_t utilisation = axl_read32(os, AXL_REG_TELEMETRY_UTILISATION);

	sample->valid = axl_read32(os, AXL_REG_TELEMETRY_VALID) & known;
	drop_sensor(sample, AXL_TELEMETRY_VALID_TEMPERATURE_MASK,
		    temperature >= MIN_MILLICELSIUS && temperature <= MAX_MILLICELSIUS);
	drop_sensor(sample, AXL_TELEMETRY_VALID_POWER_MASK, power <= MAX_MILLIWATT);
	drop_sensor(sample, AXL_TELEMETRY_VALID_CLOCK_MASK, clock <= MAX_KHZ);
	drop_sensor(sample, AXL_TELEMETRY_VALID_UTILISATION_MASK, utilisation <= MAX_PERMILLE);
	if (sample->valid & AXL_TELEMETRY_VALID_TEMPERATURE_MASK)
		sample->temperature_millicelsius = temperature;
	if (sample->valid & AXL_TELEMETRY_VALID_POWER_MASK)
		sample->power_milliwatt = power;
	if (sample->valid & AXL_TELEMETRY_VALID_CLOCK_MASK)
		sample->clock_khz = clock;
	if (sample->valid & AXL_TELEMETRY_VALID_UTILISATION_MASK)
		sample->utilisation_permille = utilisation;
}

static bool link_width_exists(uint32_t width)
{
	return (width <= 32 && width != 0 && (width & (width - 1)) == 0) || width == 12;
}

static void read_link(const struct axl_os *os, struct axl_telemetry_sample *sample)
{
	uint32_t link = axl_read32(os, AXL_REG_TELEMETRY_LINK);
	uint32_t speed = AXL_GET(link, AXL_TELEMETRY_LINK_SPEED);
	uint32_t width = AXL_GET(link, AXL_TELEMETRY_LINK_WIDTH);

	sample->link_speed = speed <= MAX_LINK_SPEED ? speed : 0;
	sample->link_width = link_width_exists(width) ? width : 0;
}

static void read_counters(const struct axl_os *os, struct axl_telemetry_sample *sample)
{
	sample->memory_corrected = axl_read32(os, AXL_REG_TELEMETRY_MEMORY_CORRECTED);
	sample->memory_uncorrected = axl_read32(os, AXL_REG_TELEMETRY_MEMORY_UNCORRECTED);
	sample->heartbeat = axl_read32(os, AXL_REG_TELEMETRY_HEARTBEAT);
	sample->progress = axl_read64(os, AXL_REG_TELEMETRY_PROGRESS);
	sample->bytes_host_to_device = axl_read64(os, AXL_REG_TELEMETRY_BYTES_HOST_TO_DEVICE);
	sample->bytes_device_to_host = axl_read64(os, AXL_REG_TELEMETRY_BYTES_DEVICE_TO_HOST);
	sample->bytes_device_to_device = axl_read64(os, AXL_REG_TELEMETRY_BYTES_DEVICE_TO_DEVICE);
	sample->bytes_peer = axl_read64(os, AXL_REG_TELEMETRY_BYTES_PEER);
}

int axl_telemetry_read(const struct axl_os *os, struct axl_telemetry_sample *sample_out)
{
	struct axl_telemetry_sample sample = { 0 };

	memset(sample_out, 0, sizeof(*sample_out));
	read_sensors(os, &sample);
	read_link(os, &sample);
	read_counters(os, &sample);
	/* Asked last: had it left earlier, some of the above would be all-ones. */
	if (axl_is_gone(os))
		return AXL_ERR_GONE;
	*sample_out = sample;
	return AXL_OK;
}
