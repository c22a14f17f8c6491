// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
// What commands the streams executed and when, while a profiler looks.
#pragma once

#include <axl.h>

#include <atomic>
#include <cstdint>
#include <functional>
#include <vector>

namespace axl {

class Stream;

struct Recorded {
  const char* what;      // the operator
  uint64_t correlation;  // of the operator's event in PyTorch's profiler; 0 is none
  int device;
  int stream;
  uint32_t queue;
  axl_result result;
};

class Recorder {
 public:
  static bool is_on() { return on_.load(std::memory_order_relaxed); }
  static void start();
  // Waits for every stream; what was recorded since start().
  static std::vector<Recorded> stop();

  // The operator that this thread is in.
  static void enter(uint64_t correlation);
  static void leave();

  // To be called with the result of a command that is appended now.
  static std::function<void(const axl_result&)> command(Stream& stream, uint32_t queue,
                                                        const char* what);

 private:
  static std::atomic<bool> on_;
};

}  // namespace axl
