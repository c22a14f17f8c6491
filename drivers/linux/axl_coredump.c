// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
/*
 * What an endpoint was like when it failed: text, taken before the reset that is to help,
 * and handed to /sys/class/devcoredump, which keeps one of each device for five minutes.
 *
 * Taken under the device lock, where fences wait for us: into memory that was set aside at
 * probe, since asking for some could wait for those fences. Handed out by a work.
 */
#include <linux/devcoredump.h>
#include <linux/module.h>
#include <linux/utsname.h>
#include <linux/vmalloc.h>

#include <drm/drm_managed.h>

#include "axl_coredump.h"
#include "axl_watch.h"

#define AXL_COREDUMP_VERSION 1
#define AXL_COREDUMP_BYTES SZ_64K

static struct axl_device *axl_coredump_device(struct work_struct *work)
{
	return container_of(work, struct axl_device, coredump.work);
}

static void axl_coredump_work(struct work_struct *work)
{
	struct axl_device *adev = axl_coredump_device(work);
	struct axl_coredump *dump = &adev->coredump;
	/* Read before the buffer is given back for the next one. */
	size_t bytes = dump->bytes;
	void *copy = vmalloc(bytes);

	if (copy)
		memcpy(copy, dump->text, bytes);
	/* The copy is made before axl_coredump_take() may write again. */
	smp_store_release(&dump->full, false);
	if (!copy) {
		pci_warn(adev->pdev, "coredump: no memory\n");
		return;
	}
	/* Takes the copy, also when one of the device is there already. */
	dev_coredumpv(&adev->pdev->dev, copy, bytes, GFP_KERNEL);
}

static void axl_coredump_release(struct drm_device *drm, void *data)
{
	vfree(axl_from_drm(drm)->coredump.text);
}

int axl_coredump_init(struct axl_device *adev)
{
	INIT_WORK(&adev->coredump.work, axl_coredump_work);
	adev->coredump.text = vmalloc(AXL_COREDUMP_BYTES);
	if (!adev->coredump.text)
		return -ENOMEM;
	return drmm_add_action_or_reset(&adev->drm, axl_coredump_release, NULL);
}

void axl_coredump_flush(struct axl_device *adev)
{
	flush_work(&adev->coredump.work);
}

/* --- taking one -------------------------------------------------------------------- */

static void axl_coredump_head(struct drm_printer *p, struct axl_device *adev, const char *incident,
			      unsigned int queue)
{
	drm_printf(p, "axl-coredump: %u\n", AXL_COREDUMP_VERSION);
	drm_printf(p, "incident: %s\n", incident);
	drm_printf(p, "queue: %u\n", queue);
	drm_printf(p, "realtime_ns: %llu\n", ktime_get_real_ns());
	drm_printf(p, "kernel: %s\n", init_utsname()->release);
	drm_puts(p, "\n[identity]\n");
	axl_dump_identity(p, adev);
	drm_puts(p, "\n[state]\n");
	axl_dump_state(p, adev);
	axl_dump_error(p, adev);
	drm_puts(p, "\n[queues]\n");
	axl_dump_queues(p, adev);
	drm_puts(p, "\n[in_flight]\n");
	axl_dump_flights(p, adev);
	drm_puts(p, "\n[recoveries]\n");
	axl_history_print(p, adev);
}

/* Last, as the endpoint may stop answering in the middle. */
static void axl_coredump_registers(struct drm_printer *p, struct axl_device *adev, bool readable)
{
	drm_puts(p, "\n[registers]\n");
	if (!readable)
		drm_puts(p, "not read: access is stopped\n");
	else if (axl_dump_registers(p, adev))
		drm_puts(p, "not read: the endpoint does not answer\n");
	drm_puts(p, "\n[end]\n");
}

static void axl_coredump_take(struct axl_device *adev, const char *incident, unsigned int queue,
			      bool readable)
{
	struct axl_coredump *dump = &adev->coredump;
	struct drm_print_iterator space = { .data = dump->text, .remain = AXL_COREDUMP_BYTES };
	struct drm_printer p = drm_coredump_printer(&space);

	lockdep_assert_held(&adev->lock);
	/* Pairs with the release in axl_coredump_work(). */
	if (smp_load_acquire(&dump->full)) {
		pci_warn(adev->pdev, "coredump: incident=%s left out, the last is being written\n",
			 incident);
		return;
	}
	axl_coredump_head(&p, adev, incident, queue);
	axl_coredump_registers(&p, adev, readable);
	dump->bytes = AXL_COREDUMP_BYTES - space.remain;
	dump->full = true;
	schedule_work(&dump->work); /* orders all of it before */
	pci_warn(adev->pdev, "coredump: incident=%s queue=%u bytes=%zu\n", incident, queue,
		 dump->bytes);
}

void axl_coredump_consider(struct axl_device *adev, u32 event, unsigned int queue)
{
	if (adev->reset.state != AXL_RESET_STATE_ONLINE)
		return; /* of an incident that has begun */
	if (event == AXL_RESET_EVENT_QUEUE_HUNG || event == AXL_RESET_EVENT_DEVICE_DEAD ||
	    event == AXL_RESET_EVENT_GONE)
		axl_coredump_take(adev, axl_reset_event_name(event), queue, true);
}

void axl_coredump_frozen(struct axl_device *adev)
{
	if (adev->reset.state == AXL_RESET_STATE_ONLINE)
		axl_coredump_take(adev, "frozen", 0, false);
}
