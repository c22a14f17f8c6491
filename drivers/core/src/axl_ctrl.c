/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
#include "axl_ctrl.h"

#include "axl_field.h"
#include "axl_ident.h"
#include "axl_regs.h"

#define READY_POLL_US 1000u

int axl_ctrl_wait_ready(const struct axl_os *os, uint32_t timeout_us)
{
	uint32_t waited_us = 0;

	for (;;) {
		uint32_t status = axl_read32(os, AXL_REG_CTRL_STATUS);

		if (status == AXL_ALL_ONES32 && axl_is_gone(os))
			return AXL_ERR_GONE;
		if (AXL_GET(status, AXL_CTRL_STATUS_HALTED))
			return AXL_ERR_DEVICE;
		if (AXL_GET(status, AXL_CTRL_STATUS_READY))
			return AXL_OK;
		if (waited_us >= timeout_us)
			return AXL_ERR_TIMEOUT;
		os->ops->sleep_us(os->ctx, READY_POLL_US);
		waited_us += READY_POLL_US;
	}
}

int axl_ctrl_set_enabled(const struct axl_os *os, bool enabled)
{
	uint32_t want = AXL_PUT(AXL_CTRL_CONTROL_ENABLE, (uint32_t)enabled);
	uint32_t got;

	axl_write32(os, AXL_REG_CTRL_CONTROL, want);
	got = axl_read32(os, AXL_REG_CTRL_CONTROL); /* also pushes the posted write out */
	if (got == AXL_ALL_ONES32)
		return axl_is_gone(os) ? AXL_ERR_GONE : AXL_ERR_DEVICE;
	return got == want ? AXL_OK : AXL_ERR_DEVICE;
}

int axl_ctrl_set_event_vector(const struct axl_os *os, uint32_t vector)
{
	if (vector >= AXL_MSIX_VECTORS)
		return AXL_ERR_INVAL;
	axl_write32(os, AXL_REG_CTRL_EVENT_VECTOR, AXL_PUT(AXL_CTRL_EVENT_VECTOR_VECTOR, vector));
	return axl_is_gone(os) ? AXL_ERR_GONE : AXL_OK;
}

int axl_ctrl_generation(const struct axl_os *os, uint32_t *generation_out)
{
	*generation_out = axl_read32(os, AXL_REG_CTRL_GENERATION);
	if (*generation_out == AXL_ALL_ONES32 && axl_is_gone(os))
		return AXL_ERR_GONE;
	return AXL_OK;
}

int axl_ctrl_reset_queue(const struct axl_os *os, uint32_t queue)
{
	uint32_t status;

	if (queue >= AXL_QUEUE_COUNT)
		return AXL_ERR_INVAL;
	axl_write32(os, AXL_REG_CTRL_QUEUE_RESET, AXL_PUT(AXL_CTRL_QUEUE_RESET_MASK, 1u << queue));
	/* It takes effect before the next register access: one look is enough. */
	status = axl_read32(os, AXL_REG_QUEUE_STATUS(queue));
	if (status == AXL_ALL_ONES32)
		return axl_is_gone(os) ? AXL_ERR_GONE : AXL_ERR_DEVICE;
	return AXL_GET(status, AXL_QUEUE_STATUS_STATE) == AXL_QUEUE_STATE_DISABLED ? AXL_OK :
										     AXL_ERR_DEVICE;
}
