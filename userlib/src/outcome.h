/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/* What became of a command, in words: the same from every back end. */
#ifndef AXL_OUTCOME_H
#define AXL_OUTCOME_H

#include "axl.h"

int axl_fail_unknown(uint32_t queue, uint64_t sequence); /* -EINVAL: never submitted */
int axl_fail_pending(uint32_t queue, uint64_t sequence); /* -EAGAIN: has not ended */
int axl_fail_forgotten(uint32_t queue, uint64_t sequence); /* -ENOENT: too long ago */
int axl_fail_late(uint32_t queue, uint64_t sequence); /* -ETIMEDOUT: waited long enough */
int axl_fail_blameless(uint32_t queue); /* -ENOENT: no command failed */

/* A command that ended with another status than OK: -ECANCELED if a reset gave it up, -EIO. */
int axl_fail_command(uint32_t queue, const struct axl_result *result);

/* A handle that is older than the last reset: -ESTALE. what: "queue". */
int axl_fail_stale(const char *endpoint, const char *what);

/* A buffer that only commands can reach: -EOPNOTSUPP. */
int axl_fail_peer_map(const char *endpoint);

#endif
