/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/*
 * Events for the tracepoints axl:axl_STAGE (axl_tracepoints.h). While nobody listens to
 * an event these functions cost one branch that the kernel patches out. None sleeps.
 */
#ifndef AXL_TRACE_H
#define AXL_TRACE_H

#include "axl_formats.h"

struct axl_device;
struct axl_queue;
struct axl_vm;

/* An event of the core, which has stamped it, to its tracepoint. */
void axl_trace_emit(struct axl_device *adev, const struct axl_event *event);

/* Whether anybody listens to any of them. */
bool axl_trace_is_on(void);

/* The driver's own events; they happen now. */
void axl_trace_irq(struct axl_device *adev, unsigned int queue);
void axl_trace_wake(struct axl_queue *queue, u64 sequence);
void axl_trace_dma_map(struct axl_vm *vm, u64 va, u64 bytes);
void axl_trace_dma_unmap(struct axl_vm *vm, u64 va, u64 bytes);
void axl_trace_topology(struct axl_device *adev, enum axl_topology_change change);

/* Resets by the operating system: those that we ask for are the core's events. */
void axl_trace_reset_begin(struct axl_device *adev);
void axl_trace_reset_end(struct axl_device *adev, int err); /* an enum axl_err */

/* Reads the endpoint's status register, if somebody listens. */
void axl_trace_aer(struct axl_device *adev, enum axl_aer_severity severity);

#endif
