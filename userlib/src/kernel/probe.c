// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
/* What this library sees of commands and buffers, for its USDT probes. */
#include "../events.h"
/* The core's; plain "axl_cmd.h" is the public header of the same name. */
#include "../../../drivers/core/include/axl_cmd.h"
#include "kernel.h"

static void axl_kernel_probe(struct axl_recorder *recorder, struct axl_event *event, uint8_t stage,
			     uint64_t time_ns)
{
	event->stage = stage;
	event->time_ns = time_ns;
	axl_recorder_emit(recorder, event);
}

void axl_kernel_probe_queue(struct axl_kernel_queue *queue, uint8_t stage, uint64_t sequence)
{
	struct axl_recorder *recorder = &axl_kernel_queue_device(queue)->recorder;
	struct axl_event event = {
		.sequence = sequence,
		.queue = (uint16_t)queue->base.index,
	};

	if (axl_recorder_on(recorder))
		axl_kernel_probe(recorder, &event, stage, 0);
}

void axl_kernel_probe_buffer(struct axl_kernel_buffer *buffer, uint8_t stage)
{
	struct axl_kernel_context *context = axl_kernel_context(buffer->base.context);
	struct axl_recorder *recorder = &axl_kernel_device(context->base.device)->recorder;
	struct axl_event event = {
		.bytes = buffer->base.bytes,
		.address = buffer->base.va,
		.context = (uint16_t)context->id,
		.direction = buffer->origin == AXL_KERNEL_PEER ? AXL_DIRECTION_PEER : 0,
	};

	if (axl_recorder_on(recorder))
		axl_kernel_probe(recorder, &event, stage, 0);
}

/* The driver numbers the commands, so they are told of after the fact. */
void axl_kernel_probe_batch(struct axl_kernel_queue *queue, const struct axl_slot *slots,
			    size_t slot_count, uint64_t last, uint64_t time_ns)
{
	struct axl_recorder *recorder = &axl_kernel_queue_device(queue)->recorder;
	struct axl_cmd_place at = { .ring = slots, .mask = ~0u };
	struct axl_cmd_summary command;
	uint64_t sequence = last + 1;

	if (!axl_recorder_on(recorder))
		return;
	for (; at.first < slot_count; at.first += command.header.slots, sequence--) {
		if (axl_cmd_check(&at, slot_count - at.first, &command))
			return; /* the caller changed it meanwhile */
	}
	for (at.first = 0; at.first < slot_count; at.first += command.header.slots) {
		struct axl_event event = {
			.sequence = sequence++,
			.queue = (uint16_t)queue->base.index,
		};

		if (axl_cmd_check(&at, slot_count - at.first, &command))
			return;
		event.bytes = command.bytes;
		event.opcode = command.header.opcode;
		event.op = command.header.op;
		axl_kernel_probe(recorder, &event, AXL_STAGE_SUBMIT, time_ns);
	}
}

void axl_kernel_probe_result(struct axl_kernel_queue *queue, const struct axl_result *result)
{
	struct axl_recorder *recorder = &axl_kernel_queue_device(queue)->recorder;
	struct axl_event event = {
		.sequence = result->sequence,
		.queue = (uint16_t)queue->base.index,
		.opcode = (uint8_t)result->opcode,
	};

	if (!axl_recorder_on(recorder))
		return;
	if (result->timing_valid) {
		axl_kernel_probe(recorder, &event, AXL_STAGE_FETCH, result->fetch_ns);
		axl_kernel_probe(recorder, &event, AXL_STAGE_START, result->start_ns);
		axl_kernel_probe(recorder, &event, AXL_STAGE_FINISH, result->finish_ns);
	}
	event.status = (uint16_t)result->status;
	event.value = result->result;
	axl_kernel_probe(recorder, &event, AXL_STAGE_COMPLETE, result->complete_ns);
}
