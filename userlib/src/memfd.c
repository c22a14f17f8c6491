// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "error.h"
#include "memfd.h"

int axl_memfd_check(int fd, uint64_t offset, uint64_t bytes)
{
	int seals = fcntl(fd, F_GET_SEALS);
	struct stat file;

	if (seals < 0)
		return axl_fail(-EINVAL, "import: the descriptor is no memfd");
	if (!(seals & F_SEAL_SHRINK) && fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK) < 0)
		return axl_fail(-EINVAL, "import: the memfd may shrink; create it with "
					 "MFD_ALLOW_SEALING and add F_SEAL_SHRINK");
	if (fstat(fd, &file) < 0 || bytes > (uint64_t)file.st_size ||
	    offset > (uint64_t)file.st_size - bytes)
		return axl_fail(-EINVAL, "import: offset and length lie outside of the memfd");
	return 0;
}
