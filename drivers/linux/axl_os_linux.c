// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
/* What the portable core needs of an operating system, over the kernel. */
#include <linux/delay.h>
#include <linux/dma-mapping.h>
#include <linux/io.h>
#include <linux/io-64-nonatomic-lo-hi.h>
#include <linux/ktime.h>
#include <linux/slab.h>

#include "axl_config.h"
#include "axl_device.h"
#include "axl_trace.h"

/* One second: longer than anybody holds them who is not removing the endpoint. */
#define AXL_OS_BUS_TRIES 50
#define AXL_OS_BUS_PAUSE_MS 20

int axl_errno(int err)
{
	switch (err) {
	case AXL_OK:
		return 0;
	case AXL_ERR_INVAL:
		return -EINVAL;
	case AXL_ERR_NOMEM:
		return -ENOMEM;
	case AXL_ERR_GONE:
		return -ENODEV;
	case AXL_ERR_VERSION:
		return -EPROTO;
	case AXL_ERR_BUSY:
		return -EBUSY;
	case AXL_ERR_AGAIN:
		return -EAGAIN;
	case AXL_ERR_TIMEOUT:
		return -ETIMEDOUT;
	case AXL_ERR_NOSPACE:
		return -ENOSPC;
	case AXL_ERR_EXISTS:
		return -EEXIST;
	case AXL_ERR_NOT_FOUND:
		return -ENOENT;
	case AXL_ERR_ADDRESS:
		return -ESTALE;
	case AXL_ERR_UNSUPPORTED:
		return -EOPNOTSUPP;
	default:
		return -EIO;
	}
}

static u32 axl_os_read32(void *os, u32 offset)
{
	struct axl_device *adev = os;

	return readl(adev->bar0 + offset);
}

static void axl_os_write32(void *os, u32 offset, u32 value)
{
	struct axl_device *adev = os;

	writel(value, adev->bar0 + offset);
}

static u64 axl_os_read64(void *os, u32 offset)
{
	struct axl_device *adev = os;

	return readq(adev->bar0 + offset);
}

static void axl_os_write64(void *os, u32 offset, u64 value)
{
	struct axl_device *adev = os;

	writeq(value, adev->bar0 + offset);
}

/* writel() orders all earlier stores to memory before it: the release that is asked for. */
static void axl_os_sq_doorbell(void *os, u32 queue, u32 tail)
{
	struct axl_device *adev = os;

	writel(tail, adev->bar0 + AXL_REG_DOORBELL_SQ_TAIL(queue));
}

static void axl_os_cq_doorbell(void *os, u32 queue, u32 head)
{
	struct axl_device *adev = os;

	writel(head, adev->bar0 + AXL_REG_DOORBELL_CQ_HEAD(queue));
}

static int axl_os_dma_alloc(void *os, size_t bytes, struct axl_dma_mem *mem_out)
{
	struct axl_device *adev = os;
	dma_addr_t bus;
	void *cpu;

	cpu = dma_alloc_coherent(&adev->pdev->dev, bytes, &bus, GFP_KERNEL);
	if (!cpu)
		return AXL_ERR_NOMEM;
	*mem_out = (struct axl_dma_mem){ .cpu = cpu, .bus = bus, .bytes = bytes };
	return AXL_OK;
}

static void axl_os_dma_free(void *os, struct axl_dma_mem *mem)
{
	struct axl_device *adev = os;

	dma_free_coherent(&adev->pdev->dev, mem->bytes, mem->cpu, mem->bus);
}

static void *axl_os_alloc(void *os, size_t bytes)
{
	return kvzalloc(bytes, GFP_KERNEL);
}

static void axl_os_free(void *os, void *memory)
{
	kvfree(memory);
}

static u64 axl_os_time_ns(void *os)
{
	return ktime_get_ns();
}

static void axl_os_sleep_us(void *os, u32 us)
{
	fsleep(us);
}

static int axl_os_function_reset(void *os)
{
	struct axl_device *adev = os;
	int ret;

	axl_config_before_reset(adev);
	ret = pcie_reset_flr(adev->pdev, PCI_RESET_DO_RESET);
	axl_config_restore(adev);
	if (ret == -ENOTTY)
		return AXL_ERR_UNSUPPORTED;
	return ret ? AXL_ERR_TIMEOUT : AXL_OK;
}

/* It only tries for its locks, which the PCI core holds for other reasons now and then. */
static int axl_os_reset_bus_soon(struct axl_device *adev)
{
	unsigned int tries;
	int ret = -EAGAIN;

	for (tries = 0; ret == -EAGAIN && tries < AXL_OS_BUS_TRIES; tries++) {
		if (tries)
			msleep(AXL_OS_BUS_PAUSE_MS);
		ret = pci_reset_bus(adev->pdev);
	}
	return ret;
}

/*
 * Device lock not held. pci_reset_bus() holds pciehp off while the link is down, saves and
 * restores, and calls reset_prepare() and reset_done() of every driver below the bus: ours
 * as well, which do for configuration space what axl_os_function_reset() does.
 */
static int axl_os_bus_reset(void *os)
{
	struct axl_device *adev = os;
	int ret;

	/* Another function of ours there would be locked while we are: A then B, B then A. */
	if (!list_is_singular(&adev->pdev->bus->devices))
		return AXL_ERR_UNSUPPORTED;
	ret = axl_os_reset_bus_soon(adev);
	if (ret == -ENOTTY || ret == -EAGAIN)
		return AXL_ERR_UNSUPPORTED;
	return ret ? AXL_ERR_TIMEOUT : AXL_OK;
}

static int axl_os_trace_on(void *os)
{
	return axl_trace_is_on();
}

static void axl_os_trace(void *os, const struct axl_event *event)
{
	axl_trace_emit(os, event);
}

static void axl_os_log(void *os, enum axl_log_level level, const char *text, u64 a, u64 b)
{
	struct axl_device *adev = os;
	struct device *dev = &adev->pdev->dev;
	char line[160];

	/* text is a literal of the core with at most two %llx. */
	snprintf(line, sizeof(line), text, a, b);
	switch (level) {
	case AXL_LOG_ERROR:
		dev_err_ratelimited(dev, "%s\n", line);
		break;
	case AXL_LOG_WARNING:
		dev_warn_ratelimited(dev, "%s\n", line);
		break;
	case AXL_LOG_INFO:
		dev_info_ratelimited(dev, "%s\n", line);
		break;
	default:
		dev_dbg(dev, "%s\n", line);
		break;
	}
}

const struct axl_os_ops axl_os_linux_ops = {
	.read32 = axl_os_read32,
	.write32 = axl_os_write32,
	.read64 = axl_os_read64,
	.write64 = axl_os_write64,
	.sq_doorbell = axl_os_sq_doorbell,
	.cq_doorbell = axl_os_cq_doorbell,
	.dma_alloc = axl_os_dma_alloc,
	.dma_free = axl_os_dma_free,
	.alloc = axl_os_alloc,
	.free = axl_os_free,
	.time_ns = axl_os_time_ns,
	.sleep_us = axl_os_sleep_us,
	.function_reset = axl_os_function_reset,
	.bus_reset = axl_os_bus_reset,
	.trace_on = axl_os_trace_on,
	.trace = axl_os_trace,
	.log = axl_os_log,
};
