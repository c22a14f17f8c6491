/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/* The telemetry block, decoded and checked. */
#ifndef AXL_TELEMETRY_H
#define AXL_TELEMETRY_H

#include "axl_os.h"

struct axl_telemetry_sample {
	uint32_t valid; /* AXL_TELEMETRY_VALID_*_MASK; the value of a sensor that is not is 0 */
	uint32_t impossible; /* likewise: said to be valid, with a value that cannot be */
	int32_t temperature_millicelsius;
	uint32_t power_milliwatt;
	uint32_t clock_khz;
	uint32_t utilisation_permille;
	uint32_t link_speed; /* as in the Link Status register (PCIe 6.0 s7.5.3.8), 0: unknown */
	uint32_t link_width; /* lanes, 0: unknown */
	uint32_t memory_corrected;
	uint32_t memory_uncorrected;
	uint32_t heartbeat;
	uint64_t progress; /* commands finished */
	uint64_t bytes_host_to_device;
	uint64_t bytes_device_to_host;
	uint64_t bytes_device_to_device;
	uint64_t bytes_peer;
};

/*
 * Sample everything. A sensor whose value cannot be is treated as one that does not
 * work. AXL_ERR_GONE; *sample_out is zero then. May sleep: yes.
 */
int axl_telemetry_read(const struct axl_os *os, struct axl_telemetry_sample *sample_out);

#endif
