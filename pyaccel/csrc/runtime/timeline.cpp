// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
#include "runtime/timeline.h"

#include <axl_cmd.h>

#include <atomic>

#include "runtime/host_memory.h"
#include "runtime/session.h"

namespace axl {
namespace {

constexpr size_t kWords = static_cast<size_t>(kMaxDevices) * kMaxStreams;

struct Timeline {
  std::atomic<uint64_t>* words;
  std::array<std::atomic<uint64_t>, kWords> issued{};

  Timeline()
      : words(static_cast<std::atomic<uint64_t>*>(
            allocate_host_memory(kWords * sizeof(std::atomic<uint64_t>)))) {}
};

static_assert(sizeof(std::atomic<uint64_t>) == 8, "the device writes the word itself");

std::atomic<Timeline*> made{nullptr};

// Never destroyed: streams may be used while the process ends.
Timeline& timeline() {
  static Timeline* all = [] {
    auto* fresh = new Timeline;
    made = fresh;
    return fresh;
  }();
  return *all;
}

size_t place(c10::DeviceIndex device, int stream) {
  return static_cast<size_t>(device) * kMaxStreams + stream;
}

uint64_t word_va(Session& session, size_t at) {
  return host_va(session, &timeline().words[at], sizeof(uint64_t));
}

}  // namespace

uint64_t signal_word(Stream& stream) {
  size_t at = place(stream.session().index(), stream.id());
  uint64_t value = ++timeline().issued[at];
  axl_slot slot;
  axl_cmd_fence_signal(&slot, word_va(stream.session(), at), value);
  stream.append(&slot, 1, "torch.Event.record");
  return value;
}

void wait_word(Stream& waiter, c10::DeviceIndex device, int stream, uint64_t value) {
  size_t at = place(device, stream);
  axl_slot slot;
  axl_cmd_fence_wait(&slot, word_va(waiter.session(), at), value, 0);
  waiter.append(&slot, 1, "torch.Stream.wait_event");
}

void release_waiters(c10::DeviceIndex device) noexcept {
  Timeline* all = made;
  for (int stream = 0; all != nullptr && stream < kMaxStreams; ++stream) {
    size_t at = place(device, stream);
    all->words[at] = all->issued[at].load();
  }
}

}  // namespace axl
