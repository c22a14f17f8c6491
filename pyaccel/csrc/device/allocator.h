// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
// PyTorch's allocator for device memory.
#pragma once

#include <c10/core/Allocator.h>
#include <c10/core/CachingDeviceAllocator.h>
#include <c10/core/Stream.h>

#include "runtime/memory.h"

namespace axl {

c10::DeviceAllocator& allocator();

// The block behind a pointer that this allocator made; null for others and for nothing.
Block* block_of(const c10::DataPtr& data);

void record_stream(const c10::DataPtr& data, const c10::Stream& stream);

}  // namespace axl
