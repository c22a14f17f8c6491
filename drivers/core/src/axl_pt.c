/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
#include "axl_pt.h"

#define PAGE_BYTES ((uint64_t)1 << AXL_PAGE_SHIFT)
#define LARGE_BYTES ((uint64_t)1 << AXL_LARGE_PAGE_SHIFT)
#define INDEX_BITS (AXL_LARGE_PAGE_SHIFT - AXL_PAGE_SHIFT)
#define INDEX_MASK (AXL_PT_ENTRIES - 1u)
#define TOP_LEVEL (AXL_PT_LEVELS - 1u)
#define ADDRESS_END (AXL_PTE_ADDRESS_MASK + PAGE_BYTES)

AXL_STATIC_ASSERT(AXL_PT_ENTRIES == 1u << INDEX_BITS, "each level resolves nine bits");
AXL_STATIC_ASSERT(AXL_PAGE_SHIFT + AXL_PT_LEVELS * INDEX_BITS == AXL_VA_BITS,
		  "the levels resolve the whole address");

struct axl_pt_table {
	struct axl_dma_mem mem; /* what the device reads; written only */
	struct axl_pt_table *parent; /* in the retired list: the next one */
	uint32_t slot; /* in the parent */
	uint32_t level;
	uint32_t used; /* leaves and children */
	uint64_t leaves[AXL_PT_ENTRIES / 64]; /* bit per entry that is a valid leaf */
	struct axl_pt_table *children[]; /* PT_ENTRIES of them above level 0 */
};

/*
 * One step over a range: the entries of one table that it covers, all leaves of one
 * size, at most 2 MiB together.
 */
struct step {
	uint32_t level; /* of the leaves */
	uint32_t first; /* entry */
	uint32_t count; /* entries */
	uint64_t bytes;
};

static uint32_t index_at(uint64_t va, uint32_t level)
{
	return (uint32_t)(va >> (AXL_PAGE_SHIFT + level * INDEX_BITS)) & INDEX_MASK;
}

static bool is_leaf(const struct axl_pt_table *table, uint32_t slot)
{
	return table->leaves[slot / 64] >> (slot % 64) & 1;
}

static void write_entry(struct axl_pt_table *table, uint32_t slot, uint64_t entry)
{
	axl_store_once_le64((axl_le64 *)table->mem.cpu + slot, axl_cpu_to_le64(entry));
}

static struct axl_pt_table *create_table(struct axl_pt *pt, uint32_t level)
{
	size_t bytes = sizeof(struct axl_pt_table);
	struct axl_pt_table *table;

	if (level)
		bytes += AXL_PT_ENTRIES * sizeof(struct axl_pt_table *);
	table = pt->os->ops->alloc(pt->os->ctx, bytes);
	if (!table)
		return NULL;
	if (pt->os->ops->dma_alloc(pt->os->ctx, PAGE_BYTES, &table->mem)) {
		pt->os->ops->free(pt->os->ctx, table);
		return NULL;
	}
	table->level = level;
	return table;
}

static void destroy_table(struct axl_pt *pt, struct axl_pt_table *table)
{
	pt->os->ops->dma_free(pt->os->ctx, &table->mem);
	pt->os->ops->free(pt->os->ctx, table);
}

static void retire(struct axl_pt *pt, struct axl_pt_table *table)
{
	table->parent = pt->retired;
	pt->retired = table;
	pt->table_count--;
}

/* Unlink empty tables from table upwards, as far as they are empty. */
static void prune(struct axl_pt *pt, struct axl_pt_table *table)
{
	while (table->parent && !table->used) {
		struct axl_pt_table *parent = table->parent;

		write_entry(parent, table->slot, 0);
		parent->children[table->slot] = NULL;
		parent->used--;
		retire(pt, table);
		table = parent;
	}
}

int axl_pt_init(struct axl_pt *pt, const struct axl_os *os, bool large_pages)
{
	memset(pt, 0, sizeof(*pt));
	pt->os = os;
	pt->large_pages = large_pages;
	pt->root = create_table(pt, TOP_LEVEL);
	if (!pt->root)
		return AXL_ERR_NOMEM;
	pt->table_count = 1;
	return AXL_OK;
}

/* The first child at or after slot, NULL if there is none. */
static struct axl_pt_table *child_from(struct axl_pt_table *table, uint32_t slot)
{
	for (; table->level && slot < AXL_PT_ENTRIES; slot++) {
		if (table->children[slot])
			return table->children[slot];
	}
	return NULL;
}

void axl_pt_deinit(struct axl_pt *pt)
{
	struct axl_pt_table *table = pt->root;
	uint32_t slot = 0;

	if (!pt->os)
		return;
	/* Depth first without recursion: kernel stacks are small. */
	while (table) {
		struct axl_pt_table *child = child_from(table, slot);
		struct axl_pt_table *parent = table->parent;

		if (child) {
			table = child;
			slot = 0;
			continue;
		}
		slot = table->slot + 1;
		destroy_table(pt, table);
		table = parent;
	}
	axl_pt_reclaim(pt);
	memset(pt, 0, sizeof(*pt));
}

uint64_t axl_pt_root(const struct axl_pt *pt)
{
	return pt->root->mem.bus;
}

void axl_pt_reclaim(struct axl_pt *pt)
{
	while (pt->retired) {
		struct axl_pt_table *table = pt->retired;

		pt->retired = table->parent;
		destroy_table(pt, table);
	}
}

/* The table of that level on the way to va; NULL if it does not exist. */
static struct axl_pt_table *find_table(const struct axl_pt *pt, uint64_t va, uint32_t level)
{
	struct axl_pt_table *table = pt->root;

	while (table && table->level > level)
		table = table->children[index_at(va, table->level)];
	return table;
}

/* A new table below parent, where nothing is. */
static struct axl_pt_table *add_child(struct axl_pt *pt, struct axl_pt_table *parent, uint32_t slot)
{
	struct axl_pt_table *child = create_table(pt, parent->level - 1);

	if (!child)
		return NULL;
	child->parent = parent;
	child->slot = slot;
	parent->children[slot] = child;
	parent->used++;
	pt->table_count++;
	/* The zeroes of the new table come before the entry that shows it. */
	axl_dma_wmb();
	write_entry(parent, slot, AXL_PTE_VALID_MASK | child->mem.bus);
	return child;
}

/* As find_table(), but made where it does not exist; NULL: no memory, or a 2 MiB page is there. */
static struct axl_pt_table *make_table(struct axl_pt *pt, uint64_t va, uint32_t level, int *err_out)
{
	struct axl_pt_table *table = pt->root;

	while (table && table->level > level) {
		uint32_t slot = index_at(va, table->level);
		struct axl_pt_table *child = table->children[slot];

		*err_out = AXL_ERR_NOMEM;
		if (!child && is_leaf(table, slot))
			*err_out = AXL_ERR_EXISTS;
		else if (!child)
			child = add_child(pt, table, slot);
		table = child;
	}
	if (table)
		*err_out = AXL_OK;
	return table;
}

static void step_small(struct step *step, uint64_t va, uint64_t bytes)
{
	uint32_t left = AXL_PT_ENTRIES - index_at(va, 0);
	uint64_t pages = bytes >> AXL_PAGE_SHIFT;

	step->level = 0;
	step->first = index_at(va, 0);
	step->count = pages < left ? (uint32_t)pages : left;
	step->bytes = (uint64_t)step->count << AXL_PAGE_SHIFT;
}

static void step_large(struct step *step, uint64_t va)
{
	step->level = 1;
	step->first = index_at(va, 1);
	step->count = 1;
	step->bytes = LARGE_BYTES;
}

/* How to map the beginning of a range: a 2 MiB page where nothing is in its way. */
static void step_to_map(const struct axl_pt *pt, uint64_t va, uint64_t address, uint64_t bytes,
			struct step *step)
{
	struct axl_pt_table *table;

	if (pt->large_pages && bytes >= LARGE_BYTES && ((va | address) & (LARGE_BYTES - 1)) == 0) {
		table = find_table(pt, va, 1);
		if (!table || !table->children[index_at(va, 1)]) {
			step_large(step, va);
			return;
		}
	}
	step_small(step, va, bytes);
}

static bool any_leaf(const struct axl_pt_table *table, const struct step *step)
{
	uint32_t i;

	for (i = step->first; i < step->first + step->count; i++) {
		if (is_leaf(table, i))
			return true;
	}
	return false;
}

/* Drop the tables of [va, va + bytes) that hold nothing. */
static void prune_range(struct axl_pt *pt, uint64_t va, uint64_t bytes)
{
	uint64_t end = va + bytes;
	struct axl_pt_table *table;
	uint32_t level;

	while (va < end) {
		for (level = 0; level < TOP_LEVEL; level++) {
			table = find_table(pt, va, level);
			if (table)
				break;
		}
		if (level < TOP_LEVEL)
			prune(pt, table);
		va = (va & ~(LARGE_BYTES - 1)) + LARGE_BYTES;
	}
}

/* Make every table that the range needs and see that nothing is mapped there. */
static int prepare(struct axl_pt *pt, uint64_t va, uint64_t address, uint64_t bytes)
{
	struct axl_pt_table *table;
	uint64_t done = 0;
	struct step step;
	int err = AXL_OK;

	while (done < bytes) {
		step_to_map(pt, va + done, address + done, bytes - done, &step);
		table = make_table(pt, va + done, step.level, &err);
		if (!table)
			break;
		if (any_leaf(table, &step)) {
			err = AXL_ERR_EXISTS;
			break;
		}
		done += step.bytes;
	}
	if (err)
		prune_range(pt, va, done + 1);
	return err;
}

static void fill(struct axl_pt_table *table, const struct step *step, uint64_t entry)
{
	uint32_t i;

	for (i = step->first; i < step->first + step->count; i++) {
		write_entry(table, i, entry);
		table->leaves[i / 64] |= (uint64_t)1 << (i % 64);
		entry += PAGE_BYTES;
	}
	table->used += step->count;
}

static void clear(struct axl_pt_table *table, const struct step *step)
{
	uint32_t i;

	for (i = step->first; i < step->first + step->count; i++) {
		write_entry(table, i, 0);
		table->leaves[i / 64] &= ~((uint64_t)1 << (i % 64));
	}
	table->used -= step->count;
}

static bool range_is_valid(uint64_t va, uint64_t bytes)
{
	uint64_t va_end = (uint64_t)1 << AXL_VA_BITS;

	return ((va | bytes) & (PAGE_BYTES - 1)) == 0 && bytes != 0 && bytes <= va_end &&
	       va <= va_end - bytes;
}

int axl_pt_map(struct axl_pt *pt, uint64_t va, uint64_t address, uint64_t bytes, uint32_t space,
	       bool writable)
{
	uint64_t entry =
		AXL_PTE_VALID_MASK | AXL_PTE_LEAF_MASK | (uint64_t)space << AXL_PTE_SPACE_SHIFT;
	uint64_t done = 0;
	struct step step;
	int err;

	if (!range_is_valid(va, bytes) || (address & (PAGE_BYTES - 1)) || space >= AXL_SPACE_END ||
	    bytes > ADDRESS_END || address > ADDRESS_END - bytes)
		return AXL_ERR_INVAL;
	if (writable)
		entry |= AXL_PTE_WRITABLE_MASK;
	err = prepare(pt, va, address, bytes);
	if (err)
		return err;
	/* The decisions are those of prepare(): it added no table below a 2 MiB page. */
	while (done < bytes) {
		step_to_map(pt, va + done, address + done, bytes - done, &step);
		fill(find_table(pt, va + done, step.level), &step, entry | (address + done));
		done += step.bytes;
	}
	pt->mapped_bytes += bytes;
	return AXL_OK;
}

static bool all_leaves(const struct axl_pt_table *table, const struct step *step)
{
	uint32_t i;

	for (i = step->first; i < step->first + step->count; i++) {
		if (!is_leaf(table, i))
			return false;
	}
	return true;
}

/* How the beginning of a range is mapped; an error if it is not, or only in part. */
static int step_to_unmap(const struct axl_pt *pt, uint64_t va, uint64_t bytes, struct step *step,
			 struct axl_pt_table **table_out)
{
	struct axl_pt_table *table = find_table(pt, va, 1);

	if (!table)
		return AXL_ERR_NOT_FOUND;
	if (is_leaf(table, index_at(va, 1))) {
		if ((va & (LARGE_BYTES - 1)) || bytes < LARGE_BYTES)
			return AXL_ERR_INVAL;
		step_large(step, va);
		*table_out = table;
		return AXL_OK;
	}
	table = table->children[index_at(va, 1)];
	step_small(step, va, bytes);
	*table_out = table;
	return table && all_leaves(table, step) ? AXL_OK : AXL_ERR_NOT_FOUND;
}

int axl_pt_unmap(struct axl_pt *pt, uint64_t va, uint64_t bytes)
{
	struct axl_pt_table *table;
	struct step step;
	uint64_t done;
	int err;

	if (!range_is_valid(va, bytes))
		return AXL_ERR_INVAL;
	for (done = 0; done < bytes; done += step.bytes) {
		err = step_to_unmap(pt, va + done, bytes - done, &step, &table);
		if (err)
			return err;
	}
	for (done = 0; done < bytes; done += step.bytes) {
		if (step_to_unmap(pt, va + done, bytes - done, &step, &table))
			return AXL_ERR_NOT_FOUND; /* not after the first pass */
		clear(table, &step);
		prune(pt, table);
	}
	pt->mapped_bytes -= bytes;
	return AXL_OK;
}
