// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
/* The operating system as the portable core sees it, for an endpoint behind a socket. */
#define _GNU_SOURCE
#include <errno.h>
#include <linux/vfio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "../error.h"
#include "axl_regs.h"
#include "rack.h"

/* --- registers ------------------------------------------------------------------- */

/* A server that does not answer is an endpoint that is gone: all ones. */
static void axl_rack_read(struct axl_rack_device *device, uint32_t offset, void *value,
			  size_t bytes)
{
	if (axl_vfu_region_read(&device->vfu, VFIO_PCI_BAR0_REGION_INDEX, offset, value, bytes)) {
		memset(value, 0xff, bytes);
		if (atomic_load(&device->vfu.dead))
			axl_rack_mark_gone(device);
	}
}

static uint32_t axl_rack_read32(void *os, uint32_t offset)
{
	uint32_t value;

	axl_rack_read(os, offset, &value, sizeof(value));
	return value;
}

static uint64_t axl_rack_read64(void *os, uint32_t offset)
{
	uint64_t value;

	axl_rack_read(os, offset, &value, sizeof(value));
	return value;
}

static void axl_rack_write(struct axl_rack_device *device, uint32_t offset, const void *value,
			   size_t bytes)
{
	axl_vfu_region_write(&device->vfu, VFIO_PCI_BAR0_REGION_INDEX, offset, value, bytes);
	if (atomic_load(&device->vfu.dead))
		axl_rack_mark_gone(device);
}

static void axl_rack_write32(void *os, uint32_t offset, uint32_t value)
{
	axl_rack_write(os, offset, &value, sizeof(value));
}

static void axl_rack_write64(void *os, uint32_t offset, uint64_t value)
{
	axl_rack_write(os, offset, &value, sizeof(value));
}

/* --- doorbells -------------------------------------------------------------------- */

static void axl_rack_doorbell(struct axl_rack_device *device, uint32_t offset, uint32_t value)
{
	uint64_t at = offset - device->shadow.bar_offset; /* huge for one before the pages */
	uint32_t *shadow;

	if (!device->doorbells || at >= device->shadow.bytes) {
		axl_rack_write32(device, offset, value);
		return;
	}
	shadow = (uint32_t *)(void *)(device->doorbells + at);
	/* Ring entries become visible before the index that covers them. */
	__atomic_store_n(shadow, value, __ATOMIC_RELEASE);
	axl_eventfd_signal(device->shadow.event_fd);
}

static void axl_rack_sq_doorbell(void *os, uint32_t queue, uint32_t tail)
{
	axl_rack_doorbell(os, AXL_REG_DOORBELL_SQ_TAIL(queue), tail);
}

static void axl_rack_cq_doorbell(void *os, uint32_t queue, uint32_t head)
{
	axl_rack_doorbell(os, AXL_REG_DOORBELL_CQ_HEAD(queue), head);
}

/* --- memory and time ---------------------------------------------------------------- */

static int axl_rack_core_dma_alloc(void *os, size_t bytes, struct axl_dma_mem *mem_out)
{
	struct axl_rack_device *device = os;

	return axl_rack_dma_alloc(&device->dma, bytes, mem_out) ? AXL_ERR_NOMEM : 0;
}

static void axl_rack_core_dma_free(void *os, struct axl_dma_mem *mem)
{
	struct axl_rack_device *device = os;

	axl_rack_dma_free(&device->dma, mem);
}

static void *axl_rack_alloc(void *os, size_t bytes)
{
	(void)os;
	return calloc(1, bytes);
}

static void axl_rack_free(void *os, void *memory)
{
	(void)os;
	free(memory);
}

static uint64_t axl_rack_time_ns(void *os)
{
	(void)os;
	return axl_now_ns();
}

static void axl_rack_sleep_us(void *os, uint32_t us)
{
	struct timespec left = { us / 1000000u, (long)(us % 1000000u) * 1000 };

	(void)os;
	while (nanosleep(&left, &left) < 0 && errno == EINTR)
		;
}

/* --- resets -------------------------------------------------------------------------- */

/* Save, reset by method, restore, connect the interrupts again. */
static int axl_rack_reset_with(struct axl_rack_device *device,
			       int (*method)(struct axl_rack_device *device))
{
	int status = axl_pci_config_save(&device->config, &device->vfu);

	if (!status)
		status = method(device);
	if (!status)
		status = axl_pci_config_restore(&device->config, &device->vfu);
	if (!status)
		status = axl_rack_irq_connect(&device->irq, &device->vfu);
	if (status == -EOPNOTSUPP)
		return AXL_ERR_UNSUPPORTED;
	if (atomic_load(&device->vfu.dead))
		return AXL_ERR_GONE;
	return status ? AXL_ERR_DEVICE : 0;
}

static int axl_rack_flr(struct axl_rack_device *device)
{
	return axl_pci_function_reset(&device->config, &device->vfu);
}

static int axl_rack_hot_reset(struct axl_rack_device *device)
{
	return axl_vfu_device_reset(&device->vfu);
}

static int axl_rack_function_reset(void *os)
{
	return axl_rack_reset_with(os, axl_rack_flr);
}

static int axl_rack_bus_reset(void *os)
{
	return axl_rack_reset_with(os, axl_rack_hot_reset);
}

/* --- events --------------------------------------------------------------------------- */

static int axl_rack_trace_on(void *os)
{
	struct axl_rack_device *device = os;

	return axl_recorder_on(&device->recorder);
}

static void axl_rack_trace(void *os, const struct axl_event *event)
{
	struct axl_rack_device *device = os;

	axl_recorder_emit(&device->recorder, event);
}

const struct axl_os_ops axl_rack_os_ops = {
	.read32 = axl_rack_read32,
	.write32 = axl_rack_write32,
	.read64 = axl_rack_read64,
	.write64 = axl_rack_write64,
	.sq_doorbell = axl_rack_sq_doorbell,
	.cq_doorbell = axl_rack_cq_doorbell,
	.dma_alloc = axl_rack_core_dma_alloc,
	.dma_free = axl_rack_core_dma_free,
	.alloc = axl_rack_alloc,
	.free = axl_rack_free,
	.time_ns = axl_rack_time_ns,
	.sleep_us = axl_rack_sleep_us,
	.function_reset = axl_rack_function_reset,
	.bus_reset = axl_rack_bus_reset,
	.trace_on = axl_rack_trace_on,
	.trace = axl_rack_trace,
};

/* --- error codes ------------------------------------------------------------------------ */

static int axl_rack_errno(int err)
{
	static const int codes[] = {
		[-AXL_ERR_INVAL] = -EINVAL,
		[-AXL_ERR_NOMEM] = -ENOMEM,
		[-AXL_ERR_GONE] = -ENODEV,
		[-AXL_ERR_VERSION] = -EPROTO,
		[-AXL_ERR_DEVICE] = -EIO,
		[-AXL_ERR_BUSY] = -EBUSY,
		[-AXL_ERR_AGAIN] = -EAGAIN,
		[-AXL_ERR_TIMEOUT] = -ETIMEDOUT,
		[-AXL_ERR_NOSPACE] = -ENOSPC,
		[-AXL_ERR_EXISTS] = -EEXIST,
		[-AXL_ERR_NOT_FOUND] = -ENOENT,
		[-AXL_ERR_ADDRESS] = -ESTALE,
		[-AXL_ERR_UNSUPPORTED] = -EOPNOTSUPP,
	};

	if (err >= 0 || (size_t)-err >= sizeof(codes) / sizeof(codes[0]))
		return -EIO;
	return codes[-err];
}

int axl_rack_fail(struct axl_rack_device *device, int err, const char *what)
{
	int code = axl_rack_errno(err);

	if (err == AXL_ERR_GONE || atomic_load(&device->vfu.dead)) {
		axl_rack_mark_gone(device);
		code = axl_rack_usable(device);
		return axl_fail_in(code, "%s: %s", device->endpoint.id, what);
	}
	return axl_fail(code, "%s: %s: %s", device->endpoint.id, what, axl_err_name(err));
}
