/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/*
 * What the functions of the portable core return: 0 or one of these. Each OS maps
 * them once to its own numbers (errno, NTSTATUS).
 */
#ifndef AXL_ERR_H
#define AXL_ERR_H

enum axl_err {
	AXL_OK = 0,
	AXL_ERR_INVAL = -1, /* an argument cannot be right */
	AXL_ERR_NOMEM = -2, /* the OS has no memory left */
	AXL_ERR_GONE = -3, /* reads give all-ones: the endpoint left the bus (PCIe 6.0 s2.3.2) */
	AXL_ERR_VERSION = -4, /* the endpoint speaks another contract version, or is no AXL */
	AXL_ERR_DEVICE = -5, /* the endpoint answered nonsense or did not do as told */
	AXL_ERR_BUSY = -6, /* in use, or in the wrong state for this */
	AXL_ERR_AGAIN = -7, /* no room right now */
	AXL_ERR_TIMEOUT = -8, /* did not happen in time */
	AXL_ERR_NOSPACE = -9, /* no range of that size is free */
	AXL_ERR_EXISTS = -10, /* something is mapped there already */
	AXL_ERR_NOT_FOUND = -11, /* nothing is there */
	AXL_ERR_ADDRESS = -12, /* the endpoint rejected its device address */
	AXL_ERR_UNSUPPORTED = -13, /* the endpoint or the OS cannot do that */
};

/* "gone", "no_memory", ...; never NULL: "unknown" for no such code. May sleep: no. */
const char *axl_err_name(int err);

#endif
