// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
// Host memory that endpoints reach by DMA: pinned tensors, staging, words that streams share.
//
// A region is a memfd, so that every session can map it; it outlives resets of endpoints.
#pragma once

#include <axl.h>

#include <cstddef>
#include <cstdint>

namespace axl {

class Session;

// Page-aligned and zeroed. Throws.
void* allocate_host_memory(size_t bytes);
// Commands that use it have ended.
void free_host_memory(void* address) noexcept;

// Whether it lies in such memory.
bool is_host_memory(const void* address) noexcept;

// Device address of such memory; 0 if [address, address + bytes) is not of one region.
uint64_t host_va(Session& session, const void* address, size_t bytes);

// Takes the mappings of a session away, which ends.
void forget_host_memory(Session& session) noexcept;

}  // namespace axl
