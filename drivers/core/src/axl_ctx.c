/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
#include "axl_ctx.h"

#include "axl_field.h"
#include "axl_ident.h"
#include "axl_regs.h"

/*
 * The endpoint has taken in every earlier write when a read of it comes back: PCIe
 * reads do not pass posted writes (PCIe 6.0 s2.4.1).
 */
static int check_control(const struct axl_os *os, uint32_t n, uint32_t want)
{
	uint32_t got = axl_read32(os, AXL_REG_CONTEXT_CONTROL(n));

	if (got == AXL_ALL_ONES32)
		return axl_is_gone(os) ? AXL_ERR_GONE : AXL_ERR_DEVICE;
	return (got & AXL_CONTEXT_CONTROL_ENABLE_MASK) == want ? AXL_OK : AXL_ERR_DEVICE;
}

int axl_ctx_enable(const struct axl_os *os, uint32_t n, uint64_t root)
{
	if (n >= AXL_CONTEXT_COUNT || root == 0 || (root & ~AXL_PTE_ADDRESS_MASK))
		return AXL_ERR_INVAL;
	axl_write64(os, AXL_REG_CONTEXT_ROOT(n), root);
	axl_write32(os, AXL_REG_CONTEXT_STATUS(n), AXL_CONTEXT_STATUS_FAULTED_MASK);
	axl_write32(os, AXL_REG_CONTEXT_CONTROL(n),
		    AXL_CONTEXT_CONTROL_ENABLE_MASK | AXL_CONTEXT_CONTROL_INVALIDATE_MASK);
	return check_control(os, n, AXL_CONTEXT_CONTROL_ENABLE_MASK);
}

int axl_ctx_disable(const struct axl_os *os, uint32_t n)
{
	if (n >= AXL_CONTEXT_COUNT)
		return AXL_ERR_INVAL;
	axl_write32(os, AXL_REG_CONTEXT_CONTROL(n), AXL_CONTEXT_CONTROL_INVALIDATE_MASK);
	return check_control(os, n, 0);
}

int axl_ctx_invalidate(const struct axl_os *os, uint32_t n)
{
	if (n >= AXL_CONTEXT_COUNT)
		return AXL_ERR_INVAL;
	axl_write32(os, AXL_REG_CONTEXT_CONTROL(n),
		    AXL_CONTEXT_CONTROL_ENABLE_MASK | AXL_CONTEXT_CONTROL_INVALIDATE_MASK);
	return check_control(os, n, AXL_CONTEXT_CONTROL_ENABLE_MASK);
}

int axl_ctx_fault_state(const struct axl_os *os, uint32_t n)
{
	uint32_t status;

	if (n >= AXL_CONTEXT_COUNT)
		return AXL_ERR_INVAL;
	status = axl_read32(os, AXL_REG_CONTEXT_STATUS(n));
	if (status == AXL_ALL_ONES32)
		return axl_is_gone(os) ? AXL_ERR_GONE : AXL_ERR_DEVICE;
	return (int)AXL_GET(status, AXL_CONTEXT_STATUS_FAULTED);
}

int axl_ctx_clear_fault(const struct axl_os *os, uint32_t n)
{
	int state;

	if (n >= AXL_CONTEXT_COUNT)
		return AXL_ERR_INVAL;
	axl_write32(os, AXL_REG_CONTEXT_STATUS(n), AXL_CONTEXT_STATUS_FAULTED_MASK);
	state = axl_ctx_fault_state(os, n);
	return state == 1 ? AXL_ERR_DEVICE : state;
}
