// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
#include "device/event.h"

#include <c10/util/Exception.h>

#include "runtime/session.h"
#include "runtime/timeline.h"

namespace axl {

void Event::record(Stream& stream) {
  value_ = signal_word(stream);
  stream_ = &stream;
  ticket_ = stream.last();
  if (timing_) {
    finish_ns_ = std::make_shared<std::atomic<uint64_t>>(0);
    stream.watch(ticket_, [finish_ns = finish_ns_](const axl_result& result) {
      if (result.timing_valid != 0) {
        finish_ns->store(result.finish_ns, std::memory_order_release);
      }
    });
  }
}

void Event::block(Stream& stream) const {
  if (stream_ == nullptr || stream_ == &stream || query()) {
    return;
  }
  stream_->flush();  // nothing would submit it while this process sleeps
  wait_word(stream, stream_->session().index(), stream_->id(), value_);
}

bool Event::query() const {
  return stream_ == nullptr || stream_->ended(ticket_);
}

void Event::synchronize() const {
  if (stream_ != nullptr) {
    stream_->wait(ticket_);
  }
}

uint64_t Event::finish_ns() const {
  TORCH_CHECK(timing_, "axl: the event keeps no time: make it with enable_timing=True");
  TORCH_CHECK(stream_ != nullptr && query(),
              "axl: the event is not reached yet: record it and synchronize() first");
  uint64_t ns = finish_ns_->load(std::memory_order_acquire);
  TORCH_CHECK(ns != 0, "axl: the device reported no usable time for the event");
  return ns;
}

double elapsed_ms(const Event& first, const Event& second) {
  auto start = static_cast<int64_t>(first.finish_ns());
  auto end = static_cast<int64_t>(second.finish_ns());
  return static_cast<double>(end - start) / 1e6;
}

}  // namespace axl
