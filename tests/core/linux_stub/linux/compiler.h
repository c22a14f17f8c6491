/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
#define READ_ONCE(x) (*(const volatile __typeof__(x) *)&(x))
