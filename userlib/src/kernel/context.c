// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
#include <errno.h>
#include <stdlib.h>

#include "../error.h"
#include "kernel.h"

int axl_kernel_context_create(struct axl_device *base, struct axl_context **out)
{
	struct axl_kernel_device *device = axl_kernel_device(base);
	struct axl_kernel_context *context = calloc(1, sizeof(*context));
	struct drm_axl_context_create args = { 0 };
	int status;

	if (!context)
		return axl_fail(-ENOMEM, "no memory for a context");
	status = axl_kernel_ioctl(device, DRM_IOCTL_AXL_CONTEXT_CREATE, &args);
	if (status) {
		free(context);
		if (status == -ENOSPC)
			return axl_fail(status, "all %u contexts of %s are taken",
					device->context_count, device->endpoint.id);
		return axl_kernel_fail(device, status, "making a context", "device");
	}
	context->base.device = base;
	context->id = args.context_id;
	*out = &context->base;
	return 0;
}

void axl_kernel_context_destroy(struct axl_context *base)
{
	struct drm_axl_context_destroy args = { .context_id = axl_kernel_context(base)->id };

	axl_kernel_ioctl(axl_kernel_device(base->device), DRM_IOCTL_AXL_CONTEXT_DESTROY, &args);
	free(base);
}

static int axl_kernel_context_state(struct axl_context *base, uint32_t flags)
{
	struct axl_kernel_device *device = axl_kernel_device(base->device);
	struct drm_axl_context_state args = {
		.context_id = axl_kernel_context(base)->id,
		.flags = flags,
	};
	int status = axl_kernel_ioctl(device, DRM_IOCTL_AXL_CONTEXT_STATE, &args);

	if (status)
		return axl_kernel_fail(device, status, "state of a context", "context");
	return args.faulted != 0;
}

int axl_kernel_context_is_faulted(struct axl_context *base)
{
	return axl_kernel_context_state(base, 0);
}

int axl_kernel_context_recover(struct axl_context *base)
{
	int status = axl_kernel_context_state(base, DRM_AXL_CONTEXT_CLEAR_FAULT);

	return status < 0 ? status : 0;
}
