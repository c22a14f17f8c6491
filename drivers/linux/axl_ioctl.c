// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
/* The ioctls: arguments checked, objects found, the work done elsewhere. */
#include <linux/bitfield.h>
#include <linux/mm.h>
#include <linux/slab.h>

#include <drm/drm_ioctl.h>
#include <drm/drm_utils.h>

#include "axl_accel.h"
#include "axl_bo.h"
#include "axl_file.h"
#include "axl_telemetry.h"
#include "axl_trace.h"

/* --- the endpoint ------------------------------------------------------------------ */

static u32 axl_ioctl_bdf(const struct axl_device *adev, u16 id)
{
	return (u32)adev->place.segment << 16 | id;
}

static void axl_ioctl_fill_place(struct axl_device *adev, struct drm_axl_get_info *args)
{
	unsigned int i;

	args->bdf = axl_ioctl_bdf(adev, pci_dev_id(adev->pdev));
	args->slot = adev->place.slot;
	args->path_depth = adev->place.depth;
	for (i = 0; i < adev->place.depth; i++)
		args->path[i] = axl_ioctl_bdf(adev, adev->place.path[i]);
	args->address_state = adev->address_state;
	args->address_reason = adev->address_reason;
	args->address_generation = adev->address_generation;
	args->peer_count = adev->peer_count;
}

static void axl_ioctl_fill_link(struct axl_device *adev, struct drm_axl_get_info *args)
{
	u16 status;

	/* All-ones: the endpoint does not answer. */
	if (pcie_capability_read_word(adev->pdev, PCI_EXP_LNKSTA, &status) || status == 0xffff)
		return;
	args->link_speed = FIELD_GET(PCI_EXP_LNKSTA_CLS, status);
	args->link_width = FIELD_GET(PCI_EXP_LNKSTA_NLW, status);
}

static int axl_ioctl_get_info(struct drm_device *drm, void *data, struct drm_file *file)
{
	struct axl_device *adev = axl_from_drm(drm);
	struct drm_axl_get_info *args = data;

	if (args->flags || args->pad)
		return -EINVAL;
	*args = (struct drm_axl_get_info){
		.board_serial = adev->ident.board_serial,
		.memory_bytes = adev->ident.memory_bytes,
		.endpoint_index = adev->ident.endpoint_index,
		.endpoint_count = adev->ident.endpoint_count,
		.hw_version = adev->ident.hw_version,
		.fw_version = adev->ident.fw_version,
		.spec_version = adev->ident.spec_version,
		.features = adev->ident.features,
		.queue_count = adev->ident.queue_count,
		.context_count = adev->ident.context_count,
		.max_ring_log2 = adev->ident.max_ring_log2,
		.generation = READ_ONCE(adev->reset.generation),
		.state = axl_recovery_state(adev),
		.vectors = adev->vector_count,
	};
	mutex_lock(&adev->lock);
	args->memory_address = pci_bus_address(adev->pdev, AXL_BAR_MEMORY);
	axl_ioctl_fill_place(adev, args);
	axl_ioctl_fill_link(adev, args);
	mutex_unlock(&adev->lock);
	mutex_lock(&adev->memory_lock);
	args->memory_free_bytes = axl_range_free_bytes(&adev->memory);
	mutex_unlock(&adev->memory_lock);
	return 0;
}

static int axl_ioctl_sample(struct axl_device *adev, struct axl_telemetry_sample *sample)
{
	int ret = axl_recovery_usable(adev);

	if (!ret)
		ret = axl_errno(axl_telemetry_read(&adev->os, sample));
	/* A clock that contradicts itself starts anew; the sensors are still good. */
	if (!ret && axl_clock_sample(&adev->clock, &adev->os) == AXL_ERR_GONE)
		ret = -ENODEV;
	return ret;
}

static int axl_ioctl_telemetry(struct drm_device *drm, void *data, struct drm_file *file)
{
	struct axl_device *adev = axl_from_drm(drm);
	struct drm_axl_telemetry *args = data;
	struct axl_telemetry_sample sample = {};
	struct axl_clock_line line;
	int ret;

	if (args->flags)
		return -EINVAL;
	mutex_lock(&adev->lock);
	ret = axl_ioctl_sample(adev, &sample);
	line = adev->clock.line;
	mutex_unlock(&adev->lock);
	if (ret)
		return ret;
	*args = (struct drm_axl_telemetry){
		.valid = sample.valid,
		.temperature_millicelsius = sample.temperature_millicelsius,
		.power_milliwatt = sample.power_milliwatt,
		.clock_khz = sample.clock_khz,
		.utilisation_permille = sample.utilisation_permille,
		.memory_corrected = sample.memory_corrected,
		.memory_uncorrected = sample.memory_uncorrected,
		.heartbeat = sample.heartbeat,
		.progress = sample.progress,
		.bytes_host_to_device = sample.bytes_host_to_device,
		.bytes_device_to_host = sample.bytes_device_to_host,
		.bytes_device_to_device = sample.bytes_device_to_device,
		.bytes_peer = sample.bytes_peer,
		.device_ticks = line.device_ticks,
		.host_ns = line.host_ns,
		.clock_uncertainty_ns = line.uncertainty_ns,
	};
	return 0;
}

static int axl_ioctl_error(struct drm_device *drm, void *data, struct drm_file *file)
{
	struct axl_device *adev = axl_from_drm(drm);
	struct drm_axl_error *args = data;
	const struct axl_errblk *last = &adev->last_error;

	if (args->flags || args->pad)
		return -EINVAL;
	mutex_lock(&adev->lock);
	*args = (struct drm_axl_error){
		.flags = (last->has_command ? DRM_AXL_ERROR_HAS_COMMAND : 0) |
			 (last->has_address ? DRM_AXL_ERROR_HAS_ADDRESS : 0),
		.records = adev->error_records,
		.code = last->code,
		.count = last->count,
		.queue = last->queue,
		.opcode = last->opcode,
		.context = last->context,
		.sequence = last->sequence,
		.address = last->address,
		.time_ns = adev->last_error_ns,
	};
	mutex_unlock(&adev->lock);
	return 0;
}

/* Everybody's work is lost: not for everybody to ask for. */
static int axl_ioctl_reset(struct drm_device *drm, void *data, struct drm_file *file)
{
	struct axl_device *adev = axl_from_drm(drm);
	struct drm_axl_reset *args = data;
	bool bus = args->kind == AXL_RESET_KIND_BUS;
	u32 event = bus ? AXL_RESET_EVENT_ASK_BUS : AXL_RESET_EVENT_ASK_FUNCTION;
	int ret;

	if (args->flags || args->pad || (!bus && args->kind != AXL_RESET_KIND_FUNCTION))
		return -EINVAL;
	if (!capable(CAP_SYS_ADMIN))
		return -EPERM;
	mutex_lock(&adev->lock);
	ret = axl_errno(axl_recovery_feed(adev, event, 0));
	if (!ret)
		ret = axl_recovery_usable(adev);
	args->generation = adev->reset.generation;
	mutex_unlock(&adev->lock);
	return ret;
}

/* --- contexts ------------------------------------------------------------------------ */

static int axl_ioctl_context_create(struct drm_device *drm, void *data, struct drm_file *file)
{
	struct axl_file *owner = file->driver_priv;
	struct drm_axl_context_create *args = data;
	struct axl_vm *vm;
	int ret;

	if (args->flags)
		return -EINVAL;
	ret = axl_vm_create(axl_from_drm(drm), &vm);
	if (ret)
		return ret;
	ret = xa_alloc(&owner->vms, &args->context_id, vm, xa_limit_31b, GFP_KERNEL);
	if (ret) {
		axl_vm_kill(vm);
		axl_vm_put(vm);
	}
	return ret;
}

static int axl_ioctl_context_destroy(struct drm_device *drm, void *data, struct drm_file *file)
{
	struct axl_file *owner = file->driver_priv;
	struct drm_axl_context_destroy *args = data;
	struct axl_vm *vm;
	int ret;

	if (args->pad)
		return -EINVAL;
	vm = axl_file_vm_get(file, args->context_id);
	if (!vm)
		return -ENOENT;
	ret = axl_vm_kill(vm);
	/* Of several threads that destroy it one drops the file's reference. */
	if (!ret && xa_cmpxchg(&owner->vms, args->context_id, vm, NULL, GFP_KERNEL) == vm)
		axl_vm_put(vm);
	axl_vm_put(vm);
	return ret;
}

static int axl_ioctl_context_state(struct drm_device *drm, void *data, struct drm_file *file)
{
	struct drm_axl_context_state *args = data;
	struct axl_vm *vm;
	int ret;

	if (args->flags & ~DRM_AXL_CONTEXT_CLEAR_FAULT || args->pad)
		return -EINVAL;
	vm = axl_file_vm_get(file, args->context_id);
	if (!vm)
		return -ENOENT;
	ret = axl_vm_fault_state(vm, args->flags & DRM_AXL_CONTEXT_CLEAR_FAULT);
	axl_vm_put(vm);
	args->faulted = ret == 1;
	return min(ret, 0);
}

/* --- buffers ------------------------------------------------------------------------- */

static int axl_ioctl_bo_publish(struct drm_file *file, struct axl_bo *bo,
				struct drm_axl_bo_create *args)
{
	int ret = drm_gem_handle_create(file, &bo->base, &args->handle);

	args->bytes = bo->base.size;
	args->mmap_offset = drm_vma_node_offset_addr(&bo->base.vma_node);
	/* The handle has a reference of its own now, or there is none. */
	drm_gem_object_put(&bo->base);
	return ret;
}

/* More than this can never be had; said before anything is tried. */
static bool axl_ioctl_can_be_had(const struct axl_device *adev, u64 bytes, u32 memory)
{
	if (memory == DRM_AXL_MEMORY_DEVICE)
		return bytes <= adev->ident.memory_bytes;
	return bytes <= (u64)totalram_pages() << PAGE_SHIFT;
}

static int axl_ioctl_bo_create(struct drm_device *drm, void *data, struct drm_file *file)
{
	struct drm_axl_bo_create *args = data;
	struct axl_bo *bo;
	int idx, ret;

	if (args->flags || args->pad || args->memory > DRM_AXL_MEMORY_HOST || !args->bytes)
		return -EINVAL;
	if (!axl_ioctl_can_be_had(axl_from_drm(drm), args->bytes, args->memory))
		return -ENOMEM;
	/* Memory is cleared through BAR2 and mapped for DMA: both end with the removal. */
	if (!drm_dev_enter(drm, &idx))
		return -ENODEV;
	bo = axl_bo_create(axl_from_drm(drm), PAGE_ALIGN(args->bytes), args->memory);
	ret = IS_ERR(bo) ? PTR_ERR(bo) : axl_ioctl_bo_publish(file, bo, args);
	drm_dev_exit(idx);
	return ret;
}

static int axl_ioctl_bo_map(struct drm_device *drm, void *data, struct drm_file *file)
{
	struct drm_axl_bo_map *args = data;
	struct drm_gem_object *gem;
	struct axl_vm *vm;
	int ret = -ENOENT;

	if (args->flags & ~DRM_AXL_BO_MAP_READ_ONLY || args->pad)
		return -EINVAL;
	args->va = 0;
	vm = axl_file_vm_get(file, args->context_id);
	if (!vm)
		return -ENOENT;
	gem = drm_gem_object_lookup(file, args->handle);
	if (gem) {
		ret = axl_vm_map(vm, axl_bo_from_gem(gem),
				 !(args->flags & DRM_AXL_BO_MAP_READ_ONLY), &args->va);
		drm_gem_object_put(gem);
	}
	axl_vm_put(vm);
	return ret;
}

static int axl_ioctl_bo_unmap(struct drm_device *drm, void *data, struct drm_file *file)
{
	struct drm_axl_bo_unmap *args = data;
	struct axl_vm *vm;
	int ret;

	if (args->pad)
		return -EINVAL;
	vm = axl_file_vm_get(file, args->context_id);
	if (!vm)
		return -ENOENT;
	ret = axl_vm_unmap(vm, args->va);
	axl_vm_put(vm);
	return ret;
}

/* --- queues -------------------------------------------------------------------------- */

static int axl_ioctl_queue_create(struct drm_device *drm, void *data, struct drm_file *file)
{
	struct axl_file *owner = file->driver_priv;
	struct drm_axl_queue_create *args = data;
	struct axl_queue_attr attr = {
		.slots_log2 = args->slots_log2,
		.coalesce_count = args->coalesce_count,
		.coalesce_us = args->coalesce_us,
	};
	struct axl_queue *queue;
	struct axl_vm *vm;
	int ret;

	if (args->flags || args->pad || args->slots_log2 > AXL_MAX_RING_LOG2 ||
	    args->coalesce_count > U16_MAX || args->coalesce_us > U16_MAX)
		return -EINVAL;
	vm = axl_file_vm_get(file, args->context_id);
	if (!vm)
		return -ENOENT;
	ret = axl_queue_create(vm, &attr, &queue);
	axl_vm_put(vm);
	if (ret)
		return ret;
	args->queue_index = queue->index;
	ret = xa_alloc(&owner->queues, &args->queue_id, queue, xa_limit_31b, GFP_KERNEL);
	if (ret)
		axl_queue_destroy(queue);
	return ret;
}

static int axl_ioctl_queue_destroy(struct drm_device *drm, void *data, struct drm_file *file)
{
	struct axl_file *owner = file->driver_priv;
	struct drm_axl_queue_destroy *args = data;
	struct axl_queue *queue;

	if (args->pad)
		return -EINVAL;
	queue = xa_erase(&owner->queues, args->queue_id);
	if (!queue)
		return -ENOENT;
	axl_queue_destroy(queue);
	return 0;
}

/* --- waiting ------------------------------------------------------------------------- */

/* Whether there is nothing to wait for. */
static bool axl_ioctl_has_ended(struct axl_queue *queue, u64 sequence)
{
	bool ended;

	spin_lock(&queue->lock);
	ended = queue->ended_sequence >= sequence || queue->over;
	spin_unlock(&queue->lock);
	return ended;
}

static void axl_ioctl_emit_wake(struct axl_queue *queue, u64 sequence)
{
	struct axl_event event = {
		.time_ns = cpu_to_le64(ktime_get_ns()),
		.sequence = cpu_to_le64(sequence),
		.queue = cpu_to_le16(queue->index),
		.stage = AXL_STAGE_WAKE,
		.origin = AXL_ORIGIN_DRIVER,
	};

	axl_trace_emit(queue->adev, &event);
}

static int axl_ioctl_sleep(struct axl_queue *queue, const struct drm_axl_wait *args)
{
	long left;

	axl_queue_reap(queue);
	if (axl_ioctl_has_ended(queue, args->sequence))
		return 0;
	left = wait_event_interruptible_timeout(queue->wait,
						axl_ioctl_has_ended(queue, args->sequence),
						drm_timeout_abs_to_jiffies(args->timeout_ns));
	axl_ioctl_emit_wake(queue, args->sequence);
	return left < 0 ? -ERESTARTSYS : 0;
}

/* Queue lock taken: fill in the outcome. */
static int axl_ioctl_outcome(struct axl_queue *queue, struct drm_axl_wait *args)
{
	int ret = 0;

	spin_lock(&queue->lock);
	args->ended_sequence = queue->ended_sequence;
	args->failed_sequence = queue->failure.sequence;
	args->failed_status = queue->failure.status;
	args->failed_result = queue->failure.result;
	queue->failure = (struct axl_failure){};
	if (queue->over)
		ret = queue->over;
	else if (queue->ended_sequence < args->sequence)
		ret = -ETIMEDOUT;
	spin_unlock(&queue->lock);
	return ret;
}

static bool axl_ioctl_was_submitted(struct axl_queue *queue, u64 sequence)
{
	bool known;

	spin_lock(&queue->lock);
	known = queue->over || sequence < queue->qp.next_sequence;
	spin_unlock(&queue->lock);
	return known;
}

static int axl_ioctl_wait(struct drm_device *drm, void *data, struct drm_file *file)
{
	struct drm_axl_wait *args = data;
	struct axl_queue *queue;
	int ret = -EINVAL;

	if (args->pad)
		return -EINVAL;
	queue = axl_file_queue_get(file, args->queue_id);
	if (!queue)
		return -ENOENT;
	if (axl_ioctl_was_submitted(queue, args->sequence))
		ret = axl_ioctl_sleep(queue, args);
	if (!ret)
		ret = axl_ioctl_outcome(queue, args);
	axl_queue_put(queue);
	return ret;
}

/* --- table --------------------------------------------------------------------------- */

const struct drm_ioctl_desc axl_ioctls[DRM_AXL_RESET + 1] = {
	DRM_IOCTL_DEF_DRV(AXL_GET_INFO, axl_ioctl_get_info, 0),
	DRM_IOCTL_DEF_DRV(AXL_TELEMETRY, axl_ioctl_telemetry, 0),
	DRM_IOCTL_DEF_DRV(AXL_ERROR, axl_ioctl_error, 0),
	DRM_IOCTL_DEF_DRV(AXL_CONTEXT_CREATE, axl_ioctl_context_create, 0),
	DRM_IOCTL_DEF_DRV(AXL_CONTEXT_DESTROY, axl_ioctl_context_destroy, 0),
	DRM_IOCTL_DEF_DRV(AXL_CONTEXT_STATE, axl_ioctl_context_state, 0),
	DRM_IOCTL_DEF_DRV(AXL_BO_CREATE, axl_ioctl_bo_create, 0),
	DRM_IOCTL_DEF_DRV(AXL_BO_MAP, axl_ioctl_bo_map, 0),
	DRM_IOCTL_DEF_DRV(AXL_BO_UNMAP, axl_ioctl_bo_unmap, 0),
	DRM_IOCTL_DEF_DRV(AXL_QUEUE_CREATE, axl_ioctl_queue_create, 0),
	DRM_IOCTL_DEF_DRV(AXL_QUEUE_DESTROY, axl_ioctl_queue_destroy, 0),
	DRM_IOCTL_DEF_DRV(AXL_SUBMIT, axl_submit_ioctl, 0),
	DRM_IOCTL_DEF_DRV(AXL_WAIT, axl_ioctl_wait, 0),
	DRM_IOCTL_DEF_DRV(AXL_RESET, axl_ioctl_reset, 0),
};
