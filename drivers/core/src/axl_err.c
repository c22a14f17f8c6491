/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
#include "axl_err.h"

const char *axl_err_name(int err)
{
	switch (err) {
	case AXL_OK:
		return "ok";
	case AXL_ERR_INVAL:
		return "invalid_argument";
	case AXL_ERR_NOMEM:
		return "no_memory";
	case AXL_ERR_GONE:
		return "gone";
	case AXL_ERR_VERSION:
		return "wrong_version";
	case AXL_ERR_DEVICE:
		return "device_nonsense";
	case AXL_ERR_BUSY:
		return "busy";
	case AXL_ERR_AGAIN:
		return "no_room_now";
	case AXL_ERR_TIMEOUT:
		return "timeout";
	case AXL_ERR_NOSPACE:
		return "no_space";
	case AXL_ERR_EXISTS:
		return "exists";
	case AXL_ERR_NOT_FOUND:
		return "not_found";
	case AXL_ERR_ADDRESS:
		return "address_rejected";
	case AXL_ERR_UNSUPPORTED:
		return "unsupported";
	default:
		return "unknown";
	}
}
