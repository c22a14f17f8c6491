// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
/* Public functions about contexts: check the arguments, ask the back end. */
#include <errno.h>

#include "backend.h"
#include "error.h"

static int axl_context_check(const struct axl_context *context, const char *function)
{
	if (!context)
		return axl_fail(-EINVAL, "%s: context is NULL", function);
	return axl_owner_check(context->device);
}

int axl_context_create(struct axl_device *device, struct axl_context **context_out)
{
	int status;

	if (!device || !context_out)
		return axl_fail(-EINVAL, "axl_context_create: an argument is NULL");
	*context_out = NULL;
	status = axl_owner_check(device);
	return status ? status : device->backend->context_create(device, context_out);
}

/* A forked child must not touch what its parent goes on using: it only forgets. */
void axl_context_destroy(struct axl_context *context)
{
	if (context && !axl_owner_check(context->device))
		context->device->backend->context_destroy(context);
}

int axl_context_is_faulted(struct axl_context *context)
{
	int status = axl_context_check(context, "axl_context_is_faulted");

	return status ? status : context->device->backend->context_is_faulted(context);
}

int axl_context_recover(struct axl_context *context)
{
	int status = axl_context_check(context, "axl_context_recover");

	return status ? status : context->device->backend->context_recover(context);
}
