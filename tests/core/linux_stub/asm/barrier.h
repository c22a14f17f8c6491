/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
#define dma_wmb() __asm__ volatile("" : : : "memory")
#define dma_rmb() __asm__ volatile("" : : : "memory")
