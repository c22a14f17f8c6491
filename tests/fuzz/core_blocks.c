/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/*
 * Every block of registers that the device fills in, read from the input: identity,
 * telemetry, error, address status, clock, health. The input's first 64 bytes choose
 * which reads differ from the time before (a device may change its mind).
 */
#include "axl_addr.h"
#include "axl_clock.h"
#include "axl_errblk.h"
#include "axl_health.h"
#include "axl_ident.h"
#include "axl_regs.h"
#include "axl_telemetry.h"
#include "core_fuzz.h"

static uint8_t flips[64];
static uint32_t reads;

static uint64_t change(uint32_t offset, uint32_t bytes, uint64_t value)
{
	uint8_t flip = flips[reads++ % sizeof(flips)];

	(void)offset;
	(void)bytes;
	if (flip == 0xff)
		return ~(uint64_t)0;
	return value ^ (uint64_t)flip << (flip % 57);
}

static void read_ident(struct axl_host *host)
{
	struct axl_ident ident;

	if (axl_ident_read(&host->os, &ident))
		return;
	FUZZ_REQUIRE(ident.queue_count >= 1 && ident.queue_count <= AXL_MAX_QUEUES);
	FUZZ_REQUIRE(ident.context_count >= 1 && ident.context_count <= AXL_MAX_CONTEXTS);
	FUZZ_REQUIRE(ident.max_ring_log2 <= AXL_MAX_RING_LOG2);
	FUZZ_REQUIRE(ident.peer_limit <= AXL_MAX_PEERS);
	FUZZ_REQUIRE(ident.endpoint_index < ident.endpoint_count);
	FUZZ_REQUIRE(ident.memory_bytes && ident.memory_bytes % 4096 == 0);
}

static void read_blocks(struct axl_host *host)
{
	struct axl_telemetry_sample sample;
	struct axl_addr_status status;
	struct axl_errblk block;

	if (!axl_telemetry_read(&host->os, &sample)) {
		FUZZ_REQUIRE(sample.valid < 16 && sample.utilisation_permille <= 1000);
		FUZZ_REQUIRE(sample.link_speed <= 6 && sample.link_width <= 32);
	}
	if (!axl_errblk_read(&host->os, &block)) {
		FUZZ_REQUIRE(block.queue < AXL_MAX_QUEUES && block.context < AXL_MAX_CONTEXTS);
		FUZZ_REQUIRE(block.valid || !block.code);
	}
	if (!axl_addr_status(&host->os, &status))
		FUZZ_REQUIRE(status.state <= AXL_ADDRESS_STATE_REJECTED);
}

static void read_clock(struct axl_host *host, struct fuzz_input *input)
{
	struct axl_clock clock;
	uint64_t ticks, ns;
	int i;

	if (axl_clock_init(&clock, &host->os))
		return;
	for (i = 0; i < 4; i++) {
		fuzz_take(input, host->bar0 + AXL_REG_CLOCK_TICKS, 8);
		fuzz_take(input, &ticks, sizeof(ticks));
		host->now_ns += ticks >> 8;
		(void)axl_clock_sample(&clock, &host->os);
		(void)axl_clock_to_ns(&clock.line, ticks, &ns);
	}
}

static void read_health(struct axl_host *host, struct fuzz_input *input)
{
	struct axl_health_queue queues[AXL_MAX_QUEUES];
	struct axl_health health;
	uint32_t hung = 0;
	int i;

	axl_health_init(&health, 0, 0);
	for (i = 0; i < 3; i++) {
		fuzz_take(input, queues, sizeof(queues));
		host->now_ns += 6000000000ull;
		if (axl_health_check(&health, &host->os, host->now_ns, queues, AXL_MAX_QUEUES,
				     &hung) == AXL_HEALTH_QUEUE_HUNG)
			FUZZ_REQUIRE(hung < AXL_MAX_QUEUES && queues[hung].in_flight);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_input input = { data, size };
	struct axl_host *host = axl_host_create();

	fuzz_take(&input, flips, sizeof(flips));
	fuzz_take(&input, host->bar0 + AXL_REG_IDENT_MAGIC, 0x30);
	fuzz_take(&input, host->bar0 + AXL_REG_CTRL_CONTROL, 0x20);
	fuzz_take(&input, host->bar0 + AXL_REG_ADDR_STATUS, 0x0c);
	fuzz_take(&input, host->bar0 + AXL_REG_TELEMETRY_VALID, 0x50);
	fuzz_take(&input, host->bar0 + AXL_REG_CLOCK_FREQUENCY, 0x18);
	fuzz_take(&input, host->bar0 + AXL_REG_ERROR_STATUS, 0x28);
	reads = 0;
	host->on_read = change;
	read_ident(host);
	read_blocks(host);
	read_clock(host, &input);
	read_health(host, &input);
	axl_host_destroy(host);
	return 0;
}
