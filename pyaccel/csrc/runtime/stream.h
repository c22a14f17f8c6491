// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
// A stream is a queue of an endpoint. Commands are collected and submitted in batches.
#pragma once

#include <axl.h>

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <shared_mutex>
#include <string>
#include <utility>
#include <vector>

namespace axl {

class Session;
class Staging;

// Sequence of a command in its queue; 0 is before the first.
using Ticket = uint64_t;

class Stream {
 public:
  Stream(Session& session, int id);
  ~Stream();
  Stream(const Stream&) = delete;
  Stream& operator=(const Stream&) = delete;

  // Takes whole commands, 'what' is the operator they belong to (a literal: it is kept).
  // They are submitted at once if the device has nothing to do, else with those that follow.
  Ticket append(const axl_slot* slots, size_t count, const char* what);

  // Everything appended so far is with the device afterwards.
  void flush();

  // Whether all commands up to ticket have ended, well or not.
  bool ended(Ticket ticket);

  // Submits, waits for ticket and throws what went wrong on this stream.
  void wait(Ticket ticket);

  // Calls 'then' with the result of a command once it has ended; not if the endpoint is lost.
  using Then = std::function<void(const axl_result&)>;
  void watch(Ticket ticket, Then then);

  // Between the two, commands are submitted when some have come together, or somebody waits.
  void hold();
  void release();

  // Waits without telling errors, which stay for the next wait(): for memory that is given back.
  void drain() noexcept;

  Ticket last() const { return next_.load(std::memory_order_relaxed) - 1; }
  Session& session() const { return session_; }
  int id() const { return id_; }

  // For data of ordinary host memory.
  Staging& staging();

  struct Counts {
    uint64_t commands = 0;
    uint64_t submits = 0;
    uint64_t waits = 0;
  };
  Counts counts() const;

  // The session is over: nothing reaches the device any more.
  void close() noexcept;

 private:
  void submit_locked(uint32_t flags);
  bool is_due_locked();
  bool is_idle_locked();
  void poll_locked();
  bool await(Ticket ticket, int* status);
  int settle(Ticket ticket);
  void probe();
  [[noreturn]] void raise(int status);
  [[noreturn]] void lose(int status);
  const char* operator_of(Ticket ticket) const;
  std::string describe(const axl_result& result) const;

  Session& session_;
  const int id_;
  std::shared_mutex closing_;  // shared by those who wait: the queue lives until they are out
  axl_queue* queue_ = nullptr;
  std::mutex lock_;  // guards what follows, and the order of submission
  std::vector<axl_slot> pending_;
  size_t used_ = 0;
  uint32_t commands_ = 0;
  std::atomic<Ticket> next_{1};
  Ticket submitted_ = 0;
  std::atomic<Ticket> ended_{0};
  std::vector<const char*> names_;  // of the newest commands, by sequence
  std::vector<std::pair<Ticket, Then>> watched_;
  int holders_ = 0;
  std::atomic<uint64_t> submits_{0};
  std::atomic<uint64_t> waits_{0};
  std::once_flag staging_once_;
  std::unique_ptr<Staging> staging_;
};

}  // namespace axl
