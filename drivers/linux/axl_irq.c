// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
/*
 * Interrupts: vector 0 for events, one more per queue; with fewer vectors queues share,
 * and with a single one (MSI behind many switches) everything does.
 */
#include <linux/interrupt.h>
#include <linux/workqueue.h>

#include "axl_device.h"
#include "axl_queue.h"
#include "axl_trace.h"

unsigned int axl_irq_queue_vector(const struct axl_device *adev, unsigned int queue)
{
	if (adev->vector_count == 1)
		return 0;
	return 1 + queue % (adev->vector_count - 1);
}

/* Completions are taken in where sleeping is allowed: fences have callbacks. */
static irqreturn_t axl_irq_thread(int irq, void *data)
{
	struct axl_vector *vector = data;
	struct axl_device *adev = vector->adev;
	unsigned int i;

	for (i = 0; i < adev->ident.queue_count; i++) {
		struct axl_queue *queue;

		if (axl_irq_queue_vector(adev, i) != vector->number)
			continue;
		queue = axl_queue_get_by_index(adev, i);
		if (!queue)
			continue;
		axl_trace_irq(adev, i);
		axl_queue_interrupt(queue);
		axl_queue_put(queue);
	}
	if (vector->number == 0)
		schedule_work(&adev->event_work);
	return IRQ_HANDLED;
}

static int axl_irq_request(struct axl_device *adev, unsigned int number)
{
	struct axl_vector *vector = &adev->vectors[number];
	struct device *dev = &adev->pdev->dev;

	vector->adev = adev;
	vector->number = number;
	/* No hard handler: MSI and MSI-X are edges, and ONESHOT is for levels. */
	return devm_request_threaded_irq(dev, pci_irq_vector(adev->pdev, number), NULL,
					 axl_irq_thread, IRQF_ONESHOT, dev_name(dev), vector);
}

static void axl_irq_release(struct axl_device *adev)
{
	while (adev->vectors_requested) {
		struct axl_vector *vector = &adev->vectors[--adev->vectors_requested];

		devm_free_irq(&adev->pdev->dev, pci_irq_vector(adev->pdev, vector->number), vector);
	}
}

/*
 * A CPU of x86 has about 200 vectors for all devices, and those that are first take them:
 * a part of them, divided by the endpoints that are there.
 */
#define AXL_IRQ_PER_CPU 128

static unsigned int axl_irq_share(const struct axl_device *adev)
{
	struct pci_dev *other = NULL;
	unsigned int endpoints = 0;

	while ((other = pci_get_device(AXL_PCI_VENDOR_ID, AXL_PCI_DEVICE_ID, other)))
		endpoints++;
	return clamp(num_online_cpus() * AXL_IRQ_PER_CPU / max(endpoints, 1u), 1u,
		     1 + adev->ident.queue_count);
}

/* Up to limit vectors with their handlers; how many could be had, also when it fails. */
static int axl_irq_try(struct axl_device *adev, unsigned int limit, unsigned int *had)
{
	int count = pci_alloc_irq_vectors(adev->pdev, 1, limit, PCI_IRQ_MSIX | PCI_IRQ_MSI);
	int ret = 0;

	*had = 0;
	if (count < 0)
		return count;
	adev->vector_count = count;
	while (!ret && adev->vectors_requested < adev->vector_count) {
		ret = axl_irq_request(adev, adev->vectors_requested);
		if (!ret)
			adev->vectors_requested++;
	}
	*had = adev->vectors_requested;
	if (ret) {
		axl_irq_release(adev);
		pci_free_irq_vectors(adev->pdev);
	}
	return ret;
}

int axl_irq_setup(struct axl_device *adev)
{
	unsigned int limit, had = axl_irq_share(adev);
	int ret;

	/* The vectors exist, but only requesting them tells whether a CPU has room. */
	do {
		limit = had;
		ret = axl_irq_try(adev, limit, &had);
	} while (ret == -ENOSPC && had);
	if (ret)
		return dev_err_probe(&adev->pdev->dev, ret, "no interrupt vector\n");
	return 0;
}

void axl_irq_teardown(struct axl_device *adev)
{
	axl_irq_release(adev);
	cancel_work_sync(&adev->event_work);
}
