/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/*
 * Tracepoints axl:axl_STAGE, one per stage of the event schema (drivers/spec/formats.yaml).
 * All have the same fields, raw; names are found when an event is printed.
 */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM axl

#if !defined(AXL_TRACE_H) || defined(TRACE_HEADER_MULTI_READ)
#define AXL_TRACE_H

#include <linux/sched.h>
#include <linux/tracepoint.h>

#include "axl_device.h"

/* From struct axl_event to the right tracepoint. May sleep: no. */
void axl_trace_emit(struct axl_device *adev, const struct axl_event *event);

/* Whether anybody listens to any of them. May sleep: no. */
bool axl_trace_is_on(void);

/* Called when a listener comes and goes. */
int axl_trace_reg(void);
void axl_trace_unreg(void);

/* These are lists, not functions. */
/* clang-format off */
DECLARE_EVENT_CLASS(axl_stage,
	TP_PROTO(const struct axl_device *adev, const struct axl_event *event),
	TP_ARGS(adev, event),
	TP_STRUCT__entry(
		__field(u64, time_ns)
		__field(u64, board_serial)
		__field(u64, sequence)
		__field(u64, bytes)
		__field(u64, address)
		__field(u32, endpoint_index)
		__field(u32, bdf)
		__field(u32, value)
		__field(u16, queue)
		__field(u16, context)
		__field(u16, status)
		__field(u8, stage)
		__field(u8, origin)
		__field(u8, opcode)
		__field(u8, op)
		__field(u8, direction)
	),
	TP_fast_assign(
		__entry->time_ns = le64_to_cpu(event->time_ns);
		__entry->board_serial = adev->ident.board_serial;
		__entry->sequence = le64_to_cpu(event->sequence);
		__entry->bytes = le64_to_cpu(event->bytes);
		__entry->address = le64_to_cpu(event->address);
		__entry->endpoint_index = adev->ident.endpoint_index;
		__entry->bdf = pci_domain_nr(adev->pdev->bus) << 16 | pci_dev_id(adev->pdev);
		__entry->value = le32_to_cpu(event->value);
		__entry->queue = le16_to_cpu(event->queue);
		__entry->context = le16_to_cpu(event->context);
		__entry->status = le16_to_cpu(event->status);
		__entry->stage = event->stage;
		__entry->origin = event->origin;
		__entry->opcode = event->opcode;
		__entry->op = event->op;
		__entry->direction = event->direction;
	),
	TP_printk("dev=%04x:%02x:%02x.%u card=0x%016llx/%u queue=%u sequence=%llu opcode=%u op=%u bytes=%llu direction=%u context=%u status=%u value=0x%08x address=0x%016llx origin=%u time_ns=%llu",
		  __entry->bdf >> 16, __entry->bdf >> 8 & 0xff, __entry->bdf >> 3 & 0x1f,
		  __entry->bdf & 7, __entry->board_serial, __entry->endpoint_index,
		  __entry->queue, __entry->sequence, __entry->opcode, __entry->op,
		  __entry->bytes, __entry->direction, __entry->context, __entry->status,
		  __entry->value, __entry->address, __entry->origin, __entry->time_ns)
);
/* clang-format on */

#define AXL_DEFINE_STAGE(name) \
	DEFINE_EVENT_FN(axl_stage, name, \
			TP_PROTO(const struct axl_device *adev, const struct axl_event *event), \
			TP_ARGS(adev, event), axl_trace_reg, axl_trace_unreg)

AXL_DEFINE_STAGE(axl_submit);
AXL_DEFINE_STAGE(axl_doorbell);
AXL_DEFINE_STAGE(axl_fetch);
AXL_DEFINE_STAGE(axl_start);
AXL_DEFINE_STAGE(axl_finish);
AXL_DEFINE_STAGE(axl_complete);
AXL_DEFINE_STAGE(axl_irq);
AXL_DEFINE_STAGE(axl_wake);
AXL_DEFINE_STAGE(axl_dma_map);
AXL_DEFINE_STAGE(axl_dma_unmap);
AXL_DEFINE_STAGE(axl_queue_create);
AXL_DEFINE_STAGE(axl_queue_destroy);
AXL_DEFINE_STAGE(axl_reset_begin);
AXL_DEFINE_STAGE(axl_reset_end);
AXL_DEFINE_STAGE(axl_error);
AXL_DEFINE_STAGE(axl_aer);
AXL_DEFINE_STAGE(axl_topology);

#endif

#undef TRACE_INCLUDE_PATH
#define TRACE_INCLUDE_PATH .
#undef TRACE_INCLUDE_FILE
#define TRACE_INCLUDE_FILE axl_trace
#include <trace/define_trace.h>
