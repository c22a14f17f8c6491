// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
// Each thread's current device and its current stream on every device.
#pragma once

#include <c10/core/Device.h>
#include <c10/core/Stream.h>

#include "runtime/session.h"

namespace axl {

c10::DeviceIndex current_device() noexcept;
// Both throw if there is no such device. They do not open it.
void check_exists(c10::DeviceIndex index);
void set_current_device(c10::DeviceIndex index);
c10::DeviceIndex exchange_device(c10::DeviceIndex index) noexcept;

int current_stream_id(c10::DeviceIndex index) noexcept;
// Returns the one before.
int exchange_stream_id(c10::DeviceIndex index, int id) noexcept;
// One of the pool's, in turn.
int next_pool_stream_id(c10::DeviceIndex index) noexcept;

inline Stream& current_stream(c10::DeviceIndex index) {
  return session(index).stream(current_stream_id(index));
}

inline Stream& stream_of(const c10::Stream& stream) {
  return session(stream.device_index()).stream(static_cast<int>(stream.id()));
}

}  // namespace axl
