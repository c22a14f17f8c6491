/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
#define static_assert _Static_assert
