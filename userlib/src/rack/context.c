// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
#include <errno.h>
#include <stdlib.h>

#include "../error.h"
#include "axl_ctx.h"
#include "axl_regs.h"
#include "rack.h"

static int axl_rack_context_pick(struct axl_rack_device *device, uint32_t *out)
{
	for (uint32_t n = 0; n < device->ident.context_count; n++) {
		if (device->contexts >> n & 1)
			continue;
		*out = n;
		return 0;
	}
	return axl_fail(-ENOSPC, "all %u contexts of %s are taken", device->ident.context_count,
			device->endpoint.id);
}

static void axl_rack_context_free(struct axl_rack_context *context)
{
	for (uint32_t kind = AXL_VA_DEVICE; kind < AXL_VA_KIND_END; kind++) {
		if (context->va[kind].os)
			axl_range_deinit(&context->va[kind]);
	}
	if (context->pt.os)
		axl_pt_deinit(&context->pt);
	free(context);
}

static int axl_rack_context_fill(struct axl_rack_device *device, struct axl_rack_context *context)
{
	bool large = device->ident.features & AXL_IDENT_FEATURES_LARGE_PAGES_MASK;
	int err = axl_pt_init(&context->pt, &device->os, large);

	if (err)
		context->pt.os = NULL;
	for (uint32_t kind = AXL_VA_DEVICE; !err && kind < AXL_VA_KIND_END; kind++) {
		err = axl_range_init(&context->va[kind], &device->os,
				     (uint64_t)kind << AXL_VA_KIND_SHIFT, 1ull << AXL_VA_KIND_SHIFT,
				     1u << AXL_PAGE_SHIFT);
		if (err)
			context->va[kind].os = NULL;
	}
	if (!err)
		err = axl_ctx_enable(&device->os, context->number, axl_pt_root(&context->pt));
	return err;
}

static int axl_rack_context_make(struct axl_rack_device *device, struct axl_rack_context **out)
{
	struct axl_rack_context *context;
	uint32_t number = 0;
	int status = axl_rack_usable(device);
	int err;

	if (!status)
		status = axl_rack_context_pick(device, &number);
	if (status)
		return status;
	context = calloc(1, sizeof(*context));
	if (!context)
		return axl_fail(-ENOMEM, "no memory for a context");
	context->base.device = &device->base;
	context->number = number;
	context->generation = atomic_load(&device->generation);
	err = axl_rack_context_fill(device, context);
	if (err) {
		axl_rack_context_free(context);
		return axl_rack_fail(device, err, "making a context");
	}
	device->contexts |= 1ull << number;
	*out = context;
	return 0;
}

int axl_rack_context_create(struct axl_device *base, struct axl_context **out)
{
	struct axl_rack_device *device = axl_rack_device(base);
	struct axl_rack_context *context = NULL;
	int status;

	pthread_mutex_lock(&device->lock);
	status = axl_rack_context_make(device, &context);
	if (!status)
		*out = &context->base;
	pthread_mutex_unlock(&device->lock);
	return status;
}

void axl_rack_context_destroy(struct axl_context *base)
{
	struct axl_rack_context *context = axl_rack_context(base);
	struct axl_rack_device *device = axl_rack_device(base->device);
	int err = 0;

	pthread_mutex_lock(&device->lock);
	if (context->generation == atomic_load(&device->generation)) {
		if (atomic_load(&device->state) == AXL_DEVICE_ONLINE)
			err = axl_ctx_disable(&device->os, context->number);
		/* It would go on walking freed tables: only a reset of the function helps. */
		if (err && err != AXL_ERR_GONE)
			axl_rack_recover(device, AXL_RESET_EVENT_DEVICE_DEAD, NULL);
		device->contexts &= ~(1ull << context->number);
	}
	axl_rack_context_free(context);
	pthread_mutex_unlock(&device->lock);
}

int axl_rack_context_is_faulted(struct axl_context *base)
{
	struct axl_rack_context *context = axl_rack_context(base);
	struct axl_rack_device *device = axl_rack_device(base->device);
	int status;

	pthread_mutex_lock(&device->lock);
	status = axl_rack_current(device, context->generation, "context");
	if (!status) {
		status = axl_ctx_fault_state(&device->os, context->number);
		if (status < 0)
			status = axl_rack_fail(device, status, "context");
	}
	pthread_mutex_unlock(&device->lock);
	return status;
}

int axl_rack_context_recover(struct axl_context *base)
{
	struct axl_rack_context *context = axl_rack_context(base);
	struct axl_rack_device *device = axl_rack_device(base->device);
	int status, err;

	pthread_mutex_lock(&device->lock);
	status = axl_rack_current(device, context->generation, "context");
	if (!status) {
		err = axl_ctx_clear_fault(&device->os, context->number);
		if (err)
			status = axl_rack_fail(device, err, "context");
	}
	pthread_mutex_unlock(&device->lock);
	return status;
}
