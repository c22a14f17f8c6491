// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
#include <errno.h>

#include "error.h"
#include "outcome.h"

int axl_fail_unknown(uint32_t queue, uint64_t sequence)
{
	return axl_fail(-EINVAL, "queue %u: no command %llu was submitted", queue,
			(unsigned long long)sequence);
}

int axl_fail_pending(uint32_t queue, uint64_t sequence)
{
	return axl_fail(-EAGAIN, "queue %u: command %llu has not ended yet", queue,
			(unsigned long long)sequence);
}

int axl_fail_forgotten(uint32_t queue, uint64_t sequence)
{
	return axl_fail(-ENOENT, "queue %u: the result of command %llu is not kept any more", queue,
			(unsigned long long)sequence);
}

int axl_fail_late(uint32_t queue, uint64_t sequence)
{
	return axl_fail(-ETIMEDOUT,
			"queue %u: command %llu has not ended yet; axl_device_check() "
			"tells whether it will",
			queue, (unsigned long long)sequence);
}

int axl_fail_blameless(uint32_t queue)
{
	return axl_fail(-ENOENT, "queue %u: no command failed", queue);
}

int axl_fail_command(uint32_t queue, const struct axl_result *result)
{
	if (result->status == AXL_STATUS_ABORTED)
		return axl_fail(-ECANCELED, "queue %u: command %llu (%s) was given up by a reset",
				queue, (unsigned long long)result->sequence,
				axl_opcode_name(result->opcode));
	return axl_fail(-EIO, "queue %u: command %llu (%s) failed: %s", queue,
			(unsigned long long)result->sequence, axl_opcode_name(result->opcode),
			axl_status_name(result->status));
}

int axl_fail_stale(const char *endpoint, const char *what)
{
	return axl_fail(-ESTALE,
			"%s was reset since this %s was made; destroy it and make "
			"another",
			endpoint, what);
}

int axl_fail_peer_map(const char *endpoint)
{
	return axl_fail(-EOPNOTSUPP,
			"%s: a peer's buffer has no memory for the CPU here: map the original, on "
			"the endpoint that has it",
			endpoint);
}
