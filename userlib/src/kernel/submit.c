// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
#include <errno.h>

#include "../batch.h"
#include "../error.h"
#include "kernel.h"

/* Keep the greatest: threads come back from the driver in any order. */
static void axl_kernel_raise(atomic_ullong *last, uint64_t sequence)
{
	unsigned long long old = atomic_load(last);

	while (old < sequence && !atomic_compare_exchange_weak(last, &old, sequence))
		;
}

/* Which command, slot or queue the driver's refusal is about. */
static int axl_kernel_submit_fail(struct axl_kernel_queue *queue, const struct axl_slot *slots,
				  size_t slot_count, int err)
{
	int status;

	if (err == -EAGAIN)
		return axl_fail(err, "queue %u is full", queue->base.index);
	if (err == -EINVAL) {
		/* The driver does not say; both ask the same core. */
		status = axl_batch_check(slots, slot_count);
		if (status)
			return status;
	}
	return axl_kernel_fail(axl_kernel_queue_device(queue), err, "submitting", "queue");
}

int axl_kernel_queue_submit(struct axl_queue *base, const struct axl_slot *slots, size_t slot_count,
			    uint32_t flags, uint64_t *last_out)
{
	struct axl_kernel_queue *queue = axl_kernel_queue(base);
	bool quiet = flags & AXL_SUBMIT_NO_INTERRUPT;
	struct drm_axl_submit args = {
		.queue_id = queue->id,
		.flags = (flags & AXL_SUBMIT_NONBLOCK ? DRM_AXL_SUBMIT_NONBLOCK : 0) |
			 (quiet ? DRM_AXL_SUBMIT_NO_INTERRUPT : 0),
		.slots = (uintptr_t)slots,
		.slot_count = (uint32_t)slot_count,
	};
	uint64_t before = axl_now_ns();
	int status;

	if (slot_count > queue->slot_count)
		return axl_batch_too_big(slot_count, queue->slot_count);
	status = axl_kernel_ioctl(axl_kernel_queue_device(queue), DRM_IOCTL_AXL_SUBMIT, &args);
	if (status)
		return axl_kernel_submit_fail(queue, slots, slot_count, status);
	axl_kernel_raise(&queue->submitted, args.sequence);
	if (!quiet)
		axl_kernel_raise(&queue->audible, args.sequence);
	axl_kernel_probe_batch(queue, slots, slot_count, args.sequence, before);
	if (last_out)
		*last_out = args.sequence;
	return 0;
}
