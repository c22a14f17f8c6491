/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/*
 * Interrupt vectors as eventfds: vector 0 for events, 1 + q for queue q. An endpoint
 * that grants fewer has its queues share the rest; one that grants a single MSI has
 * everything share that. Who drains a shared vector passes the signal on.
 */
#ifndef AXL_RACK_IRQ_H
#define AXL_RACK_IRQ_H

#include <stdbool.h>

#include "../eventfd.h"
#include "vfio_user.h"

#define AXL_RACK_MAX_VECTORS 17

struct axl_rack_irq {
	uint32_t kind; /* VFIO_PCI_MSIX_IRQ_INDEX or VFIO_PCI_MSI_IRQ_INDEX */
	uint32_t count; /* vectors granted */
	int fds[AXL_RACK_MAX_VECTORS];
};

int axl_rack_irq_init(struct axl_rack_irq *irq, struct axl_vfu *vfu);
void axl_rack_irq_deinit(struct axl_rack_irq *irq);

/* Tell the server (again) which eventfd is which vector. */
int axl_rack_irq_connect(struct axl_rack_irq *irq, struct axl_vfu *vfu);

uint32_t axl_rack_irq_vector(const struct axl_rack_irq *irq, uint32_t queue);

/* Whether more than one queue, or a queue and the events, use a vector. */
bool axl_rack_irq_is_shared(const struct axl_rack_irq *irq, uint32_t vector);

#endif
