/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/*
 * One endpoint: what the driver knows of it, and who guards what.
 *
 * Lock order: axl_endpoints_lock, device lock, axl_peer_vms_lock, context lock, memory
 * lock, queue lock; see drivers/core/LOCKING.md for what the core wants of each. Where two
 * endpoints meet (axl_bo_peer.c) the locks may be of different ones, but nobody holds two
 * of a kind. Before all of them but axl_endpoints_lock, and after mmap_lock and DRM's
 * object_name_lock: waiting for an endpoint to wake up (axl_power_get()).
 *
 * Lifetime: struct axl_device lives with its struct drm_device, so as long as a file or
 * a buffer is open. What needs the hardware (rings, page tables, DMA mappings) is
 * released in remove() at the latest; afterwards every object answers -ENODEV.
 */
#ifndef AXL_DEVICE_H
#define AXL_DEVICE_H

#include <linux/mutex.h>
#include <linux/pci.h>
#include <linux/workqueue.h>
#include <linux/xarray.h>

#include <drm/drm_device.h>
#include <drm/drm_drv.h>
#include <drm/drm_file.h>
#include <drm/drm_ioctl.h>
#include <drm/drm_print.h>

#include "axl_accel.h"
#include "axl_addr.h"
#include "axl_clock.h"
#include "axl_errblk.h"
#include "axl_health.h"
#include "axl_ident.h"
#include "axl_range.h"
#include "axl_regs.h"
#include "axl_reset.h"

struct axl_queue;
struct axl_vm;

struct axl_vector {
	struct axl_device *adev;
	unsigned int number;
};

/* One step of recovery, as the state machine took it. */
struct axl_history_step {
	u64 time_ns;
	u32 generation;
	u32 event; /* enum axl_reset_event */
	u32 action; /* enum axl_reset_action */
	u32 state; /* enum axl_reset_state, after it */
	u32 queue;
};

#define AXL_HISTORY_STEPS 32

struct axl_history {
	spinlock_t lock; /* readers do not wait for a reset */
	u64 count; /* all that ever were */
	struct axl_history_step steps[AXL_HISTORY_STEPS]; /* by number modulo their count */
};

/* One dump on its way to user space; see axl_coredump.c. */
struct axl_coredump {
	struct work_struct work;
	char *text; /* set aside at probe */
	size_t bytes;
	bool full; /* text belongs to the work until it takes that back */
};

struct axl_device {
	struct drm_device drm; /* first: allocated with devm_drm_dev_alloc() */
	struct pci_dev *pdev;
	struct axl_os os; /* how the core reaches us */
	struct pci_saved_state *config; /* whole; see axl_config.c */

	void __iomem *bar0; /* registers */
	void __iomem *bar2; /* device memory, write-combined */
	phys_addr_t bar2_pa;

	struct axl_ident ident; /* constant after probe */

	unsigned int vector_count;
	unsigned int vectors_requested; /* those that have a handler */
	struct axl_vector vectors[AXL_MSIX_VECTORS];

	/* The device lock. Guards everything down to the next lock. */
	struct mutex lock;
	struct axl_clock clock;
	struct axl_health health;
	struct axl_reset reset;
	u32 hw_generation; /* the endpoint's own count of resets, when it was set up */
	struct axl_place place;
	u32 address_reason; /* enum axl_address_reason of the last commit */
	u32 address_generation;
	u32 address_state; /* enum axl_address_state as last seen */
	struct axl_peer peers[AXL_MAX_PEERS]; /* as last committed */
	u32 peer_count;
	struct axl_queue *queues[AXL_MAX_QUEUES]; /* written under queues_lock as well */
	struct axl_vm *vms[AXL_MAX_CONTEXTS]; /* by context number */
	bool asleep; /* it is, or the system: registers must not be touched */
	bool may_suspend; /* constant after probe */
	bool needs_reset; /* the health check is to do it */
	struct task_struct *resetting_task; /* resets the bus for us: its callbacks are ours */
	wait_queue_head_t reset_wait; /* for it to be done */
	bool os_resetting; /* the PCI core has begun a reset, and will tell when it is over */
	struct axl_errblk last_error;
	u64 last_error_ns;
	u64 error_records;
	u32 told_state; /* as the last uevent had it */
	u32 told_generation;
	u32 told_sensors; /* as axl_lies_tell_sensors() last had them */

	struct axl_history history; /* written under the device lock */
	struct axl_coredump coredump; /* likewise */

	spinlock_t queues_lock; /* lets interrupt threads look into queues */

	/* Guards memory, bos and their DMA mappings. */
	struct mutex memory_lock;
	struct axl_range memory; /* device memory */
	struct list_head bos;

	struct delayed_work health_work;
	struct work_struct event_work; /* the event vector fired */

	struct list_head endpoints_node; /* under axl_endpoints_lock */
	struct list_head peers_node; /* under axl_peers_lock */
	u64 bar2_bus; /* under axl_peers_lock */
};

static inline struct axl_device *axl_from_drm(struct drm_device *drm)
{
	return container_of(drm, struct axl_device, drm);
}

/* axl_os_linux.c */
extern const struct axl_os_ops axl_os_linux_ops;
int axl_errno(int err); /* of enum axl_err */

/* axl_irq.c */
int axl_irq_setup(struct axl_device *adev);
void axl_irq_teardown(struct axl_device *adev); /* no handler, no event work afterwards */
unsigned int axl_irq_queue_vector(const struct axl_device *adev, unsigned int queue);

/* axl_place.c */
void axl_place_find(struct axl_device *adev);
int axl_place_commit(struct axl_device *adev); /* device lock held; an enum axl_err */
void axl_place_join(struct axl_device *adev); /* no lock held; tells all endpoints */
void axl_place_leave(struct axl_device *adev); /* likewise */

/*
 * Bus address at which adev reaches the memory of another endpoint, as it was told.
 * -EXDEV: not at all, or not now. No lock held.
 */
int axl_place_window(struct axl_device *adev, struct axl_device *other, u64 *address_out);
ssize_t axl_place_print_peers(struct axl_device *adev, char *buf); /* for sysfs */

/* axl_peer.c: what keeps requests of one endpoint from another's memory, whatever its state */
struct axl_obstacle {
	const char *text; /* NULL: nothing */
	struct pci_dev *port; /* that it is about, or NULL */
};

struct axl_obstacle axl_peer_obstacle(const struct axl_device *adev,
				      const struct axl_device *other);

/* axl_bo_peer.c */
struct axl_vm;
void axl_bo_peer_revoke(struct axl_device *owner); /* device lock held */
void axl_bo_peer_forget(struct axl_vm *vm); /* it is about to be freed */

/* axl_recovery.c */
int axl_recovery_setup_hw(struct axl_device *adev); /* device lock held; an enum axl_err */

/*
 * Device lock held; an enum axl_err. Drops the lock meanwhile where it comes to a reset of
 * the bus: afterwards queues and contexts may be other ones.
 */
int axl_recovery_feed(struct axl_device *adev, u32 event, unsigned int queue);

/*
 * Device lock held: in the callbacks of a bus reset that nobody but this task does, and
 * whose result is still wanted.
 */
bool axl_recovery_is_own_reset(const struct axl_device *adev);
int axl_recovery_reset_own(struct axl_queue *queue); /* no lock held; an errno */
int axl_recovery_usable(struct axl_device *adev); /* 0, -EIO, -EAGAIN, -ENODEV */

/*
 * Take the device lock, not in the midst of a bus reset of ours, which is waited for.
 * -ERESTARTSYS: a signal; the lock is not taken. No lock held, may sleep.
 */
int axl_recovery_lock(struct axl_device *adev);

/* Likewise, and not but to use the endpoint: also the answers of axl_recovery_usable(). */
int axl_recovery_lock_usable(struct axl_device *adev);
void axl_recovery_before_os(struct axl_device *adev); /* device lock held; the OS resets it */
int axl_recovery_after_os(struct axl_device *adev); /* device lock held; the OS has reset it */
u32 axl_recovery_state(struct axl_device *adev); /* enum drm_axl_state */
void axl_recovery_health_work(struct work_struct *work);
void axl_recovery_event_work(struct work_struct *work);
void axl_recovery_take_error(struct axl_device *adev); /* device lock held */
void axl_recovery_go_away(struct axl_device *adev); /* device lock held */

/* axl_pci_err.c */
extern const struct pci_error_handlers axl_pci_err_handlers;

/* axl_lies.c */
void axl_lies_tell_sensors(struct axl_device *adev, u32 impossible); /* device lock held */

/* axl_sysfs.c */
int axl_sysfs_add(struct axl_device *adev);

/* How often health is looked at, and what counts as trouble (module parameters). */
#define AXL_HEALTH_PERIOD_MS 1000
extern unsigned int axl_queue_timeout_ms;
extern unsigned int axl_heartbeat_timeout_ms;

#endif
