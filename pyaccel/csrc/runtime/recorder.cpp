// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
#include "runtime/recorder.h"

#include <mutex>
#include <utility>

#include "runtime/session.h"

namespace axl {
namespace {

thread_local std::vector<uint64_t> operators;
std::mutex lock;  // guards kept
std::vector<Recorded>& kept() {
  // Never destroyed: streams may be used while the process ends.
  static auto* all = new std::vector<Recorded>;
  return *all;
}

}  // namespace

std::atomic<bool> Recorder::on_{false};

void Recorder::start() {
  std::lock_guard<std::mutex> guard(lock);
  kept().clear();
  on_ = true;
}

std::vector<Recorded> Recorder::stop() {
  for (c10::DeviceIndex index = 0; index < kMaxDevices; ++index) {
    Session* open = session_if_open(index);
    for (int id = 0; open != nullptr && id < kMaxStreams; ++id) {
      if (Stream* stream = open->stream_if_made(id)) {
        stream->drain();
        stream->ended(stream->last());  // takes the results in
      }
    }
  }
  on_ = false;
  std::lock_guard<std::mutex> guard(lock);
  return std::exchange(kept(), {});
}

void Recorder::enter(uint64_t correlation) {
  operators.push_back(correlation);
}

void Recorder::leave() {
  if (!operators.empty()) {
    operators.pop_back();
  }
}

std::function<void(const axl_result&)> Recorder::command(Stream& stream, uint32_t queue,
                                                         const char* what) {
  Recorded fresh{
      what, operators.empty() ? 0 : operators.back(), stream.session().index(), stream.id(), queue,
      {}};
  return [fresh](const axl_result& result) mutable {
    fresh.result = result;
    std::lock_guard<std::mutex> guard(lock);
    kept().push_back(fresh);
  };
}

}  // namespace axl
