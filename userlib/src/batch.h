/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
#ifndef AXL_BATCH_H
#define AXL_BATCH_H

#include "axl.h"

/* Whether every command of a batch is well formed; -EINVAL names the first that is not. */
int axl_batch_check(const struct axl_slot *slots, size_t slot_count);

/* -EINVAL: the command that begins in this slot is none. */
int axl_batch_refused(size_t command, size_t slot, const char *problem);

/* -E2BIG: a batch of slot_count slots for a ring of ring_slots. */
int axl_batch_too_big(size_t slot_count, uint64_t ring_slots);

#endif
