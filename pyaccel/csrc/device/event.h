// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
// A point in a stream.
#pragma once

#include "runtime/stream.h"

namespace axl {

class Event {
 public:
  explicit Event(bool timing) : timing_(timing) {}

  void record(Stream& stream);
  // Holds the stream until the point is reached; the calling thread goes on.
  void block(Stream& stream) const;
  bool query() const;
  void synchronize() const;

 private:
  friend double elapsed_ms(const Event& first, const Event& second);
  uint64_t finish_ns() const;

  const bool timing_;
  Stream* stream_ = nullptr;
  Ticket ticket_ = 0;
  uint64_t value_ = 0;
  std::shared_ptr<std::atomic<uint64_t>> finish_ns_;
};

// Milliseconds between two points that are reached, on the device's clock.
double elapsed_ms(const Event& first, const Event& second);

}  // namespace axl
