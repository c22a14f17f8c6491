// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
/*
 * USDT probes, provider libaxl, one per stage of axl_formats.h. Arguments: endpoint
 * (segment:bus:device.function as a number), queue, sequence, opcode, bytes.
 */
#include "events.h"

unsigned short axl_probe_semaphore __attribute__((section(".probes"), used));

#if defined(__has_include)
#if __has_include(<sys/sdt.h>)
#define AXL_HAVE_SDT 1
#endif
#endif

#ifdef AXL_HAVE_SDT

#define _SDT_HAS_SEMAPHORES 1
#include <sys/sdt.h>

/* One semaphore for all probes: a tracer of any of them switches the slow path on. */
#define AXL_PROBE_SEMAPHORE(stage) \
	extern unsigned short libaxl_##stage##_semaphore \
		__attribute__((alias("axl_probe_semaphore"), visibility("hidden")))

AXL_PROBE_SEMAPHORE(submit);
AXL_PROBE_SEMAPHORE(doorbell);
AXL_PROBE_SEMAPHORE(fetch);
AXL_PROBE_SEMAPHORE(start);
AXL_PROBE_SEMAPHORE(finish);
AXL_PROBE_SEMAPHORE(complete);
AXL_PROBE_SEMAPHORE(irq);
AXL_PROBE_SEMAPHORE(wake);
AXL_PROBE_SEMAPHORE(dma_map);
AXL_PROBE_SEMAPHORE(dma_unmap);
AXL_PROBE_SEMAPHORE(queue_create);
AXL_PROBE_SEMAPHORE(queue_destroy);
AXL_PROBE_SEMAPHORE(reset_begin);
AXL_PROBE_SEMAPHORE(reset_end);
AXL_PROBE_SEMAPHORE(error);
AXL_PROBE_SEMAPHORE(aer);
AXL_PROBE_SEMAPHORE(topology);

#define AXL_PROBE(stage) \
	DTRACE_PROBE5(libaxl, stage, bdf, event->queue, event->sequence, event->opcode, \
		      event->bytes)

static void axl_probe_command(uint32_t bdf, const struct axl_event *event)
{
	switch (event->stage) {
	case AXL_STAGE_SUBMIT:
		AXL_PROBE(submit);
		break;
	case AXL_STAGE_DOORBELL:
		AXL_PROBE(doorbell);
		break;
	case AXL_STAGE_FETCH:
		AXL_PROBE(fetch);
		break;
	case AXL_STAGE_START:
		AXL_PROBE(start);
		break;
	case AXL_STAGE_FINISH:
		AXL_PROBE(finish);
		break;
	case AXL_STAGE_COMPLETE:
		AXL_PROBE(complete);
		break;
	case AXL_STAGE_IRQ:
		AXL_PROBE(irq);
		break;
	case AXL_STAGE_WAKE:
		AXL_PROBE(wake);
		break;
	default:
		break;
	}
}

static void axl_probe_other(uint32_t bdf, const struct axl_event *event)
{
	switch (event->stage) {
	case AXL_STAGE_DMA_MAP:
		AXL_PROBE(dma_map);
		break;
	case AXL_STAGE_DMA_UNMAP:
		AXL_PROBE(dma_unmap);
		break;
	case AXL_STAGE_QUEUE_CREATE:
		AXL_PROBE(queue_create);
		break;
	case AXL_STAGE_QUEUE_DESTROY:
		AXL_PROBE(queue_destroy);
		break;
	case AXL_STAGE_RESET_BEGIN:
		AXL_PROBE(reset_begin);
		break;
	case AXL_STAGE_RESET_END:
		AXL_PROBE(reset_end);
		break;
	case AXL_STAGE_ERROR:
		AXL_PROBE(error);
		break;
	case AXL_STAGE_AER:
		AXL_PROBE(aer);
		break;
	case AXL_STAGE_TOPOLOGY:
		AXL_PROBE(topology);
		break;
	default:
		break;
	}
}

void axl_probe_fire(uint32_t bdf, const struct axl_event *event)
{
	if (event->stage <= AXL_STAGE_WAKE)
		axl_probe_command(bdf, event);
	else
		axl_probe_other(bdf, event);
}

#else

void axl_probe_fire(uint32_t bdf, const struct axl_event *event)
{
	(void)bdf;
	(void)event;
}

#endif
