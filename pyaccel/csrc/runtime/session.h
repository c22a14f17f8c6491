// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
// An endpoint in use: all that a reset of it ends.
#pragma once

#include <axl.h>
#include <c10/core/Device.h>

#include <array>
#include <atomic>
#include <memory>
#include <mutex>
#include <string>

#include "runtime/memory.h"
#include "runtime/stream.h"

namespace axl {

constexpr int kMaxStreams = 8;
constexpr int kMaxDevices = 64;

class Session;
// The open session of a device: opens the endpoint, or opens it again after it was lost.
Session& session(c10::DeviceIndex index);

class Session {
 public:
  Session(c10::DeviceIndex index, const axl_endpoint_info& info);

  c10::DeviceIndex index() const { return index_; }
  axl_device* device() const { return device_; }
  axl_context* context() const { return context_; }
  Memory& memory() { return *memory_; }
  uint32_t ring_log2() const { return ring_log2_; }
  uint64_t memory_bytes() const { return memory_bytes_; }
  const std::string& id() const { return id_; }
  std::string label() const;

  // Made when first used; id 0 is the default stream.
  Stream& stream(int id);
  Stream* stream_if_made(int id) const { return streams_[id].load(std::memory_order_acquire); }
  void synchronize();

  // Whether the function was reset since the session began, by whomever.
  bool was_reset() const { return axl_device_generation(device_) != generation_; }

  bool alive() const { return alive_.load(std::memory_order_acquire); }
  // Throws if the session is over.
  void check_alive() const {
    if (!alive()) {
      throw_lost();
    }
  }
  // Ends the session, whose endpoint was reset, hangs or is gone. 'cause' is libaxl's sentence.
  [[noreturn]] void lose(int status, const std::string& doing, const std::string& cause);

 private:
  friend Session& session(c10::DeviceIndex index);
  [[noreturn]] void throw_lost() const;
  void close() noexcept;

  const c10::DeviceIndex index_;
  const std::string id_;
  axl_device* device_ = nullptr;
  axl_context* context_ = nullptr;
  uint32_t ring_log2_ = 0;
  uint32_t generation_ = 0;
  uint64_t memory_bytes_ = 0;
  std::atomic<bool> alive_{true};
  mutable std::mutex lost_lock_;  // guards reason_; taken last
  std::string reason_;
  std::mutex lock_;  // guards the making of streams
  std::array<std::atomic<Stream*>, kMaxStreams> streams_{};
  std::unique_ptr<Memory> memory_;
};

// How many endpoints there are, without opening one; 0 where there is neither driver nor rack.
c10::DeviceIndex device_count() noexcept;

// Why device_count() is 0, in libaxl's words.
std::string why_none();

// Null if the device is not open.
Session* session_if_open(c10::DeviceIndex index) noexcept;

// Whether this process is a child of one that used a device.
bool is_forked() noexcept;

}  // namespace axl
