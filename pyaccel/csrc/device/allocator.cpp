// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
#include "device/allocator.h"

#include <ATen/core/Tensor.h>
#include <torch/library.h>

#include "device/current.h"

namespace axl {
namespace {

void free_block(void* block) {
  auto* freed = static_cast<Block*>(block);
  freed->session->memory().free(freed);
}

struct Allocator final : c10::DeviceAllocator {
  c10::DataPtr allocate(size_t bytes) override {
    c10::DeviceIndex index = current_device();
    c10::Device device(c10::DeviceType::PrivateUse1, index);
    if (bytes == 0) {
      return {nullptr, nullptr, &free_nothing, device};
    }
    Block* block = session(index).memory().allocate(bytes, current_stream_id(index));
    return {reinterpret_cast<void*>(block->va), block, &free_block, device};
  }

  c10::DeleterFnPtr raw_deleter() const override { return nullptr; }

  void copy_data(void*, const void*, std::size_t) const override {
    TORCH_CHECK(false, "axl: memory of an endpoint is copied by commands, not by address");
  }

  bool initialized() override {
    for (c10::DeviceIndex index = 0; index < kMaxDevices; ++index) {
      if (session_if_open(index) != nullptr) {
        return true;
      }
    }
    return false;
  }

  void emptyCache(c10::MempoolId_t) override {
    for (c10::DeviceIndex index = 0; index < kMaxDevices; ++index) {
      if (Session* open = session_if_open(index)) {
        open->memory().empty_cache();
      }
    }
  }

  void recordStream(const c10::DataPtr& data, c10::Stream stream) override {
    record_stream(data, stream);
  }

  c10::CachingDeviceAllocator::DeviceStats getDeviceStats(c10::DeviceIndex device) override {
    Session* open = session_if_open(device);
    return open ? open->memory().stats() : c10::CachingDeviceAllocator::DeviceStats{};
  }

  void resetAccumulatedStats(c10::DeviceIndex device) override {
    if (Session* open = session_if_open(device)) {
      open->memory().reset_accumulated_stats();
    }
  }

  void resetPeakStats(c10::DeviceIndex device) override {
    if (Session* open = session_if_open(device)) {
      open->memory().reset_peak_stats();
    }
  }

  std::pair<size_t, size_t> getMemoryInfo(c10::DeviceIndex device) override {
    Session& used = session(device);
    struct axl_device_info info {};
    check_info(axl_device_info(used.device(), &info, sizeof(info)), used);
    return {info.memory_free_bytes, info.memory_bytes};
  }

 private:
  static void free_nothing(void*) {}
  static void check_info(int status, Session& used) {
    if (status < 0) {
      used.lose(status, "asking", axl_last_error());
    }
  }
};

}  // namespace

c10::DeviceAllocator& allocator() {
  static auto* only = new Allocator;
  return *only;
}

Block* block_of(const c10::DataPtr& data) {
  return data.get_deleter() == &free_block ? static_cast<Block*>(data.get_context()) : nullptr;
}

void record_stream(const c10::DataPtr& data, const c10::Stream& stream) {
  Block* block = block_of(data);
  if (block != nullptr && block->session->alive() &&
      stream.device_index() == block->session->index()) {
    block->session->memory().record_use(block, static_cast<int>(stream.id()));
  }
}

REGISTER_ALLOCATOR(c10::DeviceType::PrivateUse1, &allocator())

TORCH_LIBRARY_IMPL(aten, PrivateUse1, m) {
  m.impl("record_stream", [](at::Tensor& self, c10::Stream stream) {
    record_stream(self.storage().data_ptr(), stream);
  });
}

}  // namespace axl
