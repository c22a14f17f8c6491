// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
// PyTorch's allocator for pinned host memory. The caching and the waiting for streams are
// PyTorch's own, as for its other accelerators.
#include <ATen/core/CachingHostAllocator.h>

#include "device/current.h"
#include "device/event.h"
#include "runtime/host_memory.h"

namespace axl {
namespace {

using EventPtr = std::unique_ptr<Event>;

struct HostAllocatorImpl final : at::CachingHostAllocatorImpl<c10::Stream, EventPtr> {
  void allocate_host_memory(size_t bytes, void** address) override {
    *address = axl::allocate_host_memory(bytes);
  }
  void free_block(at::HostBlock<c10::Stream>* block) override { free_host_memory(block->ptr_); }
  void record_stream(std::optional<std::vector<EventPtr>>& events, c10::Stream stream) override {
    // Called while a tensor is destroyed: no place to throw. An endpoint that is lost, or was
    // never opened, does not use the memory any more.
    Session* open = session_if_open(stream.device_index());
    Stream* queue = open ? open->stream_if_made(static_cast<int>(stream.id())) : nullptr;
    if (queue == nullptr) {
      return;
    }
    try {
      auto event = std::make_unique<Event>(false);
      event->record(*queue);
      events->push_back(std::move(event));
    } catch (const c10::Error&) {
      // Lost; whoever uses the endpoint next is told.
    }
  }
  bool query_event(EventPtr& event) override { return event->query(); }
};

DECLARE_HOST_ALLOCATOR(HostAllocator, HostAllocatorImpl, delete_host_block, host_allocator)

REGISTER_HOST_ALLOCATOR(c10::DeviceType::PrivateUse1, &host_allocator)

}  // namespace
}  // namespace axl
