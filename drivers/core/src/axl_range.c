/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
#include "axl_range.h"

#include "axl_math.h"

/*
 * Every piece of the managed range is a node, free or used, in a list by address. Free
 * nodes are also in the bin of their size, used ones in a hash table by start.
 */
struct axl_range_node {
	uint64_t start;
	uint64_t size;
	struct axl_range_node *before; /* neighbour at lower addresses */
	struct axl_range_node *after;
	struct axl_range_node *next; /* in the bin or in the hash chain */
	struct axl_range_node **link; /* what points here in the bin or in the chain */
	bool is_free;
};

#define HASH_LOG2_START 6u
#define HASH_LOG2_MAX 20u

static void chain_add(struct axl_range_node **head, struct axl_range_node *node)
{
	node->next = *head;
	node->link = head;
	if (node->next)
		node->next->link = &node->next;
	*head = node;
}

static void chain_remove(struct axl_range_node *node)
{
	*node->link = node->next;
	if (node->next)
		node->next->link = node->link;
}

static void add_free(struct axl_range *range, struct axl_range_node *node)
{
	uint32_t bin = axl_log2_floor(node->size);

	node->is_free = true;
	chain_add(&range->free[bin], node);
	range->bin_mask |= (uint64_t)1 << bin;
}

static void remove_free(struct axl_range *range, struct axl_range_node *node)
{
	uint32_t bin = axl_log2_floor(node->size);

	chain_remove(node);
	if (!range->free[bin])
		range->bin_mask &= ~((uint64_t)1 << bin);
}

/* Fibonacci hashing: starts are multiples of the granule, so low bits say nothing. */
static struct axl_range_node **used_chain(const struct axl_range *range, uint64_t start)
{
	uint64_t hash = start * 0x9e3779b97f4a7c15ull;

	return &range->used[hash >> (64 - range->used_log2)];
}

static struct axl_range_node *find_used(const struct axl_range *range, uint64_t start)
{
	struct axl_range_node *node;

	if (!range->used)
		return NULL;
	for (node = *used_chain(range, start); node; node = node->next) {
		if (node->start == start)
			return node;
	}
	return NULL;
}

/* Keep chains short. No memory for it: they just stay longer. */
static void grow_hash(struct axl_range *range)
{
	struct axl_range_node **old = range->used;
	uint32_t log2 = range->used_log2 + 1;
	struct axl_range_node **table;
	struct axl_range_node *node;

	if (range->used_count >> range->used_log2 == 0 || log2 > HASH_LOG2_MAX)
		return;
	table = range->os->ops->alloc(range->os->ctx, sizeof(struct axl_range_node *) << log2);
	if (!table)
		return;
	range->used = table;
	range->used_log2 = log2;
	for (node = range->first; node; node = node->after) {
		if (!node->is_free)
			chain_add(used_chain(range, node->start), node);
	}
	range->os->ops->free(range->os->ctx, old);
}

static struct axl_range_node *new_node(struct axl_range *range)
{
	return range->os->ops->alloc(range->os->ctx, sizeof(struct axl_range_node));
}

int axl_range_init(struct axl_range *range, const struct axl_os *os, uint64_t base, uint64_t size,
		   uint64_t granule)
{
	struct axl_range_node *node;

	memset(range, 0, sizeof(*range));
	if (!axl_is_pow2(granule) || size == 0 || ((base | size) & (granule - 1)) ||
	    base + (size - 1) < base)
		return AXL_ERR_INVAL;
	range->os = os;
	range->base = base;
	range->size = size;
	range->granule = granule;
	range->used_log2 = HASH_LOG2_START;
	range->used = os->ops->alloc(os->ctx, sizeof(struct axl_range_node *) << HASH_LOG2_START);
	node = new_node(range);
	if (!range->used || !node) {
		os->ops->free(os->ctx, node);
		axl_range_deinit(range);
		return AXL_ERR_NOMEM;
	}
	node->start = base;
	node->size = size;
	range->first = node;
	range->free_bytes = size;
	add_free(range, node);
	return AXL_OK;
}

void axl_range_deinit(struct axl_range *range)
{
	struct axl_range_node *node = range->first;

	if (!range->os)
		return;
	while (node) {
		struct axl_range_node *after = node->after;

		range->os->ops->free(range->os->ctx, node);
		node = after;
	}
	range->os->ops->free(range->os->ctx, range->used);
	memset(range, 0, sizeof(*range));
}

/* First multiple of align in the node after which size bytes follow; false: none. */
static bool fits(const struct axl_range_node *node, uint64_t size, uint64_t align,
		 uint64_t *start_out)
{
	uint64_t skip = (0 - node->start) & (align - 1);

	if (skip > node->size || node->size - skip < size)
		return false;
	*start_out = node->start + skip;
	return true;
}

static struct axl_range_node *find_free(const struct axl_range *range, uint64_t size,
					uint64_t align, uint64_t *start_out)
{
	uint32_t bin = axl_log2_floor(size);
	struct axl_range_node *node;

	for (; bin < AXL_RANGE_BINS; bin++) {
		if (!(range->bin_mask >> bin & 1))
			continue;
		for (node = range->free[bin]; node; node = node->next) {
			if (fits(node, size, align, start_out))
				return node;
		}
	}
	return NULL;
}

/* Put node between its new neighbours; it becomes a free piece. */
static void insert_free(struct axl_range *range, struct axl_range_node *before,
			struct axl_range_node *node, struct axl_range_node *after)
{
	node->before = before;
	node->after = after;
	if (before)
		before->after = node;
	else
		range->first = node;
	if (after)
		after->before = node;
	add_free(range, node);
}

/*
 * Turn [start, start + size) of a free node into a used one; what is left at the low
 * and the high end becomes free pieces. All memory is taken before anything changes.
 */
static int carve(struct axl_range *range, struct axl_range_node *node, uint64_t start,
		 uint64_t size)
{
	uint64_t low_bytes = start - node->start;
	uint64_t high_bytes = node->size - low_bytes - size;
	struct axl_range_node *low = low_bytes ? new_node(range) : NULL;
	struct axl_range_node *high = high_bytes ? new_node(range) : NULL;

	if ((low_bytes && !low) || (high_bytes && !high)) {
		range->os->ops->free(range->os->ctx, low);
		range->os->ops->free(range->os->ctx, high);
		return AXL_ERR_NOMEM;
	}
	remove_free(range, node);
	if (low) {
		low->start = node->start;
		low->size = low_bytes;
		insert_free(range, node->before, low, node);
	}
	if (high) {
		high->start = start + size;
		high->size = high_bytes;
		insert_free(range, node, high, node->after);
	}
	node->start = start;
	node->size = size;
	node->is_free = false;
	chain_add(used_chain(range, start), node);
	return AXL_OK;
}

int axl_range_alloc(struct axl_range *range, uint64_t size, uint64_t align, uint64_t *start_out)
{
	struct axl_range_node *node;
	uint64_t start;
	int err;

	if (align == 0)
		align = range->granule;
	if (!range->granule || size == 0 || !axl_is_pow2(align))
		return AXL_ERR_INVAL;
	if (size > range->size)
		return AXL_ERR_NOSPACE;
	size = (size + range->granule - 1) & ~(range->granule - 1);
	if (align < range->granule)
		align = range->granule;
	node = find_free(range, size, align, &start);
	if (!node)
		return AXL_ERR_NOSPACE;
	err = carve(range, node, start, size);
	if (err)
		return err;
	range->free_bytes -= size;
	range->used_count++;
	grow_hash(range);
	*start_out = start;
	return AXL_OK;
}

/* Join node with the piece after it, which is free; node itself is in no bin. */
static void absorb_after(struct axl_range *range, struct axl_range_node *node)
{
	struct axl_range_node *after = node->after;

	node->size += after->size;
	node->after = after->after;
	if (node->after)
		node->after->before = node;
	range->os->ops->free(range->os->ctx, after);
}

int axl_range_free(struct axl_range *range, uint64_t start)
{
	struct axl_range_node *node = find_used(range, start);

	if (!node)
		return AXL_ERR_NOT_FOUND;
	chain_remove(node);
	range->used_count--;
	range->free_bytes += node->size;
	if (node->after && node->after->is_free) {
		remove_free(range, node->after);
		absorb_after(range, node);
	}
	if (node->before && node->before->is_free) {
		node = node->before;
		remove_free(range, node);
		absorb_after(range, node);
	}
	add_free(range, node);
	return AXL_OK;
}

uint64_t axl_range_free_bytes(const struct axl_range *range)
{
	return range->free_bytes;
}

uint64_t axl_range_size_at(const struct axl_range *range, uint64_t start)
{
	const struct axl_range_node *node = find_used(range, start);

	return node ? node->size : 0;
}

uint64_t axl_range_largest(const struct axl_range *range)
{
	const struct axl_range_node *node;
	uint64_t largest = 0;

	if (!range->bin_mask)
		return 0;
	for (node = range->free[axl_log2_floor(range->bin_mask)]; node; node = node->next) {
		if (node->size > largest)
			largest = node->size;
	}
	return largest;
}
