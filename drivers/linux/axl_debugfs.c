// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
/*
 * Files below /sys/kernel/debug/accel/BDF/. No read waits for a reset: what needs the
 * device lock says -EAGAIN meanwhile. They end with the removal of the device.
 */
#include <linux/seq_file.h>

#include <drm/drm_debugfs.h>

#include "axl_debugfs.h"
#include "axl_watch.h"

static struct axl_device *axl_debugfs_device(struct seq_file *m)
{
	struct drm_debugfs_entry *entry = m->private;

	return axl_from_drm(entry->dev);
}

static int axl_debugfs_identity(struct seq_file *m, void *unused)
{
	struct drm_printer p = drm_seq_file_printer(m);

	axl_dump_identity(&p, axl_debugfs_device(m));
	return 0;
}

static int axl_debugfs_state(struct seq_file *m, void *unused)
{
	struct axl_device *adev = axl_debugfs_device(m);
	struct drm_printer p = drm_seq_file_printer(m);

	axl_dump_state(&p, adev);
	if (axl_watch_begin(adev)) {
		drm_puts(&p, "errors: unknown, it is being reset\n");
		return 0;
	}
	axl_dump_error(&p, adev);
	axl_watch_end(adev);
	return 0;
}

static int axl_debugfs_queues(struct seq_file *m, void *unused)
{
	struct drm_printer p = drm_seq_file_printer(m);

	axl_dump_queues(&p, axl_debugfs_device(m));
	return 0;
}

static int axl_debugfs_flights(struct seq_file *m, void *unused)
{
	struct drm_printer p = drm_seq_file_printer(m);

	axl_dump_flights(&p, axl_debugfs_device(m));
	return 0;
}

/* A wedged endpoint may still show them; that is what one wants to see then. */
static int axl_debugfs_registers(struct seq_file *m, void *unused)
{
	struct axl_device *adev = axl_debugfs_device(m);
	struct drm_printer p = drm_seq_file_printer(m);
	int ret = axl_watch_begin(adev);

	if (ret)
		return ret;
	ret = axl_recovery_usable(adev);
	if (!ret || ret == -EIO)
		ret = axl_dump_registers(&p, adev);
	axl_watch_end(adev);
	return ret;
}

static int axl_debugfs_recoveries(struct seq_file *m, void *unused)
{
	struct drm_printer p = drm_seq_file_printer(m);

	axl_history_print(&p, axl_debugfs_device(m));
	return 0;
}

static const struct drm_debugfs_info axl_debugfs_files[] = {
	{.name = "identity",    .show = axl_debugfs_identity  },
	{ .name = "state",	   .show = axl_debugfs_state     },
	{ .name = "queues",	    .show = axl_debugfs_queues    },
	{ .name = "in_flight",  .show = axl_debugfs_flights   },
	{ .name = "registers",  .show = axl_debugfs_registers },
	{ .name = "recoveries", .show = axl_debugfs_recoveries},
};

void axl_debugfs_add(struct axl_device *adev)
{
	drm_debugfs_add_files(&adev->drm, axl_debugfs_files, ARRAY_SIZE(axl_debugfs_files));
}
