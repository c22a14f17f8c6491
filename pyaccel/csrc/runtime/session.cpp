// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
#include "runtime/session.h"

#include <c10/util/Exception.h>
#include <pthread.h>

#include <algorithm>

#include "runtime/host_memory.h"
#include "runtime/status.h"
#include "runtime/timeline.h"

namespace axl {
namespace {

std::atomic<bool> forked{false};

void mark_forked() {
  forked = true;
}

struct Endpoints {
  std::mutex lock;  // guards opening
  std::array<std::atomic<Session*>, kMaxDevices> sessions{};
};

// Never destroyed: tensors may be freed while the process ends.
Endpoints& endpoints() {
  static auto* all = new Endpoints;
  return *all;
}

int enumerate(axl_endpoint_info* infos, size_t* count) noexcept {
  return axl_enumerate(nullptr, infos, sizeof(*infos), infos ? kMaxDevices : 0, count);
}

axl_endpoint_info endpoint_info(c10::DeviceIndex index) {
  auto infos = std::make_unique<std::array<axl_endpoint_info, kMaxDevices>>();
  size_t count = 0;
  check(enumerate(infos->data(), &count), "looking for endpoints of axl");
  TORCH_CHECK(index >= 0 && static_cast<size_t>(index) < std::min<size_t>(count, kMaxDevices),
              "axl:", static_cast<int>(index), " does not exist: there are ", count,
              " endpoints (axl:0 to axl:", static_cast<int>(count) - 1,
              "); accel-info lists them, AXL_VISIBLE_DEVICES may hide some");
  return (*infos)[index];
}

}  // namespace

c10::DeviceIndex device_count() noexcept {
  size_t count = 0;
  if (enumerate(nullptr, &count) < 0) {
    return 0;
  }
  return static_cast<c10::DeviceIndex>(std::min<size_t>(count, kMaxDevices));
}

std::string why_none() {
  size_t count = 0;
  int status = enumerate(nullptr, &count);
  return status < 0 ? axl_last_error() : count == 0 ? "no endpoint is visible" : "";
}

bool is_forked() noexcept {
  return forked;
}

Session* session_if_open(c10::DeviceIndex index) noexcept {
  if (index < 0 || index >= kMaxDevices || forked) {
    return nullptr;
  }
  return endpoints().sessions[index].load(std::memory_order_acquire);
}

Session& session(c10::DeviceIndex index) {
  Session* found = session_if_open(index);
  if (found != nullptr && found->alive()) [[likely]] {
    return *found;
  }
  TORCH_CHECK(!forked,
              "Cannot re-initialize axl in forked subprocess. To use axl with multiprocessing, "
              "you must use the 'spawn' start method");
  std::lock_guard<std::mutex> guard(endpoints().lock);
  TORCH_CHECK(index >= 0 && index < kMaxDevices, "axl:", static_cast<int>(index),
              " does not exist");
  std::atomic<Session*>& place = endpoints().sessions[index];
  found = place.load();
  if (found != nullptr && found->alive()) {
    return *found;
  }
  static int once = pthread_atfork(nullptr, nullptr, mark_forked);
  (void)once;
  if (found != nullptr) {
    found->close();
  }
  // The old one is not deleted: tensors that were lost with it still point to it.
  place.store(new Session(index, endpoint_info(index)), std::memory_order_release);
  return *place.load();
}

Session::Session(c10::DeviceIndex index, const axl_endpoint_info& info)
    : index_(index), id_(info.id), memory_(std::make_unique<Memory>(*this)) {
  check(axl_device_open(info.uri, 0, &device_), label().c_str());
  struct axl_device_info full {};
  int status = axl_device_info(device_, &full, sizeof(full));
  if (status == 0) {
    status = axl_context_create(device_, &context_);
  }
  if (status < 0) {
    std::string reason = axl_last_error();
    axl_device_close(device_);
    fail(status, label() + ": " + reason);
  }
  memory_bytes_ = full.memory_bytes;
  generation_ = axl_device_generation(device_);
  while ((2u << ring_log2_) <= full.max_ring_entries) {
    ++ring_log2_;
  }
}

std::string Session::label() const {
  return c10::str("axl:", static_cast<int>(index_), " (", id_, ")");
}

Stream& Session::stream(int id) {
  TORCH_CHECK(id >= 0 && id < kMaxStreams, label(), " has no stream ", id);
  Stream* found = streams_[id].load(std::memory_order_acquire);
  if (found != nullptr) [[likely]] {
    return *found;
  }
  std::lock_guard<std::mutex> guard(lock_);
  check_alive();
  found = streams_[id].load();
  if (found == nullptr) {
    found = new Stream(*this, id);
    streams_[id].store(found, std::memory_order_release);
  }
  return *found;
}

void Session::synchronize() {
  for (auto& place : streams_) {
    if (Stream* stream = place.load(std::memory_order_acquire)) {
      stream->wait(stream->last());
    }
  }
}

void Session::lose(int status, const std::string& doing, const std::string& cause) {
  std::string reason = c10::str(doing, " ", label(), ": ", cause);
  {
    std::lock_guard<std::mutex> guard(lost_lock_);
    if (alive_.load()) {
      reason_ = reason;
      alive_.store(false, std::memory_order_release);
    }
  }
  release_waiters(index_);
  throw c10::AcceleratorError(
      {__func__, __FILE__, static_cast<uint32_t>(__LINE__)}, -status,
      reason + ". Tensors on it are lost; new ones can be made once the endpoint answers again");
}

void Session::throw_lost() const {
  std::lock_guard<std::mutex> guard(lost_lock_);
  throw c10::AcceleratorError({__func__, __FILE__, static_cast<uint32_t>(__LINE__)}, ESTALE,
                              c10::str(label(), " was lost (", reason_,
                                       "): this tensor or stream went with it; make a new one"));
}

void Session::close() noexcept {
  for (auto& place : streams_) {
    if (Stream* stream = place.load()) {
      stream->close();
    }
  }
  forget_host_memory(*this);
  memory_->close();
  // What this context imported from others would outlive it.
  for (auto& place : endpoints().sessions) {
    Session* other = place.load(std::memory_order_acquire);
    if (other != nullptr && other != this) {
      other->memory().forget_peer(*this);
    }
  }
  axl_context_destroy(context_);
  axl_device_close(device_);
  context_ = nullptr;
  device_ = nullptr;
}

}  // namespace axl
