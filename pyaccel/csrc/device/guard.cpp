// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
// What PyTorch asks a device type for: current device and stream, events, waiting.
#include <c10/core/impl/DeviceGuardImplInterface.h>

#include "device/allocator.h"
#include "device/current.h"
#include "device/event.h"

namespace axl {
namespace {

constexpr c10::DeviceType kType = c10::DeviceType::PrivateUse1;

c10::Stream make_stream(c10::DeviceIndex index, int id) {
  return c10::Stream(c10::Stream::UNSAFE, c10::Device(kType, index), id);
}

c10::DeviceIndex index_of(c10::Device device) {
  return device.has_index() ? device.index() : current_device();
}

struct Guard final : c10::impl::DeviceGuardImplInterface {
  c10::DeviceType type() const override { return kType; }

  c10::Device exchangeDevice(c10::Device device) const override {
    c10::Device before = getDevice();
    setDevice(device);
    return before;
  }
  c10::Device getDevice() const override { return c10::Device(kType, current_device()); }
  void setDevice(c10::Device device) const override {
    TORCH_CHECK(device.type() == kType, "not an axl device: ", device);
    if (device.has_index()) {
      set_current_device(device.index());
    }
  }
  void uncheckedSetDevice(c10::Device device) const noexcept override {
    exchange_device(device.index());
  }
  c10::DeviceIndex deviceCount() const noexcept override { return device_count(); }

  c10::Stream getStream(c10::Device device) const override {
    c10::DeviceIndex index = index_of(device);
    return make_stream(index, current_stream_id(index));
  }
  c10::Stream getDefaultStream(c10::Device device) const override {
    return make_stream(index_of(device), 0);
  }
  c10::Stream getStreamFromGlobalPool(c10::Device device, bool) const override {
    c10::DeviceIndex index = index_of(device);
    return make_stream(index, next_pool_stream_id(index));
  }
  c10::Stream getNewStream(c10::Device device, int) const override {
    return getStreamFromGlobalPool(device, false);
  }
  c10::Stream exchangeStream(c10::Stream stream) const override {
    c10::DeviceIndex index = stream.device_index();
    return make_stream(index, exchange_stream_id(index, static_cast<int>(stream.id())));
  }
  void* getStreamNativeHandle(const c10::Stream stream) const override {
    return &stream_of(stream);
  }
  bool queryStream(const c10::Stream& stream) const override {
    Stream& queue = stream_of(stream);
    return queue.ended(queue.last());
  }
  void synchronizeStream(const c10::Stream& stream) const override {
    Stream& queue = stream_of(stream);
    queue.wait(queue.last());
  }
  void synchronizeDevice(const c10::DeviceIndex index) const override {
    if (Session* open = session_if_open(index)) {
      open->synchronize();
    } else if (index != current_device()) {
      check_exists(index);
    }
  }

  void destroyEvent(void* event, const c10::DeviceIndex) const noexcept override {
    delete static_cast<Event*>(event);
  }
  void record(void** event, const c10::Stream& stream, const c10::DeviceIndex,
              const c10::EventFlag flag) const override {
    if (*event == nullptr) {
      *event = new Event(flag == c10::EventFlag::BACKEND_DEFAULT);
    }
    static_cast<Event*>(*event)->record(stream_of(stream));
  }
  void block(void* event, const c10::Stream& stream) const override {
    if (event != nullptr) {
      static_cast<Event*>(event)->block(stream_of(stream));
    }
  }
  bool queryEvent(void* event) const override {
    return event == nullptr || static_cast<Event*>(event)->query();
  }
  void synchronizeEvent(void* event) const override {
    if (event != nullptr) {
      static_cast<Event*>(event)->synchronize();
    }
  }
  double elapsedTime(void* first, void* second, const c10::DeviceIndex) const override {
    TORCH_CHECK(first != nullptr && second != nullptr,
                "axl: both events must be recorded before the time between them is asked for");
    return elapsed_ms(*static_cast<Event*>(first), *static_cast<Event*>(second));
  }
  void recordDataPtrOnStream(const c10::DataPtr& data, const c10::Stream& stream) const override {
    record_stream(data, stream);
  }
};

C10_REGISTER_GUARD_IMPL(PrivateUse1, Guard)

}  // namespace
}  // namespace axl
