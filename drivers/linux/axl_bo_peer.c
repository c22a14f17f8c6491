// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
/*
 * Buffers in the memory of another endpoint, reached through its BAR2.
 *
 * Two endpoints meet here, so this is where locks of both could deadlock. The rules:
 *   - Nobody holds two device locks. Mapping a peer's buffer and taking it away are both
 *     done under the device lock of the *owner* of the memory; of the other endpoint only
 *     context locks are taken, after it.
 *   - axl_peer_vms_lock lies between the two and guards the list of contexts that may have
 *     memory of peers mapped. It is held over a whole revocation.
 *   - So: device lock of the owner, axl_peer_vms_lock, context lock of the user.
 *
 * After axl_bo_peer_revoke() no page table leads to the owner's memory. A command that is
 * under way may still touch what its buffer holds: that is not handed out again before the
 * command has ended and its mapping has dropped the dma-buf. When the owner is removed,
 * the endpoints below its root port were given peer tables without it before.
 */
#include "axl_bo.h"
#include "axl_power.h"
#include "axl_vm.h"

static DEFINE_MUTEX(axl_peer_vms_lock);
static LIST_HEAD(axl_peer_vms);

static struct axl_bo *axl_bo_peer_target(const struct axl_bo *bo)
{
	return axl_bo_from_gem(bo->peer->priv);
}

struct axl_device *axl_bo_peer_owner(const struct axl_bo *bo)
{
	return bo->peer ? axl_bo_device(axl_bo_peer_target(bo)) : NULL;
}

/* --- mapping ------------------------------------------------------------------------- */

/* The owner's device lock held: whether its memory is what it was. */
static int axl_bo_peer_check(const struct axl_bo *bo, struct axl_device *owner)
{
	if (axl_bo_peer_target(bo)->generation != owner->reset.generation)
		return -ESTALE;
	return owner->address_state == AXL_ADDRESS_STATE_COMMITTED ? 0 : -EXDEV;
}

static void axl_bo_peer_end_map(struct axl_bo *bo)
{
	mutex_unlock(&axl_peer_vms_lock);
	mutex_unlock(&axl_bo_peer_owner(bo)->lock);
}

static int axl_bo_peer_begin_map(struct axl_bo *bo, struct axl_vm *vm)
{
	struct axl_device *owner = axl_bo_peer_owner(bo);
	int ret = axl_recovery_lock_usable(owner);

	if (ret)
		return ret;
	mutex_lock(&axl_peer_vms_lock);
	ret = axl_bo_peer_check(bo, owner);
	if (ret)
		axl_bo_peer_end_map(bo);
	else if (list_empty(&vm->peer_node))
		list_add(&vm->peer_node, &axl_peer_vms);
	return ret;
}

static int axl_bo_peer_map(struct axl_bo *bo, struct axl_pt *pt, u64 va, bool writable)
{
	return axl_errno(axl_pt_map(pt, va, bo->start, bo->base.size, AXL_SPACE_PEER, writable));
}

void axl_bo_peer_forget(struct axl_vm *vm)
{
	mutex_lock(&axl_peer_vms_lock);
	list_del_init(&vm->peer_node);
	mutex_unlock(&axl_peer_vms_lock);
}

void axl_bo_peer_revoke(struct axl_device *owner)
{
	struct axl_vm *vm;

	lockdep_assert_held(&owner->lock);
	mutex_lock(&axl_peer_vms_lock);
	list_for_each_entry(vm, &axl_peer_vms, peer_node)
		axl_vm_revoke(vm, owner);
	mutex_unlock(&axl_peer_vms_lock);
}

/* --- life ------------------------------------------------------------------------------ */

static void axl_bo_peer_release(struct axl_bo *bo)
{
	axl_power_put(axl_bo_peer_owner(bo));
	dma_buf_put(bo->peer);
}

static const struct axl_bo_ops axl_bo_peer_ops = {
	.va_kind = AXL_VA_PEER,
	.begin_map = axl_bo_peer_begin_map,
	.end_map = axl_bo_peer_end_map,
	.map = axl_bo_peer_map,
	.release = axl_bo_peer_release,
};

/* The owner is awake, and stays so as long as there is the buffer. */
static struct axl_bo *axl_bo_peer_make(struct axl_device *adev, struct dma_buf *dmabuf)
{
	const struct axl_bo *target = axl_bo_from_gem(dmabuf->priv);
	struct axl_bo *bo;
	u64 window;
	int ret = axl_place_window(adev, axl_bo_device(target), &window);

	if (ret)
		return ERR_PTR(ret);
	bo = axl_bo_alloc(adev, target->base.size, &axl_bo_peer_ops);
	if (IS_ERR(bo))
		return bo;
	get_dma_buf(dmabuf);
	bo->peer = dmabuf;
	bo->start = window + target->start;
	axl_bo_publish(bo);
	return bo;
}

struct axl_bo *axl_bo_peer_create(struct axl_device *adev, struct dma_buf *dmabuf)
{
	struct axl_device *owner = axl_bo_device(axl_bo_from_gem(dmabuf->priv));
	struct axl_bo *bo;
	int ret = axl_power_get(owner);

	if (ret)
		return ERR_PTR(ret == -ENODEV ? -EXDEV : ret);
	bo = axl_bo_peer_make(adev, dmabuf);
	if (IS_ERR(bo))
		axl_power_put(owner);
	return bo;
}
