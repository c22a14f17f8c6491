/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/*
 * The completion ring as the device's playground. The input is a program: push, write
 * to the ring, poll, stop and start. Whatever it does, each command ends exactly once
 * and in order.
 */
#include "axl_qp.h"
#include "axl_regs.h"
#include "core_fuzz.h"
#include "push.h"

#define OUT 24u

struct world {
	struct axl_host *host;
	struct axl_qp qp;
	uint64_t ended; /* last sequence handed out */
	uint64_t pushed;
	uint32_t device_index;
};

static void check(struct world *world, const struct axl_cqe *out, uint32_t count)
{
	uint32_t i;

	for (i = 0; i < count; i++) {
		FUZZ_REQUIRE(out[i].sequence == world->ended + 1);
		FUZZ_REQUIRE(out[i].status < AXL_STATUS_END);
		FUZZ_REQUIRE(out[i].bytes == out[i].sequence);
		if (out[i].timing_valid) {
			FUZZ_REQUIRE(out[i].submit_ns <= out[i].fetch_ns);
			FUZZ_REQUIRE(out[i].fetch_ns <= out[i].start_ns);
			FUZZ_REQUIRE(out[i].start_ns <= out[i].finish_ns);
			FUZZ_REQUIRE(out[i].finish_ns <= out[i].complete_ns);
		}
		world->ended++;
	}
	FUZZ_REQUIRE(world->ended <= world->pushed);
	FUZZ_REQUIRE(axl_qp_in_flight(&world->qp) == world->pushed - world->ended);
	FUZZ_REQUIRE(axl_qp_space(&world->qp) <= 16);
}

/* A command that writes as many bytes as its number, or none at all; its slots. */
static uint32_t put(uint8_t *slots, uint8_t kind, uint64_t sequence)
{
	struct axl_cmd_header header = { .opcode = AXL_OPCODE_COPY, .slots = 1 };
	struct axl_cmd_tensor tensor = {
		.shape = {1, 1, 1, 1, 1, 1, 1, (uint32_t)sequence}
	};
	struct axl_cmd_copy copy = { .length_bytes = sequence };

	if (kind % 8 == 7)
		header.opcode = AXL_OPCODE_END;
	if (kind & 1) {
		header.opcode += AXL_OPCODE_UNARY - AXL_OPCODE_COPY;
		header.slots = 3;
		memcpy(slots + sizeof(header), &tensor, sizeof(tensor));
	} else {
		memcpy(slots + sizeof(header), &copy, sizeof(copy));
	}
	memcpy(slots, &header, sizeof(header));
	return header.slots;
}

static void push(struct world *world, struct fuzz_input *input)
{
	uint8_t slots[3 * 3 * AXL_SLOT_BYTES] = { 0 };
	uint32_t i, at = 0, count = fuzz_byte(input) % 4u;
	struct axl_qp_refusal why;
	bool broken = false;
	int err;

	for (i = 0; i < count; i++) {
		uint8_t kind = fuzz_byte(input);

		broken |= kind % 8 == 7;
		at += put(slots + (size_t)at * AXL_SLOT_BYTES, kind, world->pushed + i + 1);
	}
	err = push_slots(&world->qp, slots, at, &why);
	FUZZ_REQUIRE(err || !why.problem);
	FUZZ_REQUIRE(err || !broken);
	if (!err)
		world->pushed += count;
	FUZZ_REQUIRE(world->qp.next_sequence == world->pushed + 1);
}

/* A completion with the right phase, so that it is looked at; the rest is the input's. */
static void complete(struct world *world, struct fuzz_input *input)
{
	struct axl_completion entry;
	uint32_t entries = 1u << world->qp.config.cq_log2;
	uint8_t *ring = world->qp.cq.cpu;
	uint8_t how = fuzz_byte(input);

	fuzz_take(input, &entry, sizeof(entry));
	entry.flags &= (uint8_t)~AXL_COMPLETION_FLAG_PHASE;
	if (!(world->device_index / entries & 1))
		entry.flags |= AXL_COMPLETION_FLAG_PHASE;
	if (how & 1)
		entry.sequence = world->ended + (how >> 4);
	if (how & 2)
		entry.queue = 0;
	if (how & 4)
		entry.flags &= AXL_COMPLETION_FLAG_PHASE | AXL_COMPLETION_FLAG_ERROR_RECORDED;
	if (how & 8)
		entry.status %= AXL_STATUS_END;
	memcpy(ring + world->device_index % entries * sizeof(entry), &entry, sizeof(entry));
	world->device_index++;
}

static void scribble(struct world *world, struct fuzz_input *input)
{
	uint8_t *ring = world->qp.cq.cpu;
	uint32_t entries = 1u << world->qp.config.cq_log2;

	fuzz_take(input, ring + fuzz_byte(input) % entries * AXL_COMPLETION_BYTES,
		  AXL_COMPLETION_BYTES);
}

static void restart(struct world *world)
{
	struct axl_cqe out[OUT];
	uint32_t count;

	FUZZ_REQUIRE(axl_qp_stop(&world->qp) == AXL_OK);
	while ((count = axl_qp_abort(&world->qp, out, OUT)))
		check(world, out, count);
	FUZZ_REQUIRE(world->ended == world->pushed);
	FUZZ_REQUIRE(axl_qp_start(&world->qp) == AXL_OK);
	world->device_index = 0;
}

static void step(struct world *world, struct fuzz_input *input)
{
	struct axl_cqe out[OUT];
	uint8_t what = fuzz_byte(input);

	switch (what % 8) {
	case 0:
	case 1:
		push(world, input);
		break;
	case 2:
		axl_qp_ring(&world->qp);
		break;
	case 3:
	case 4:
		complete(world, input);
		break;
	case 5:
		scribble(world, input);
		break;
	case 6:
		world->host->now_ns += 1000;
		check(world, out, axl_qp_poll(&world->qp, out, what >> 3 > OUT ? OUT : what >> 3));
		break;
	default:
		restart(world);
	}
}

static void set_clock(struct world *world, struct fuzz_input *input)
{
	struct axl_clock_line line;

	fuzz_take(input, &line, sizeof(line));
	axl_qp_set_clock(&world->qp, &line);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_input input = { data, size };
	struct axl_qp_config config = { .sq_log2 = 4 };
	struct world world = { .host = axl_host_create() };
	struct axl_ident ident;
	struct axl_cqe out[OUT];
	uint32_t count;

	FUZZ_REQUIRE(axl_ident_read(&world.host->os, &ident) == AXL_OK);
	config.cq_log2 = 4u + (fuzz_byte(&input) & 1u);
	FUZZ_REQUIRE(axl_qp_init(&world.qp, &world.host->os, &ident, &config) == AXL_OK);
	FUZZ_REQUIRE(axl_qp_start(&world.qp) == AXL_OK);
	set_clock(&world, &input);
	while (input.left)
		step(&world, &input);
	FUZZ_REQUIRE(axl_qp_stop(&world.qp) == AXL_OK);
	while ((count = axl_qp_abort(&world.qp, out, OUT)))
		check(&world, out, count);
	FUZZ_REQUIRE(world.ended == world.pushed);
	axl_qp_deinit(&world.qp);
	FUZZ_REQUIRE(!world.host->live && !world.host->live_dma);
	axl_host_destroy(world.host);
	return 0;
}
