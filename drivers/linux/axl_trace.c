// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
/* Tracepoints: which one an event belongs to, and the events that the core does not know. */
#include "axl_trace.h"

#include <linux/sched.h>

#include "axl_field.h"
#include "axl_queue.h"
#include "axl_vm.h"

#define CREATE_TRACE_POINTS
#include "axl_tracepoints.h"

/*
 * Who asked for what is happening: the current process, unless a thread of the kernel
 * does it (interrupts, workers), which speaks for nobody.
 */
static void axl_trace_set_caller(struct axl_event *event)
{
	if (current->flags & PF_KTHREAD)
		return;
	event->pid = cpu_to_le32(task_tgid_nr(current));
	event->tid = cpu_to_le32(task_pid_nr(current));
}

void axl_trace_emit(struct axl_device *adev, const struct axl_event *event)
{
	struct axl_event called = *event;

	axl_trace_set_caller(&called);
	axl_tracepoints_call(adev, &called);
}

bool axl_trace_is_on(void)
{
	return axl_tracepoints_enabled();
}

/* --- the driver's own ---------------------------------------------------------------- */

static void axl_trace_now(struct axl_device *adev, struct axl_event *event)
{
	event->time_ns = cpu_to_le64(ktime_get_ns());
	event->origin = AXL_ORIGIN_DRIVER;
	axl_trace_emit(adev, event);
}

void axl_trace_irq(struct axl_device *adev, unsigned int queue)
{
	struct axl_event event = { .stage = AXL_STAGE_IRQ, .queue = cpu_to_le16(queue) };

	if (trace_axl_irq_enabled())
		axl_trace_now(adev, &event);
}

void axl_trace_wake(struct axl_queue *queue, u64 sequence)
{
	struct axl_event event = {
		.stage = AXL_STAGE_WAKE,
		.queue = cpu_to_le16(queue->index),
		.sequence = cpu_to_le64(sequence),
	};

	if (trace_axl_wake_enabled())
		axl_trace_now(queue->adev, &event);
}

static void axl_trace_mapping(struct axl_vm *vm, u8 stage, u64 va, u64 bytes)
{
	struct axl_event event = {
		.stage = stage,
		.context = cpu_to_le16(vm->number),
		.address = cpu_to_le64(va),
		.bytes = cpu_to_le64(bytes),
	};

	axl_trace_now(vm->adev, &event);
}

void axl_trace_dma_map(struct axl_vm *vm, u64 va, u64 bytes)
{
	if (trace_axl_dma_map_enabled())
		axl_trace_mapping(vm, AXL_STAGE_DMA_MAP, va, bytes);
}

void axl_trace_dma_unmap(struct axl_vm *vm, u64 va, u64 bytes)
{
	if (trace_axl_dma_unmap_enabled())
		axl_trace_mapping(vm, AXL_STAGE_DMA_UNMAP, va, bytes);
}

void axl_trace_topology(struct axl_device *adev, enum axl_topology_change change)
{
	struct axl_event event = {
		.stage = AXL_STAGE_TOPOLOGY,
		.status = cpu_to_le16(change),
		.value = cpu_to_le32(READ_ONCE(adev->address_state)),
	};

	if (trace_axl_topology_enabled())
		axl_trace_now(adev, &event);
}

static void axl_trace_reset(struct axl_device *adev, u8 stage, int err)
{
	struct axl_event event = {
		.stage = stage,
		.value = cpu_to_le32(AXL_RESET_KIND_OS),
		.status = cpu_to_le16(-err),
	};

	axl_trace_now(adev, &event);
}

void axl_trace_reset_begin(struct axl_device *adev)
{
	if (trace_axl_reset_begin_enabled())
		axl_trace_reset(adev, AXL_STAGE_RESET_BEGIN, AXL_OK);
}

void axl_trace_reset_end(struct axl_device *adev, int err)
{
	if (trace_axl_reset_end_enabled())
		axl_trace_reset(adev, AXL_STAGE_RESET_END, err);
}

/* All-ones: it does not answer, or has no such capability. */
static u32 axl_trace_aer_status(struct pci_dev *pdev, enum axl_aer_severity severity)
{
	u32 offset = severity == AXL_AER_SEVERITY_CORRECTABLE ? PCI_ERR_COR_STATUS :
								PCI_ERR_UNCOR_STATUS;
	u16 aer = pci_find_ext_capability(pdev, PCI_EXT_CAP_ID_ERR);
	u32 status = AXL_ALL_ONES32;

	if (aer)
		pci_read_config_dword(pdev, aer + offset, &status);
	return status;
}

void axl_trace_aer(struct axl_device *adev, enum axl_aer_severity severity)
{
	struct axl_event event = { .stage = AXL_STAGE_AER, .status = cpu_to_le16(severity) };

	if (!trace_axl_aer_enabled())
		return;
	event.value = cpu_to_le32(axl_trace_aer_status(adev->pdev, severity));
	axl_trace_now(adev, &event);
}
