// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
/* axl: driver of AXL accelerators, one DRM accel device per endpoint. */
#include <linux/dma-mapping.h>
#include <linux/io.h>
#include <linux/module.h>

#include <drm/drm_accel.h>
#include <drm/drm_gem.h>
#include <drm/drm_managed.h>

#include "axl_accel.h"
#include "axl_bo.h"
#include "axl_config.h"
#include "axl_coredump.h"
#include "axl_ctrl.h"
#include "axl_debugfs.h"
#include "axl_device.h"
#include "axl_file.h"
#include "axl_hwmon.h"
#include "axl_ioctl.h"
#include "axl_power.h"
#include "axl_watch.h"

unsigned int axl_queue_timeout_ms = 10000;
module_param_named(queue_timeout_ms, axl_queue_timeout_ms, uint, 0444);
MODULE_PARM_DESC(queue_timeout_ms,
		 "A queue with work that completes none for so long is hung (10000)");

unsigned int axl_heartbeat_timeout_ms = 10000;
module_param_named(heartbeat_timeout_ms, axl_heartbeat_timeout_ms, uint, 0444);
MODULE_PARM_DESC(heartbeat_timeout_ms,
		 "A firmware without a heartbeat for so long is dead (10000)");

/* --- DRM ----------------------------------------------------------------------------- */

typedef long axl_drv_ioctl_t(struct file *filp, unsigned int cmd, unsigned long arg);

/* The endpoint is awake in every ioctl. */
static long axl_drv_ioctl_by(axl_drv_ioctl_t *ioctl, struct file *filp, unsigned int cmd,
			     unsigned long arg)
{
	const struct drm_file *file = filp->private_data;
	struct axl_device *adev = axl_from_drm(file->minor->dev);
	long ret = axl_power_get(adev);

	if (ret)
		return ret;
	ret = ioctl(filp, cmd, arg);
	axl_power_put(adev);
	return ret;
}

static long axl_drv_ioctl(struct file *filp, unsigned int cmd, unsigned long arg)
{
	return axl_drv_ioctl_by(drm_ioctl, filp, cmd, arg);
}

#ifdef CONFIG_COMPAT
static long axl_drv_compat_ioctl(struct file *filp, unsigned int cmd, unsigned long arg)
{
	return axl_drv_ioctl_by(drm_compat_ioctl, filp, cmd, arg);
}
#endif

/* DRM_ACCEL_FOPS with ioctls of our own. */
static const struct file_operations axl_drv_fops = {
	.owner = THIS_MODULE,
	.open = accel_open,
	.release = drm_release,
	.unlocked_ioctl = axl_drv_ioctl,
#ifdef CONFIG_COMPAT
	.compat_ioctl = axl_drv_compat_ioctl,
#endif
	.poll = drm_poll,
	.read = drm_read,
	.llseek = noop_llseek,
	.mmap = drm_gem_mmap,
	.fop_flags = FOP_UNSIGNED_OFFSET,
	.show_fdinfo = drm_show_fdinfo,
};

static struct drm_driver axl_drv_drm = {
	.driver_features =
		DRIVER_COMPUTE_ACCEL | DRIVER_GEM | DRIVER_SYNCOBJ | DRIVER_SYNCOBJ_TIMELINE,
	.name = "axl",
	.desc = "AXL accelerator",
	.major = DRM_AXL_VERSION_MAJOR,
	.minor = DRM_AXL_VERSION_MINOR,
	.fops = &axl_drv_fops,
	.ioctls = axl_ioctls,
	.num_ioctls = ARRAY_SIZE(axl_ioctls),
	.gem_prime_import = axl_dmabuf_import,
	.open = axl_file_open,
	.postclose = axl_file_close,
	.show_fdinfo = axl_fdinfo_show,
};

/* --- probe --------------------------------------------------------------------------- */

static void axl_drv_release_memory(struct drm_device *drm, void *data)
{
	axl_range_deinit(&axl_from_drm(drm)->memory);
}

static int axl_drv_init_sw(struct axl_device *adev)
{
	int ret;

	INIT_LIST_HEAD(&adev->bos);
	INIT_LIST_HEAD(&adev->peers_node);
	INIT_DELAYED_WORK(&adev->health_work, axl_recovery_health_work);
	INIT_WORK(&adev->event_work, axl_recovery_event_work);
	spin_lock_init(&adev->queues_lock);
	init_waitqueue_head(&adev->reset_wait);
	adev->os = (struct axl_os){
		.ops = &axl_os_linux_ops,
		.ctx = adev,
		.origin = AXL_ORIGIN_DRIVER,
	};
	axl_reset_init(&adev->reset);
	axl_history_init(adev);
	axl_health_init(&adev->health, (u64)axl_queue_timeout_ms * NSEC_PER_MSEC,
			(u64)axl_heartbeat_timeout_ms * NSEC_PER_MSEC);
	ret = drmm_mutex_init(&adev->drm, &adev->lock);
	if (!ret)
		ret = drmm_mutex_init(&adev->drm, &adev->memory_lock);
	if (!ret)
		ret = axl_coredump_init(adev);
	return ret;
}

static int axl_drv_map_bars(struct axl_device *adev)
{
	struct pci_dev *pdev = adev->pdev;
	int ret;

	if (pci_resource_len(pdev, AXL_BAR_REGISTERS) < AXL_BAR0_BYTES ||
	    !pci_resource_len(pdev, AXL_BAR_MEMORY))
		return dev_err_probe(&pdev->dev, -ENXIO,
				     "BARs not assigned: try pci=realloc, or fewer devices\n");
	ret = pcim_request_region(pdev, AXL_BAR_REGISTERS, "axl");
	if (!ret)
		ret = pcim_request_region(pdev, AXL_BAR_MEMORY, "axl");
	if (ret)
		return dev_err_probe(&pdev->dev, ret, "BARs are in use\n");
	adev->bar0 = pcim_iomap(pdev, AXL_BAR_REGISTERS, 0);
	adev->bar2_pa = pci_resource_start(pdev, AXL_BAR_MEMORY);
	adev->bar2 =
		devm_ioremap_wc(&pdev->dev, adev->bar2_pa, pci_resource_len(pdev, AXL_BAR_MEMORY));
	return adev->bar0 && adev->bar2 ? 0 : -ENOMEM;
}

static int axl_drv_init_pci(struct axl_device *adev)
{
	struct pci_dev *pdev = adev->pdev;
	int ret = pcim_enable_device(pdev);

	if (ret)
		return dev_err_probe(&pdev->dev, ret, "cannot be enabled\n");
	ret = axl_drv_map_bars(adev);
	if (ret)
		return ret;
	ret = dma_set_mask_and_coherent(&pdev->dev, DMA_BIT_MASK(64));
	if (ret)
		return dev_err_probe(&pdev->dev, ret, "no 64-bit DMA\n");
	dma_set_max_seg_size(&pdev->dev, UINT_MAX);
	pci_set_master(pdev);
	/* What slot_reset() and our own resets restore. */
	ret = axl_config_save(adev);
	if (ret)
		return ret;
	return devm_add_action_or_reset(&pdev->dev, axl_config_release, adev);
}

/* The serial is in configuration space as well, if at all. */
static int axl_drv_check_serial(struct axl_device *adev)
{
	u64 serial = pci_get_dsn(adev->pdev);

	if (!serial || serial == adev->ident.board_serial)
		return 0;
	return dev_err_probe(&adev->pdev->dev, -EPROTO,
			     "says card=0x%016llx, but its Device Serial Number is 0x%016llx\n",
			     adev->ident.board_serial, serial);
}

/* Who it is, and whether what it says fits what enumeration found. */
static int axl_drv_identify(struct axl_device *adev)
{
	struct device *dev = &adev->pdev->dev;
	int err = axl_ctrl_wait_ready(&adev->os, 5 * USEC_PER_SEC);

	if (!err)
		err = axl_ident_read(&adev->os, &adev->ident);
	if (err)
		return dev_err_probe(dev, axl_errno(err), "does not identify itself: error=%s\n",
				     axl_err_name(err));
	if (adev->ident.memory_bytes > pci_resource_len(adev->pdev, AXL_BAR_MEMORY))
		return dev_err_probe(dev, -EPROTO, "says memory=0x%llx, but BAR2 has 0x%llx\n",
				     adev->ident.memory_bytes,
				     (u64)pci_resource_len(adev->pdev, AXL_BAR_MEMORY));
	err = axl_drv_check_serial(adev);
	if (err)
		return err;
	err = axl_range_init(&adev->memory, &adev->os, 0, adev->ident.memory_bytes, PAGE_SIZE);
	if (err)
		return axl_errno(err);
	return drmm_add_action_or_reset(&adev->drm, axl_drv_release_memory, NULL);
}

static int axl_drv_start(struct axl_device *adev)
{
	int err;

	mutex_lock(&adev->lock);
	err = axl_recovery_setup_hw(adev);
	mutex_unlock(&adev->lock);
	if (err)
		return dev_err_probe(&adev->pdev->dev, axl_errno(err),
				     "cannot be set up: error=%s\n", axl_err_name(err));
	return 0;
}

static int axl_drv_init(struct axl_device *adev)
{
	int ret = axl_drv_init_sw(adev);

	if (!ret)
		ret = axl_drv_init_pci(adev);
	if (!ret)
		ret = axl_drv_identify(adev);
	if (ret)
		return ret;
	ret = axl_irq_setup(adev);
	if (!ret)
		ret = axl_drv_start(adev);
	if (ret)
		/* Before the registers go: handlers and their work use them. */
		axl_irq_teardown(adev);
	return ret;
}

static void axl_drv_stop(struct axl_device *adev)
{
	cancel_delayed_work_sync(&adev->health_work);
	axl_irq_teardown(adev);
	mutex_lock(&adev->lock);
	axl_recovery_go_away(adev);
	mutex_unlock(&adev->lock);
	axl_coredump_flush(adev);
}

static int axl_drv_probe(struct pci_dev *pdev, const struct pci_device_id *id)
{
	struct axl_device *adev;
	int ret;

	adev = devm_drm_dev_alloc(&pdev->dev, &axl_drv_drm, struct axl_device, drm);
	if (IS_ERR(adev))
		return PTR_ERR(adev);
	adev->pdev = pdev;
	pci_set_drvdata(pdev, adev);
	ret = axl_drv_init(adev);
	if (ret)
		return ret;
	axl_debugfs_add(adev);
	ret = axl_sysfs_add(adev);
	if (!ret)
		ret = drm_dev_register(&adev->drm, 0);
	if (ret) {
		axl_drv_stop(adev);
		return ret;
	}
	axl_hwmon_add(adev);
	axl_place_join(adev);
	schedule_delayed_work(&adev->health_work, msecs_to_jiffies(AXL_HEALTH_PERIOD_MS));
	axl_power_start(adev);
	pci_info(pdev, "card=0x%016llx/%u of %u, memory=%llu MiB, queues=%u, vectors=%u\n",
		 adev->ident.board_serial, adev->ident.endpoint_index, adev->ident.endpoint_count,
		 adev->ident.memory_bytes >> 20, adev->ident.queue_count, adev->vector_count);
	return 0;
}

/* Files may stay open: they find everything answered with -ENODEV. */
static void axl_drv_remove(struct pci_dev *pdev)
{
	struct axl_device *adev = pci_get_drvdata(pdev);

	axl_power_stop(adev);
	axl_place_leave(adev);
	axl_drv_stop(adev);
	drm_dev_unplug(&adev->drm);
	axl_bo_unmap_all(adev);
}

static const struct pci_device_id axl_drv_ids[] = {
	{ PCI_DEVICE_SUB(AXL_PCI_VENDOR_ID, AXL_PCI_DEVICE_ID, AXL_PCI_SUBSYSTEM_VENDOR_ID,
			 AXL_PCI_SUBSYSTEM_ID) },
	{}
};
MODULE_DEVICE_TABLE(pci, axl_drv_ids);

static struct pci_driver axl_drv_pci = {
	.name = "axl",
	.id_table = axl_drv_ids,
	.probe = axl_drv_probe,
	.remove = axl_drv_remove,
	.shutdown = axl_drv_remove,
	.err_handler = &axl_pci_err_handlers,
	.driver.pm = &axl_power_ops,
};
module_pci_driver(axl_drv_pci);

MODULE_DESCRIPTION("AXL accelerators");
MODULE_LICENSE("GPL");
