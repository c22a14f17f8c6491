// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
#include "device/current.h"

#include <c10/util/Exception.h>

#include <array>
#include <atomic>

namespace axl {
namespace {

thread_local c10::DeviceIndex device = 0;
thread_local std::array<int, kMaxDevices> streams{};
std::array<std::atomic<unsigned>, kMaxDevices> handed_out{};

bool in_range(c10::DeviceIndex index) {
  return index >= 0 && index < kMaxDevices;
}

}  // namespace

c10::DeviceIndex current_device() noexcept {
  return device;
}

void check_exists(c10::DeviceIndex index) {
  if (session_if_open(index) != nullptr) {
    return;
  }
  c10::DeviceIndex count = device_count();
  TORCH_CHECK(in_range(index) && index < count, "axl:", static_cast<int>(index),
              " does not exist: there are ", static_cast<int>(count),
              " endpoints; accel-info lists them, AXL_VISIBLE_DEVICES may hide some");
}

void set_current_device(c10::DeviceIndex index) {
  if (index == device) {
    return;
  }
  check_exists(index);
  device = index;
}

c10::DeviceIndex exchange_device(c10::DeviceIndex index) noexcept {
  c10::DeviceIndex before = device;
  if (in_range(index)) {
    device = index;
  }
  return before;
}

int current_stream_id(c10::DeviceIndex index) noexcept {
  return in_range(index) ? streams[index] : 0;
}

int exchange_stream_id(c10::DeviceIndex index, int id) noexcept {
  if (!in_range(index)) {
    return 0;
  }
  int before = streams[index];
  streams[index] = id;
  return before;
}

int next_pool_stream_id(c10::DeviceIndex index) noexcept {
  if (!in_range(index)) {
    return 0;
  }
  return 1 + static_cast<int>(handed_out[index]++ % (kMaxStreams - 1));
}

}  // namespace axl
