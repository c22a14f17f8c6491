// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
/* Tracepoints: one per stage, found by a table of the schema. */
#include "axl_device.h"

#define CREATE_TRACE_POINTS
#include "axl_trace.h"

/* Listeners of all tracepoints together: one look tells whether any is on. */
static atomic_t axl_trace_listeners = ATOMIC_INIT(0);

int axl_trace_reg(void)
{
	atomic_inc(&axl_trace_listeners);
	return 0;
}

void axl_trace_unreg(void)
{
	atomic_dec(&axl_trace_listeners);
}

static void (*const axl_trace_stages[AXL_STAGE_END])(const struct axl_device *adev,
						     const struct axl_event *event) = {
	[AXL_STAGE_SUBMIT] = trace_axl_submit,
	[AXL_STAGE_DOORBELL] = trace_axl_doorbell,
	[AXL_STAGE_FETCH] = trace_axl_fetch,
	[AXL_STAGE_START] = trace_axl_start,
	[AXL_STAGE_FINISH] = trace_axl_finish,
	[AXL_STAGE_COMPLETE] = trace_axl_complete,
	[AXL_STAGE_IRQ] = trace_axl_irq,
	[AXL_STAGE_WAKE] = trace_axl_wake,
	[AXL_STAGE_DMA_MAP] = trace_axl_dma_map,
	[AXL_STAGE_DMA_UNMAP] = trace_axl_dma_unmap,
	[AXL_STAGE_QUEUE_CREATE] = trace_axl_queue_create,
	[AXL_STAGE_QUEUE_DESTROY] = trace_axl_queue_destroy,
	[AXL_STAGE_RESET_BEGIN] = trace_axl_reset_begin,
	[AXL_STAGE_RESET_END] = trace_axl_reset_end,
	[AXL_STAGE_ERROR] = trace_axl_error,
	[AXL_STAGE_AER] = trace_axl_aer,
	[AXL_STAGE_TOPOLOGY] = trace_axl_topology,
};

void axl_trace_emit(struct axl_device *adev, const struct axl_event *event)
{
	if (event->stage < AXL_STAGE_END && axl_trace_stages[event->stage])
		axl_trace_stages[event->stage](adev, event);
}

bool axl_trace_is_on(void)
{
	return atomic_read(&axl_trace_listeners) > 0;
}
