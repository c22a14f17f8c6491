// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
#include <errno.h>
#include <linux/vfio.h>
#include <string.h>
#include <unistd.h>

#include "../error.h"
#include "axl_formats.h"
#include "irq.h"

_Static_assert(AXL_RACK_MAX_VECTORS == AXL_MSIX_VECTORS, "vectors of the contract");

/* The best kind of message-signalled interrupt that the endpoint has. */
static int axl_rack_irq_choose(struct axl_rack_irq *irq, struct axl_vfu *vfu)
{
	static const uint32_t kinds[] = { VFIO_PCI_MSIX_IRQ_INDEX, VFIO_PCI_MSI_IRQ_INDEX };

	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		int status = axl_vfu_irq_count(vfu, kinds[i], &irq->count);

		if (status)
			return status;
		irq->kind = kinds[i];
		if (irq->count)
			break;
	}
	if (!irq->count)
		return axl_fail(-EPROTO, "the endpoint has neither MSI-X nor MSI");
	if (irq->count > AXL_RACK_MAX_VECTORS)
		irq->count = AXL_RACK_MAX_VECTORS;
	return 0;
}

int axl_rack_irq_init(struct axl_rack_irq *irq, struct axl_vfu *vfu)
{
	int status;

	memset(irq, 0, sizeof(*irq));
	for (size_t i = 0; i < AXL_RACK_MAX_VECTORS; i++)
		irq->fds[i] = -1;
	status = axl_rack_irq_choose(irq, vfu);
	for (uint32_t i = 0; !status && i < irq->count; i++) {
		irq->fds[i] = axl_eventfd();
		if (irq->fds[i] < 0)
			status = irq->fds[i];
	}
	if (!status)
		status = axl_rack_irq_connect(irq, vfu);
	if (status)
		axl_rack_irq_deinit(irq);
	return status;
}

void axl_rack_irq_deinit(struct axl_rack_irq *irq)
{
	for (size_t i = 0; i < AXL_RACK_MAX_VECTORS; i++) {
		if (irq->fds[i] >= 0)
			close(irq->fds[i]);
		irq->fds[i] = -1;
	}
}

int axl_rack_irq_connect(struct axl_rack_irq *irq, struct axl_vfu *vfu)
{
	return axl_vfu_set_irqs(vfu, irq->kind, irq->fds, irq->count);
}

uint32_t axl_rack_irq_vector(const struct axl_rack_irq *irq, uint32_t queue)
{
	return irq->count > 1 ? 1 + queue % (irq->count - 1) : 0;
}

bool axl_rack_irq_is_shared(const struct axl_rack_irq *irq, uint32_t vector)
{
	return irq->count < AXL_RACK_MAX_VECTORS && (vector != 0 || irq->count == 1);
}
