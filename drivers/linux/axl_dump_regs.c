// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
/*
 * The registers of an endpoint as text. All that can be read without a side effect; those
 * that are only written (doorbells, resets, commits, latches) have nothing to say.
 */
#include "axl_regs.h"
#include "axl_watch.h"

struct axl_dump_reg {
	const char *name;
	u32 offset;
	u32 stride; /* from one instance to the next */
	u32 bits;
};

#define R32(reg) \
	{ \
		.name = #reg, .offset = AXL_REG_##reg, .bits = 32 \
	}
#define R64(reg) \
	{ \
		.name = #reg, .offset = AXL_REG_##reg, .bits = 64 \
	}
#define ROWS(reg, width) \
	{ \
		.name = #reg, .offset = AXL_REG_##reg(0), \
		.stride = AXL_REG_##reg(1) - AXL_REG_##reg(0), .bits = width, \
	}
#define N32(reg) ROWS(reg, 32)
#define N64(reg) ROWS(reg, 64)

static const struct axl_dump_reg axl_dump_global[] = {
	R32(IDENT_MAGIC),
	R32(IDENT_HW_VERSION),
	R32(IDENT_FW_VERSION),
	R32(IDENT_SPEC_VERSION),
	R64(IDENT_BOARD_SERIAL),
	R32(IDENT_ENDPOINT),
	R32(IDENT_FEATURES),
	R32(IDENT_LIMITS),
	R32(IDENT_PEER_LIMIT),
	R64(IDENT_MEMORY_BYTES),
	R32(CTRL_CONTROL),
	R32(CTRL_STATUS),
	R32(CTRL_GENERATION),
	R32(CTRL_RESET_CAUSE),
	R32(CTRL_SCRATCH),
	R32(CTRL_EVENT_VECTOR),
	R32(ADDR_PLACE),
	R32(ADDR_CARD),
	R64(ADDR_CARD_SERIAL),
	R32(ADDR_PATH_DEPTH),
	R32(ADDR_PEER_COUNT),
	R32(ADDR_STATUS),
	R32(ADDR_CAPTURED),
	R32(ADDR_GENERATION),
	R32(TELEMETRY_VALID),
	R32(TELEMETRY_TEMPERATURE),
	R32(TELEMETRY_POWER),
	R32(TELEMETRY_CLOCK),
	R32(TELEMETRY_UTILISATION),
	R32(TELEMETRY_LINK),
	R32(TELEMETRY_MEMORY_CORRECTED),
	R32(TELEMETRY_MEMORY_UNCORRECTED),
	R64(TELEMETRY_BYTES_HOST_TO_DEVICE),
	R64(TELEMETRY_BYTES_DEVICE_TO_HOST),
	R64(TELEMETRY_BYTES_DEVICE_TO_DEVICE),
	R64(TELEMETRY_BYTES_PEER),
	R32(TELEMETRY_HEARTBEAT),
	R64(TELEMETRY_PROGRESS),
	R64(CLOCK_FREQUENCY),
	R64(CLOCK_TICKS),
	R32(ERROR_STATUS),
	R32(ERROR_COUNT),
	R32(ERROR_WHERE),
	R64(ERROR_SEQUENCE),
	R64(ERROR_ADDRESS),
	R64(ERROR_TIME),
};

static const struct axl_dump_reg axl_dump_per_context[] = {
	N64(CONTEXT_ROOT),
	N32(CONTEXT_CONTROL),
	N32(CONTEXT_STATUS),
};

static const struct axl_dump_reg axl_dump_per_queue[] = {
	N64(QUEUE_SQ_BASE),   N64(QUEUE_CQ_BASE),    N32(QUEUE_SIZE),	N32(QUEUE_CONTROL),
	N32(QUEUE_INTERRUPT), N32(QUEUE_COALESCE),   N32(QUEUE_STATUS), N32(QUEUE_SQ_HEAD),
	N32(QUEUE_CQ_TAIL),   N32(QUEUE_INTERRUPTS),
};

/* All-ones may be a value: the endpoint is asked whether it is there at all. */
static int axl_dump_reg(struct drm_printer *p, struct axl_device *adev,
			const struct axl_dump_reg *reg, int index)
{
	u32 offset = reg->offset + (index < 0 ? 0 : index) * reg->stride;
	bool wide = reg->bits == 64;
	u64 value = wide ? axl_read64(&adev->os, offset) : axl_read32(&adev->os, offset);

	if (value == (wide ? U64_MAX : U32_MAX) && axl_is_gone(&adev->os))
		return -ENODEV;
	if (index < 0)
		drm_printf(p, "0x%05x %s 0x%0*llx\n", offset, reg->name, wide ? 16 : 8, value);
	else
		drm_printf(p, "0x%05x %s[%d] 0x%0*llx\n", offset, reg->name, index, wide ? 16 : 8,
			   value);
	return 0;
}

static int axl_dump_regs(struct drm_printer *p, struct axl_device *adev,
			 const struct axl_dump_reg *regs, unsigned int count, int index)
{
	unsigned int i;
	int ret = 0;

	for (i = 0; i < count && !ret; i++)
		ret = axl_dump_reg(p, adev, &regs[i], index);
	return ret;
}

/* Of queues and contexts only those that somebody has. */
int axl_dump_registers(struct drm_printer *p, struct axl_device *adev)
{
	unsigned int i;
	int ret;

	lockdep_assert_held(&adev->lock);
	ret = axl_is_gone(&adev->os) ? -ENODEV : 0;
	if (!ret)
		ret = axl_dump_regs(p, adev, axl_dump_global, ARRAY_SIZE(axl_dump_global), -1);
	for (i = 0; i < AXL_MAX_CONTEXTS && !ret; i++) {
		if (adev->vms[i])
			ret = axl_dump_regs(p, adev, axl_dump_per_context,
					    ARRAY_SIZE(axl_dump_per_context), i);
	}
	for (i = 0; i < AXL_MAX_QUEUES && !ret; i++) {
		if (adev->queues[i])
			ret = axl_dump_regs(p, adev, axl_dump_per_queue,
					    ARRAY_SIZE(axl_dump_per_queue), i);
	}
	return ret;
}
