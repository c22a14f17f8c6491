/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/* The control block: bring the function up, hold it, count its resets. */
#ifndef AXL_CTRL_H
#define AXL_CTRL_H

#include "axl_os.h"

/*
 * Wait until the firmware is up. May sleep: yes.
 * AXL_ERR_TIMEOUT, AXL_ERR_GONE; AXL_ERR_DEVICE: halted by an uncorrected error.
 */
int axl_ctrl_wait_ready(const struct axl_os *os, uint32_t timeout_us);

/* Let queues fetch, or hold all of them. AXL_ERR_GONE, AXL_ERR_DEVICE. May sleep: yes. */
int axl_ctrl_set_enabled(const struct axl_os *os, bool enabled);

/* Which vector events (errors, address changes) raise. AXL_ERR_INVAL. May sleep: yes. */
int axl_ctrl_set_event_vector(const struct axl_os *os, uint32_t vector);

/* How often the function was reset. AXL_ERR_GONE. May sleep: yes. */
int axl_ctrl_generation(const struct axl_os *os, uint32_t *generation_out);

/*
 * Reset one queue: the device drops its work and forgets the rings. AXL_ERR_GONE;
 * AXL_ERR_DEVICE: it did not stop. May sleep: yes.
 */
int axl_ctrl_reset_queue(const struct axl_os *os, uint32_t queue);

#endif
