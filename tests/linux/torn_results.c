// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
/*
 * Reads the results of a queue as fast as it can while they are overwritten:
 *
 *	torn_results FD OFFSET BYTES SECONDS
 *
 * FD is the inherited device file. Of a ring of 16 entries each is a NOP and a COPY in
 * turn, so that halves of two can be told from one. Prints how many whole entries it
 * took, how many contradicted themselves, and how many said that they were not whole.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>

#include "axl_accel.h"

#define ENTRIES 16
#define NOP 0
#define COPY 1

struct counts {
	unsigned long whole, wrong, refused;
};

static void look(const struct drm_axl_result *entry, unsigned int index, struct counts *counts)
{
	uint64_t before = __atomic_load_n(&entry->sequence, __ATOMIC_ACQUIRE);
	uint32_t opcode = __atomic_load_n(&entry->opcode, __ATOMIC_RELAXED);
	uint64_t submit = __atomic_load_n(&entry->submit_ns, __ATOMIC_RELAXED);
	uint64_t complete = __atomic_load_n(&entry->complete_ns, __ATOMIC_RELAXED);

	__atomic_thread_fence(__ATOMIC_ACQUIRE); /* the fields before the second look */
	if (!before || __atomic_load_n(&entry->sequence, __ATOMIC_RELAXED) != before) {
		counts->refused++;
		return;
	}
	counts->whole++;
	if (before % ENTRIES != index || complete < submit ||
	    opcode != ((before - 1) / ENTRIES % 2 ? COPY : NOP))
		counts->wrong++;
}

int main(int argc, char **argv)
{
	struct counts counts = { 0, 0, 0 };
	const struct drm_axl_result *entries;
	const char *memory;
	time_t until;

	if (argc != 5)
		return 2;
	memory = mmap(NULL, strtoul(argv[3], NULL, 10), PROT_READ, MAP_SHARED, atoi(argv[1]),
		      (off_t)strtoull(argv[2], NULL, 10));
	if (memory == MAP_FAILED)
		return 1;
	entries = (const void *)(memory + sizeof(struct drm_axl_results));
	until = time(NULL) + atoi(argv[4]);
	while (time(NULL) < until)
		for (unsigned int i = 0; i < ENTRIES; i++)
			look(&entries[i], i, &counts);
	printf("%lu %lu %lu\n", counts.whole, counts.wrong, counts.refused);
	return 0;
}
