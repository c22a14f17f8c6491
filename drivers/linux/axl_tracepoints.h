/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/* Generated from drivers/spec/formats.yaml by `make gen`; do not edit. */
/* Raw values in, names when they are printed. docs/reference/trace-events.md explains them. */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM axl

#if !defined(AXL_TRACEPOINTS_H) || defined(TRACE_HEADER_MULTI_READ)
#define AXL_TRACEPOINTS_H

#include <linux/tracepoint.h>

#include "axl_device.h"

DECLARE_EVENT_CLASS(axl_class_command,
	TP_PROTO(const struct axl_device *adev, const struct axl_event *event),
	TP_ARGS(adev, event),
	TP_STRUCT__entry(
		__field(u64, time_ns)
		__field(u64, board_serial)
		__field(u32, endpoint_index)
		__field(u32, bdf)
		__field(u8, stage)
		__field(u8, origin)
		__field(u16, queue)
		__field(u16, context)
		__field(u64, sequence)
		__field(u64, bytes)
		__field(u8, opcode)
		__field(u8, op)
		__field(u8, direction)
		__field(u32, pid)
		__field(u32, tid)
	),
	TP_fast_assign(
		__entry->time_ns = le64_to_cpu(event->time_ns);
		__entry->board_serial = adev->ident.board_serial;
		__entry->endpoint_index = adev->ident.endpoint_index;
		__entry->bdf = pci_domain_nr(adev->pdev->bus) << 16 | pci_dev_id(adev->pdev);
		__entry->stage = event->stage;
		__entry->origin = event->origin;
		__entry->queue = le16_to_cpu(event->queue);
		__entry->context = le16_to_cpu(event->context);
		__entry->sequence = le64_to_cpu(event->sequence);
		__entry->bytes = le64_to_cpu(event->bytes);
		__entry->opcode = event->opcode;
		__entry->op = event->op;
		__entry->direction = event->direction;
		__entry->pid = le32_to_cpu(event->pid);
		__entry->tid = le32_to_cpu(event->tid);
	),
	TP_printk("dev=%04x:%02x:%02x.%u card=0x%016llx/%u queue=%u context=%u sequence=%llu bytes=%llu opcode=%s op=%u direction=%s pid=%u tid=%u origin=%s time_ns=%llu",
		  __entry->bdf >> 16, __entry->bdf >> 8 & 0xff, __entry->bdf >> 3 & 0x1f,
		  __entry->bdf & 7, __entry->board_serial, __entry->endpoint_index,
		  __entry->queue,
		  __entry->context,
		  __entry->sequence,
		  __entry->bytes,
		  __print_symbolic(__entry->opcode,
				   { 0, "nop" },
				   { 1, "copy" },
				   { 2, "copy_strided" },
				   { 3, "fill" },
				   { 4, "cast" },
				   { 5, "unary" },
				   { 6, "binary" },
				   { 7, "ternary" },
				   { 8, "reduce" },
				   { 9, "matmul" },
				   { 10, "gather" },
				   { 11, "scatter" },
				   { 12, "random" },
				   { 13, "fence_wait" },
				   { 14, "fence_signal" },
				   { 15, "timestamp" },
				   { 16, "fused" }),
		  __entry->op,
		  __print_symbolic(__entry->direction,
				   { 0, "none" },
				   { 1, "host_to_device" },
				   { 2, "device_to_host" },
				   { 3, "device_to_device" },
				   { 4, "peer" },
				   { 5, "host_to_host" }),
		  __entry->pid,
		  __entry->tid,
		  __print_symbolic(__entry->origin,
				   { 0, "wire" },
				   { 1, "driver" },
				   { 2, "library" },
				   { 3, "reconstructed" }),
		  __entry->time_ns)
);

DEFINE_EVENT(axl_class_command, axl_submit,
	     TP_PROTO(const struct axl_device *adev, const struct axl_event *event),
	     TP_ARGS(adev, event)
);

DECLARE_EVENT_CLASS(axl_class_tail,
	TP_PROTO(const struct axl_device *adev, const struct axl_event *event),
	TP_ARGS(adev, event),
	TP_STRUCT__entry(
		__field(u64, time_ns)
		__field(u64, board_serial)
		__field(u32, endpoint_index)
		__field(u32, bdf)
		__field(u8, stage)
		__field(u8, origin)
		__field(u16, queue)
		__field(u64, sequence)
		__field(u32, pid)
		__field(u32, tid)
	),
	TP_fast_assign(
		__entry->time_ns = le64_to_cpu(event->time_ns);
		__entry->board_serial = adev->ident.board_serial;
		__entry->endpoint_index = adev->ident.endpoint_index;
		__entry->bdf = pci_domain_nr(adev->pdev->bus) << 16 | pci_dev_id(adev->pdev);
		__entry->stage = event->stage;
		__entry->origin = event->origin;
		__entry->queue = le16_to_cpu(event->queue);
		__entry->sequence = le64_to_cpu(event->sequence);
		__entry->pid = le32_to_cpu(event->pid);
		__entry->tid = le32_to_cpu(event->tid);
	),
	TP_printk("dev=%04x:%02x:%02x.%u card=0x%016llx/%u queue=%u sequence=%llu pid=%u tid=%u origin=%s time_ns=%llu",
		  __entry->bdf >> 16, __entry->bdf >> 8 & 0xff, __entry->bdf >> 3 & 0x1f,
		  __entry->bdf & 7, __entry->board_serial, __entry->endpoint_index,
		  __entry->queue,
		  __entry->sequence,
		  __entry->pid,
		  __entry->tid,
		  __print_symbolic(__entry->origin,
				   { 0, "wire" },
				   { 1, "driver" },
				   { 2, "library" },
				   { 3, "reconstructed" }),
		  __entry->time_ns)
);

DEFINE_EVENT(axl_class_tail, axl_doorbell,
	     TP_PROTO(const struct axl_device *adev, const struct axl_event *event),
	     TP_ARGS(adev, event)
);

DEFINE_EVENT(axl_class_tail, axl_wake,
	     TP_PROTO(const struct axl_device *adev, const struct axl_event *event),
	     TP_ARGS(adev, event)
);

DECLARE_EVENT_CLASS(axl_class_step,
	TP_PROTO(const struct axl_device *adev, const struct axl_event *event),
	TP_ARGS(adev, event),
	TP_STRUCT__entry(
		__field(u64, time_ns)
		__field(u64, board_serial)
		__field(u32, endpoint_index)
		__field(u32, bdf)
		__field(u8, stage)
		__field(u8, origin)
		__field(u16, queue)
		__field(u16, context)
		__field(u64, sequence)
		__field(u64, bytes)
		__field(u8, opcode)
		__field(u8, op)
		__field(u8, direction)
	),
	TP_fast_assign(
		__entry->time_ns = le64_to_cpu(event->time_ns);
		__entry->board_serial = adev->ident.board_serial;
		__entry->endpoint_index = adev->ident.endpoint_index;
		__entry->bdf = pci_domain_nr(adev->pdev->bus) << 16 | pci_dev_id(adev->pdev);
		__entry->stage = event->stage;
		__entry->origin = event->origin;
		__entry->queue = le16_to_cpu(event->queue);
		__entry->context = le16_to_cpu(event->context);
		__entry->sequence = le64_to_cpu(event->sequence);
		__entry->bytes = le64_to_cpu(event->bytes);
		__entry->opcode = event->opcode;
		__entry->op = event->op;
		__entry->direction = event->direction;
	),
	TP_printk("dev=%04x:%02x:%02x.%u card=0x%016llx/%u queue=%u context=%u sequence=%llu bytes=%llu opcode=%s op=%u direction=%s origin=%s time_ns=%llu",
		  __entry->bdf >> 16, __entry->bdf >> 8 & 0xff, __entry->bdf >> 3 & 0x1f,
		  __entry->bdf & 7, __entry->board_serial, __entry->endpoint_index,
		  __entry->queue,
		  __entry->context,
		  __entry->sequence,
		  __entry->bytes,
		  __print_symbolic(__entry->opcode,
				   { 0, "nop" },
				   { 1, "copy" },
				   { 2, "copy_strided" },
				   { 3, "fill" },
				   { 4, "cast" },
				   { 5, "unary" },
				   { 6, "binary" },
				   { 7, "ternary" },
				   { 8, "reduce" },
				   { 9, "matmul" },
				   { 10, "gather" },
				   { 11, "scatter" },
				   { 12, "random" },
				   { 13, "fence_wait" },
				   { 14, "fence_signal" },
				   { 15, "timestamp" },
				   { 16, "fused" }),
		  __entry->op,
		  __print_symbolic(__entry->direction,
				   { 0, "none" },
				   { 1, "host_to_device" },
				   { 2, "device_to_host" },
				   { 3, "device_to_device" },
				   { 4, "peer" },
				   { 5, "host_to_host" }),
		  __print_symbolic(__entry->origin,
				   { 0, "wire" },
				   { 1, "driver" },
				   { 2, "library" },
				   { 3, "reconstructed" }),
		  __entry->time_ns)
);

DEFINE_EVENT(axl_class_step, axl_fetch,
	     TP_PROTO(const struct axl_device *adev, const struct axl_event *event),
	     TP_ARGS(adev, event)
);

DEFINE_EVENT(axl_class_step, axl_start,
	     TP_PROTO(const struct axl_device *adev, const struct axl_event *event),
	     TP_ARGS(adev, event)
);

DEFINE_EVENT(axl_class_step, axl_finish,
	     TP_PROTO(const struct axl_device *adev, const struct axl_event *event),
	     TP_ARGS(adev, event)
);

DECLARE_EVENT_CLASS(axl_class_completion,
	TP_PROTO(const struct axl_device *adev, const struct axl_event *event),
	TP_ARGS(adev, event),
	TP_STRUCT__entry(
		__field(u64, time_ns)
		__field(u64, board_serial)
		__field(u32, endpoint_index)
		__field(u32, bdf)
		__field(u8, stage)
		__field(u8, origin)
		__field(u16, queue)
		__field(u16, context)
		__field(u64, sequence)
		__field(u64, bytes)
		__field(u8, opcode)
		__field(u8, op)
		__field(u8, direction)
		__field(u16, status)
		__field(u32, result)
	),
	TP_fast_assign(
		__entry->time_ns = le64_to_cpu(event->time_ns);
		__entry->board_serial = adev->ident.board_serial;
		__entry->endpoint_index = adev->ident.endpoint_index;
		__entry->bdf = pci_domain_nr(adev->pdev->bus) << 16 | pci_dev_id(adev->pdev);
		__entry->stage = event->stage;
		__entry->origin = event->origin;
		__entry->queue = le16_to_cpu(event->queue);
		__entry->context = le16_to_cpu(event->context);
		__entry->sequence = le64_to_cpu(event->sequence);
		__entry->bytes = le64_to_cpu(event->bytes);
		__entry->opcode = event->opcode;
		__entry->op = event->op;
		__entry->direction = event->direction;
		__entry->status = le16_to_cpu(event->status);
		__entry->result = le32_to_cpu(event->value);
	),
	TP_printk("dev=%04x:%02x:%02x.%u card=0x%016llx/%u queue=%u context=%u sequence=%llu bytes=%llu opcode=%s op=%u direction=%s status=%s result=0x%08x origin=%s time_ns=%llu",
		  __entry->bdf >> 16, __entry->bdf >> 8 & 0xff, __entry->bdf >> 3 & 0x1f,
		  __entry->bdf & 7, __entry->board_serial, __entry->endpoint_index,
		  __entry->queue,
		  __entry->context,
		  __entry->sequence,
		  __entry->bytes,
		  __print_symbolic(__entry->opcode,
				   { 0, "nop" },
				   { 1, "copy" },
				   { 2, "copy_strided" },
				   { 3, "fill" },
				   { 4, "cast" },
				   { 5, "unary" },
				   { 6, "binary" },
				   { 7, "ternary" },
				   { 8, "reduce" },
				   { 9, "matmul" },
				   { 10, "gather" },
				   { 11, "scatter" },
				   { 12, "random" },
				   { 13, "fence_wait" },
				   { 14, "fence_signal" },
				   { 15, "timestamp" },
				   { 16, "fused" }),
		  __entry->op,
		  __print_symbolic(__entry->direction,
				   { 0, "none" },
				   { 1, "host_to_device" },
				   { 2, "device_to_host" },
				   { 3, "device_to_device" },
				   { 4, "peer" },
				   { 5, "host_to_host" }),
		  __print_symbolic(__entry->status,
				   { 0, "ok" },
				   { 1, "invalid_opcode" },
				   { 2, "invalid_field" },
				   { 3, "invalid_context" },
				   { 4, "context_faulted" },
				   { 5, "page_fault" },
				   { 6, "protection_fault" },
				   { 7, "address_stale" },
				   { 8, "unsupported_request" },
				   { 9, "completion_timeout" },
				   { 10, "poisoned" },
				   { 11, "memory_error" },
				   { 12, "index_out_of_range" },
				   { 13, "unsupported_dtype" },
				   { 14, "aborted" },
				   { 15, "fence_timeout" },
				   { 16, "internal" },
				   { 17, "lost" }),
		  __entry->result,
		  __print_symbolic(__entry->origin,
				   { 0, "wire" },
				   { 1, "driver" },
				   { 2, "library" },
				   { 3, "reconstructed" }),
		  __entry->time_ns)
);

DEFINE_EVENT(axl_class_completion, axl_complete,
	     TP_PROTO(const struct axl_device *adev, const struct axl_event *event),
	     TP_ARGS(adev, event)
);

DECLARE_EVENT_CLASS(axl_class_interrupt,
	TP_PROTO(const struct axl_device *adev, const struct axl_event *event),
	TP_ARGS(adev, event),
	TP_STRUCT__entry(
		__field(u64, time_ns)
		__field(u64, board_serial)
		__field(u32, endpoint_index)
		__field(u32, bdf)
		__field(u8, stage)
		__field(u8, origin)
		__field(u16, queue)
	),
	TP_fast_assign(
		__entry->time_ns = le64_to_cpu(event->time_ns);
		__entry->board_serial = adev->ident.board_serial;
		__entry->endpoint_index = adev->ident.endpoint_index;
		__entry->bdf = pci_domain_nr(adev->pdev->bus) << 16 | pci_dev_id(adev->pdev);
		__entry->stage = event->stage;
		__entry->origin = event->origin;
		__entry->queue = le16_to_cpu(event->queue);
	),
	TP_printk("dev=%04x:%02x:%02x.%u card=0x%016llx/%u queue=%u origin=%s time_ns=%llu",
		  __entry->bdf >> 16, __entry->bdf >> 8 & 0xff, __entry->bdf >> 3 & 0x1f,
		  __entry->bdf & 7, __entry->board_serial, __entry->endpoint_index,
		  __entry->queue,
		  __print_symbolic(__entry->origin,
				   { 0, "wire" },
				   { 1, "driver" },
				   { 2, "library" },
				   { 3, "reconstructed" }),
		  __entry->time_ns)
);

DEFINE_EVENT(axl_class_interrupt, axl_irq,
	     TP_PROTO(const struct axl_device *adev, const struct axl_event *event),
	     TP_ARGS(adev, event)
);

DECLARE_EVENT_CLASS(axl_class_mapping,
	TP_PROTO(const struct axl_device *adev, const struct axl_event *event),
	TP_ARGS(adev, event),
	TP_STRUCT__entry(
		__field(u64, time_ns)
		__field(u64, board_serial)
		__field(u32, endpoint_index)
		__field(u32, bdf)
		__field(u8, stage)
		__field(u8, origin)
		__field(u16, context)
		__field(u64, va)
		__field(u64, bytes)
		__field(u32, pid)
		__field(u32, tid)
	),
	TP_fast_assign(
		__entry->time_ns = le64_to_cpu(event->time_ns);
		__entry->board_serial = adev->ident.board_serial;
		__entry->endpoint_index = adev->ident.endpoint_index;
		__entry->bdf = pci_domain_nr(adev->pdev->bus) << 16 | pci_dev_id(adev->pdev);
		__entry->stage = event->stage;
		__entry->origin = event->origin;
		__entry->context = le16_to_cpu(event->context);
		__entry->va = le64_to_cpu(event->address);
		__entry->bytes = le64_to_cpu(event->bytes);
		__entry->pid = le32_to_cpu(event->pid);
		__entry->tid = le32_to_cpu(event->tid);
	),
	TP_printk("dev=%04x:%02x:%02x.%u card=0x%016llx/%u context=%u va=0x%016llx bytes=%llu pid=%u tid=%u origin=%s time_ns=%llu",
		  __entry->bdf >> 16, __entry->bdf >> 8 & 0xff, __entry->bdf >> 3 & 0x1f,
		  __entry->bdf & 7, __entry->board_serial, __entry->endpoint_index,
		  __entry->context,
		  __entry->va,
		  __entry->bytes,
		  __entry->pid,
		  __entry->tid,
		  __print_symbolic(__entry->origin,
				   { 0, "wire" },
				   { 1, "driver" },
				   { 2, "library" },
				   { 3, "reconstructed" }),
		  __entry->time_ns)
);

DEFINE_EVENT(axl_class_mapping, axl_dma_map,
	     TP_PROTO(const struct axl_device *adev, const struct axl_event *event),
	     TP_ARGS(adev, event)
);

DEFINE_EVENT(axl_class_mapping, axl_dma_unmap,
	     TP_PROTO(const struct axl_device *adev, const struct axl_event *event),
	     TP_ARGS(adev, event)
);

DECLARE_EVENT_CLASS(axl_class_ring,
	TP_PROTO(const struct axl_device *adev, const struct axl_event *event),
	TP_ARGS(adev, event),
	TP_STRUCT__entry(
		__field(u64, time_ns)
		__field(u64, board_serial)
		__field(u32, endpoint_index)
		__field(u32, bdf)
		__field(u8, stage)
		__field(u8, origin)
		__field(u16, queue)
		__field(u64, ring_address)
		__field(u64, ring_bytes)
		__field(u32, pid)
		__field(u32, tid)
	),
	TP_fast_assign(
		__entry->time_ns = le64_to_cpu(event->time_ns);
		__entry->board_serial = adev->ident.board_serial;
		__entry->endpoint_index = adev->ident.endpoint_index;
		__entry->bdf = pci_domain_nr(adev->pdev->bus) << 16 | pci_dev_id(adev->pdev);
		__entry->stage = event->stage;
		__entry->origin = event->origin;
		__entry->queue = le16_to_cpu(event->queue);
		__entry->ring_address = le64_to_cpu(event->address);
		__entry->ring_bytes = le64_to_cpu(event->bytes);
		__entry->pid = le32_to_cpu(event->pid);
		__entry->tid = le32_to_cpu(event->tid);
	),
	TP_printk("dev=%04x:%02x:%02x.%u card=0x%016llx/%u queue=%u ring_address=0x%016llx ring_bytes=%llu pid=%u tid=%u origin=%s time_ns=%llu",
		  __entry->bdf >> 16, __entry->bdf >> 8 & 0xff, __entry->bdf >> 3 & 0x1f,
		  __entry->bdf & 7, __entry->board_serial, __entry->endpoint_index,
		  __entry->queue,
		  __entry->ring_address,
		  __entry->ring_bytes,
		  __entry->pid,
		  __entry->tid,
		  __print_symbolic(__entry->origin,
				   { 0, "wire" },
				   { 1, "driver" },
				   { 2, "library" },
				   { 3, "reconstructed" }),
		  __entry->time_ns)
);

DEFINE_EVENT(axl_class_ring, axl_queue_create,
	     TP_PROTO(const struct axl_device *adev, const struct axl_event *event),
	     TP_ARGS(adev, event)
);

DEFINE_EVENT(axl_class_ring, axl_queue_destroy,
	     TP_PROTO(const struct axl_device *adev, const struct axl_event *event),
	     TP_ARGS(adev, event)
);

DECLARE_EVENT_CLASS(axl_class_reset,
	TP_PROTO(const struct axl_device *adev, const struct axl_event *event),
	TP_ARGS(adev, event),
	TP_STRUCT__entry(
		__field(u64, time_ns)
		__field(u64, board_serial)
		__field(u32, endpoint_index)
		__field(u32, bdf)
		__field(u8, stage)
		__field(u8, origin)
		__field(u32, kind)
		__field(u16, queue)
		__field(u32, pid)
		__field(u32, tid)
	),
	TP_fast_assign(
		__entry->time_ns = le64_to_cpu(event->time_ns);
		__entry->board_serial = adev->ident.board_serial;
		__entry->endpoint_index = adev->ident.endpoint_index;
		__entry->bdf = pci_domain_nr(adev->pdev->bus) << 16 | pci_dev_id(adev->pdev);
		__entry->stage = event->stage;
		__entry->origin = event->origin;
		__entry->kind = le32_to_cpu(event->value);
		__entry->queue = le16_to_cpu(event->queue);
		__entry->pid = le32_to_cpu(event->pid);
		__entry->tid = le32_to_cpu(event->tid);
	),
	TP_printk("dev=%04x:%02x:%02x.%u card=0x%016llx/%u kind=%s queue=%u pid=%u tid=%u origin=%s time_ns=%llu",
		  __entry->bdf >> 16, __entry->bdf >> 8 & 0xff, __entry->bdf >> 3 & 0x1f,
		  __entry->bdf & 7, __entry->board_serial, __entry->endpoint_index,
		  __print_symbolic(__entry->kind,
				   { 0, "queue" },
				   { 1, "function" },
				   { 2, "bus" },
				   { 3, "os" }),
		  __entry->queue,
		  __entry->pid,
		  __entry->tid,
		  __print_symbolic(__entry->origin,
				   { 0, "wire" },
				   { 1, "driver" },
				   { 2, "library" },
				   { 3, "reconstructed" }),
		  __entry->time_ns)
);

DEFINE_EVENT(axl_class_reset, axl_reset_begin,
	     TP_PROTO(const struct axl_device *adev, const struct axl_event *event),
	     TP_ARGS(adev, event)
);

DECLARE_EVENT_CLASS(axl_class_reset_result,
	TP_PROTO(const struct axl_device *adev, const struct axl_event *event),
	TP_ARGS(adev, event),
	TP_STRUCT__entry(
		__field(u64, time_ns)
		__field(u64, board_serial)
		__field(u32, endpoint_index)
		__field(u32, bdf)
		__field(u8, stage)
		__field(u8, origin)
		__field(u32, kind)
		__field(u16, queue)
		__field(u16, outcome)
		__field(u32, pid)
		__field(u32, tid)
	),
	TP_fast_assign(
		__entry->time_ns = le64_to_cpu(event->time_ns);
		__entry->board_serial = adev->ident.board_serial;
		__entry->endpoint_index = adev->ident.endpoint_index;
		__entry->bdf = pci_domain_nr(adev->pdev->bus) << 16 | pci_dev_id(adev->pdev);
		__entry->stage = event->stage;
		__entry->origin = event->origin;
		__entry->kind = le32_to_cpu(event->value);
		__entry->queue = le16_to_cpu(event->queue);
		__entry->outcome = le16_to_cpu(event->status);
		__entry->pid = le32_to_cpu(event->pid);
		__entry->tid = le32_to_cpu(event->tid);
	),
	TP_printk("dev=%04x:%02x:%02x.%u card=0x%016llx/%u kind=%s queue=%u outcome=%s pid=%u tid=%u origin=%s time_ns=%llu",
		  __entry->bdf >> 16, __entry->bdf >> 8 & 0xff, __entry->bdf >> 3 & 0x1f,
		  __entry->bdf & 7, __entry->board_serial, __entry->endpoint_index,
		  __print_symbolic(__entry->kind,
				   { 0, "queue" },
				   { 1, "function" },
				   { 2, "bus" },
				   { 3, "os" }),
		  __entry->queue,
		  __print_symbolic(__entry->outcome,
				   { 0, "ok" },
				   { 1, "inval" },
				   { 2, "nomem" },
				   { 3, "gone" },
				   { 4, "version" },
				   { 5, "device" },
				   { 6, "busy" },
				   { 7, "again" },
				   { 8, "timeout" },
				   { 9, "nospace" },
				   { 10, "exists" },
				   { 11, "not_found" },
				   { 12, "address" },
				   { 13, "unsupported" }),
		  __entry->pid,
		  __entry->tid,
		  __print_symbolic(__entry->origin,
				   { 0, "wire" },
				   { 1, "driver" },
				   { 2, "library" },
				   { 3, "reconstructed" }),
		  __entry->time_ns)
);

DEFINE_EVENT(axl_class_reset_result, axl_reset_end,
	     TP_PROTO(const struct axl_device *adev, const struct axl_event *event),
	     TP_ARGS(adev, event)
);

DECLARE_EVENT_CLASS(axl_class_device_error,
	TP_PROTO(const struct axl_device *adev, const struct axl_event *event),
	TP_ARGS(adev, event),
	TP_STRUCT__entry(
		__field(u64, time_ns)
		__field(u64, board_serial)
		__field(u32, endpoint_index)
		__field(u32, bdf)
		__field(u8, stage)
		__field(u8, origin)
		__field(u16, code)
		__field(u32, count)
		__field(u16, queue)
		__field(u16, context)
		__field(u8, opcode)
		__field(u64, sequence)
		__field(u64, va)
	),
	TP_fast_assign(
		__entry->time_ns = le64_to_cpu(event->time_ns);
		__entry->board_serial = adev->ident.board_serial;
		__entry->endpoint_index = adev->ident.endpoint_index;
		__entry->bdf = pci_domain_nr(adev->pdev->bus) << 16 | pci_dev_id(adev->pdev);
		__entry->stage = event->stage;
		__entry->origin = event->origin;
		__entry->code = le16_to_cpu(event->status);
		__entry->count = le32_to_cpu(event->value);
		__entry->queue = le16_to_cpu(event->queue);
		__entry->context = le16_to_cpu(event->context);
		__entry->opcode = event->opcode;
		__entry->sequence = le64_to_cpu(event->sequence);
		__entry->va = le64_to_cpu(event->address);
	),
	TP_printk("dev=%04x:%02x:%02x.%u card=0x%016llx/%u code=%s count=%u queue=%u context=%u opcode=%s sequence=%llu va=0x%016llx origin=%s time_ns=%llu",
		  __entry->bdf >> 16, __entry->bdf >> 8 & 0xff, __entry->bdf >> 3 & 0x1f,
		  __entry->bdf & 7, __entry->board_serial, __entry->endpoint_index,
		  __print_symbolic(__entry->code,
				   { 0, "none" },
				   { 1, "page_fault" },
				   { 2, "protection_fault" },
				   { 3, "dma_unsupported" },
				   { 4, "dma_timeout" },
				   { 5, "dma_poisoned" },
				   { 6, "memory_uncorrected" },
				   { 7, "ring_invalid" },
				   { 8, "command_invalid" },
				   { 9, "address_stale" },
				   { 10, "firmware" },
				   { 11, "queue_hung" }),
		  __entry->count,
		  __entry->queue,
		  __entry->context,
		  __print_symbolic(__entry->opcode,
				   { 0, "nop" },
				   { 1, "copy" },
				   { 2, "copy_strided" },
				   { 3, "fill" },
				   { 4, "cast" },
				   { 5, "unary" },
				   { 6, "binary" },
				   { 7, "ternary" },
				   { 8, "reduce" },
				   { 9, "matmul" },
				   { 10, "gather" },
				   { 11, "scatter" },
				   { 12, "random" },
				   { 13, "fence_wait" },
				   { 14, "fence_signal" },
				   { 15, "timestamp" },
				   { 16, "fused" }),
		  __entry->sequence,
		  __entry->va,
		  __print_symbolic(__entry->origin,
				   { 0, "wire" },
				   { 1, "driver" },
				   { 2, "library" },
				   { 3, "reconstructed" }),
		  __entry->time_ns)
);

DEFINE_EVENT(axl_class_device_error, axl_error,
	     TP_PROTO(const struct axl_device *adev, const struct axl_event *event),
	     TP_ARGS(adev, event)
);

DECLARE_EVENT_CLASS(axl_class_link_error,
	TP_PROTO(const struct axl_device *adev, const struct axl_event *event),
	TP_ARGS(adev, event),
	TP_STRUCT__entry(
		__field(u64, time_ns)
		__field(u64, board_serial)
		__field(u32, endpoint_index)
		__field(u32, bdf)
		__field(u8, stage)
		__field(u8, origin)
		__field(u16, severity)
		__field(u32, status_register)
	),
	TP_fast_assign(
		__entry->time_ns = le64_to_cpu(event->time_ns);
		__entry->board_serial = adev->ident.board_serial;
		__entry->endpoint_index = adev->ident.endpoint_index;
		__entry->bdf = pci_domain_nr(adev->pdev->bus) << 16 | pci_dev_id(adev->pdev);
		__entry->stage = event->stage;
		__entry->origin = event->origin;
		__entry->severity = le16_to_cpu(event->status);
		__entry->status_register = le32_to_cpu(event->value);
	),
	TP_printk("dev=%04x:%02x:%02x.%u card=0x%016llx/%u severity=%s status_register=0x%08x origin=%s time_ns=%llu",
		  __entry->bdf >> 16, __entry->bdf >> 8 & 0xff, __entry->bdf >> 3 & 0x1f,
		  __entry->bdf & 7, __entry->board_serial, __entry->endpoint_index,
		  __print_symbolic(__entry->severity,
				   { 0, "correctable" },
				   { 1, "nonfatal" },
				   { 2, "fatal" }),
		  __entry->status_register,
		  __print_symbolic(__entry->origin,
				   { 0, "wire" },
				   { 1, "driver" },
				   { 2, "library" },
				   { 3, "reconstructed" }),
		  __entry->time_ns)
);

DEFINE_EVENT(axl_class_link_error, axl_aer,
	     TP_PROTO(const struct axl_device *adev, const struct axl_event *event),
	     TP_ARGS(adev, event)
);

DECLARE_EVENT_CLASS(axl_class_place,
	TP_PROTO(const struct axl_device *adev, const struct axl_event *event),
	TP_ARGS(adev, event),
	TP_STRUCT__entry(
		__field(u64, time_ns)
		__field(u64, board_serial)
		__field(u32, endpoint_index)
		__field(u32, bdf)
		__field(u8, stage)
		__field(u8, origin)
		__field(u16, change)
		__field(u32, address_state)
	),
	TP_fast_assign(
		__entry->time_ns = le64_to_cpu(event->time_ns);
		__entry->board_serial = adev->ident.board_serial;
		__entry->endpoint_index = adev->ident.endpoint_index;
		__entry->bdf = pci_domain_nr(adev->pdev->bus) << 16 | pci_dev_id(adev->pdev);
		__entry->stage = event->stage;
		__entry->origin = event->origin;
		__entry->change = le16_to_cpu(event->status);
		__entry->address_state = le32_to_cpu(event->value);
	),
	TP_printk("dev=%04x:%02x:%02x.%u card=0x%016llx/%u change=%s address_state=%s origin=%s time_ns=%llu",
		  __entry->bdf >> 16, __entry->bdf >> 8 & 0xff, __entry->bdf >> 3 & 0x1f,
		  __entry->bdf & 7, __entry->board_serial, __entry->endpoint_index,
		  __print_symbolic(__entry->change,
				   { 0, "appeared" },
				   { 1, "addressed" },
				   { 2, "lost" },
				   { 3, "removed" }),
		  __print_symbolic(__entry->address_state,
				   { 0, "stale" },
				   { 1, "committed" },
				   { 2, "rejected" }),
		  __print_symbolic(__entry->origin,
				   { 0, "wire" },
				   { 1, "driver" },
				   { 2, "library" },
				   { 3, "reconstructed" }),
		  __entry->time_ns)
);

DEFINE_EVENT(axl_class_place, axl_topology,
	     TP_PROTO(const struct axl_device *adev, const struct axl_event *event),
	     TP_ARGS(adev, event)
);

#endif

#ifndef AXL_TRACEPOINTS_CALLS
#define AXL_TRACEPOINTS_CALLS

/* To the tracepoint of the event's stage. */
static inline void axl_tracepoints_call(const struct axl_device *adev,
					const struct axl_event *event)
{
	switch (event->stage) {
	case AXL_STAGE_SUBMIT:
		trace_axl_submit(adev, event);
		break;
	case AXL_STAGE_DOORBELL:
		trace_axl_doorbell(adev, event);
		break;
	case AXL_STAGE_FETCH:
		trace_axl_fetch(adev, event);
		break;
	case AXL_STAGE_START:
		trace_axl_start(adev, event);
		break;
	case AXL_STAGE_FINISH:
		trace_axl_finish(adev, event);
		break;
	case AXL_STAGE_COMPLETE:
		trace_axl_complete(adev, event);
		break;
	case AXL_STAGE_IRQ:
		trace_axl_irq(adev, event);
		break;
	case AXL_STAGE_WAKE:
		trace_axl_wake(adev, event);
		break;
	case AXL_STAGE_DMA_MAP:
		trace_axl_dma_map(adev, event);
		break;
	case AXL_STAGE_DMA_UNMAP:
		trace_axl_dma_unmap(adev, event);
		break;
	case AXL_STAGE_QUEUE_CREATE:
		trace_axl_queue_create(adev, event);
		break;
	case AXL_STAGE_QUEUE_DESTROY:
		trace_axl_queue_destroy(adev, event);
		break;
	case AXL_STAGE_RESET_BEGIN:
		trace_axl_reset_begin(adev, event);
		break;
	case AXL_STAGE_RESET_END:
		trace_axl_reset_end(adev, event);
		break;
	case AXL_STAGE_ERROR:
		trace_axl_error(adev, event);
		break;
	case AXL_STAGE_AER:
		trace_axl_aer(adev, event);
		break;
	case AXL_STAGE_TOPOLOGY:
		trace_axl_topology(adev, event);
		break;
	default:
		break;
	}
}

/* Whether anybody listens to any of them. */
static inline bool axl_tracepoints_enabled(void)
{
	return trace_axl_submit_enabled() ||
	       trace_axl_doorbell_enabled() ||
	       trace_axl_fetch_enabled() ||
	       trace_axl_start_enabled() ||
	       trace_axl_finish_enabled() ||
	       trace_axl_complete_enabled() ||
	       trace_axl_irq_enabled() ||
	       trace_axl_wake_enabled() ||
	       trace_axl_dma_map_enabled() ||
	       trace_axl_dma_unmap_enabled() ||
	       trace_axl_queue_create_enabled() ||
	       trace_axl_queue_destroy_enabled() ||
	       trace_axl_reset_begin_enabled() ||
	       trace_axl_reset_end_enabled() ||
	       trace_axl_error_enabled() ||
	       trace_axl_aer_enabled() ||
	       trace_axl_topology_enabled();
}

#endif

#undef TRACE_INCLUDE_PATH
#define TRACE_INCLUDE_PATH .
#undef TRACE_INCLUDE_FILE
#define TRACE_INCLUDE_FILE axl_tracepoints
#include <trace/define_trace.h>
