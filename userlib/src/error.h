/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
#ifndef AXL_ERROR_H
#define AXL_ERROR_H

/*
 * Say why the calling thread's current call fails and return code (a negative errno),
 * so that error paths read `return axl_fail(-EINVAL, "...")`. The sentence ends with
 * what to do where that is not obvious.
 */
int axl_fail(int code, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Put a sentence before the one that a callee left: "opening x: reason". */
int axl_fail_in(int code, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
