/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/* Just enough of the kernel's drm.h to let a parser read axl_accel.h. */
#ifndef AXL_STUB_DRM_H
#define AXL_STUB_DRM_H

typedef unsigned short __u16;
typedef unsigned int __u32;
typedef int __s32;
typedef unsigned long long __u64;
typedef long long __s64;

#endif
