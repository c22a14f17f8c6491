/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/* The context registers: which page table a context number stands for. */
#ifndef AXL_CTX_H
#define AXL_CTX_H

#include "axl_os.h"

/*
 * Make context n usable with the page table at root (4 KiB aligned), not faulted and
 * with nothing cached. AXL_ERR_INVAL, AXL_ERR_GONE, AXL_ERR_DEVICE. May sleep: yes.
 */
int axl_ctx_enable(const struct axl_os *os, uint32_t n, uint64_t root);

/* Commands of context n are refused from now on. Errors as above. May sleep: yes. */
int axl_ctx_disable(const struct axl_os *os, uint32_t n);

/*
 * Forget the translations of context n before the next command. When this returns
 * the endpoint has seen it. Errors as above. May sleep: yes.
 */
int axl_ctx_invalidate(const struct axl_os *os, uint32_t n);

/* 1: a command of context n faulted; 0: none did; or an error as above. May sleep: yes. */
int axl_ctx_fault_state(const struct axl_os *os, uint32_t n);

/* Let commands of a faulted context run again. Errors as above. May sleep: yes. */
int axl_ctx_clear_fault(const struct axl_os *os, uint32_t n);

#endif
