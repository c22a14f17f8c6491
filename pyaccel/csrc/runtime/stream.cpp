// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
#include "runtime/stream.h"

#include <axl_cmd.h>
#include <c10/util/Exception.h>

#include <cerrno>
#include <cstring>

#include "runtime/recorder.h"
#include "runtime/session.h"
#include "runtime/staging.h"
#include "runtime/status.h"

namespace axl {
namespace {

constexpr uint32_t kRingLog2 = 14;  // the largest ring: the device is the slower side
constexpr size_t kPendingSlots = 512;
// Commands that wait for company at most: a doorbell costs about as much as one of them.
constexpr uint32_t kBatchCommands = 24;
// Of a compiled graph at least so many go together: more will follow, but the first of them
// need not wait for the host to make the last.
constexpr uint32_t kHeldCommands = 4;
// Longest stay inside libaxl; in between the endpoint's health is looked at.
constexpr int64_t kSliceNs = 250'000'000;

}  // namespace

Stream::Stream(Session& session, int id)
    : session_(session), id_(id), pending_(kPendingSlots), names_(size_t{1} << kRingLog2) {
  axl_queue_attr attr{};
  attr.index = AXL_QUEUE_ANY;
  attr.slots_log2 = std::min(kRingLog2, session.ring_log2());
  check(axl_queue_create(session.context(), &attr, sizeof(attr), &queue_), "a stream of axl");
}

Stream::~Stream() {
  close();
}

void Stream::close() noexcept {
  std::unique_lock<std::shared_mutex> nobody_waits(closing_);
  std::lock_guard<std::mutex> guard(lock_);
  axl_queue_destroy(queue_);
  queue_ = nullptr;
  pending_ = {};
  used_ = commands_ = 0;
}

Ticket Stream::append(const axl_slot* slots, size_t count, const char* what) {
  std::lock_guard<std::mutex> guard(lock_);
  session_.check_alive();
  if (used_ + count > kPendingSlots) {
    submit_locked(0);
  }
  std::memcpy(&pending_[used_], slots, count * sizeof(*slots));
  used_ += count;
  ++commands_;
  Ticket ticket = next_.load(std::memory_order_relaxed);
  names_[ticket & (names_.size() - 1)] = what;
  next_.store(ticket + 1, std::memory_order_relaxed);
  if (Recorder::is_on()) [[unlikely]] {
    watched_.emplace_back(ticket, Recorder::command(*this, axl_queue_index(queue_), what));
  }
  if (is_due_locked()) {
    submit_locked(0);
  }
  return ticket;
}

bool Stream::is_due_locked() {
  return commands_ >= (holders_ == 0 ? 1 : kHeldCommands) &&
         (commands_ >= kBatchCommands || is_idle_locked());
}

void Stream::hold() {
  std::lock_guard<std::mutex> guard(lock_);
  ++holders_;
}

void Stream::release() {
  std::lock_guard<std::mutex> guard(lock_);
  if (holders_ > 0 && --holders_ == 0 && session_.alive()) {
    submit_locked(0);
  }
}

bool Stream::is_idle_locked() {
  if (ended_.load(std::memory_order_relaxed) < submitted_) {
    poll_locked();
  }
  return ended_.load(std::memory_order_relaxed) >= submitted_;
}

void Stream::poll_locked() {
  Ticket ended = axl_queue_poll(queue_);
  ended_.store(ended, std::memory_order_release);
  for (size_t i = 0; i < watched_.size();) {
    if (watched_[i].first > ended) {
      ++i;
      continue;
    }
    axl_result result{};
    if (axl_queue_result(queue_, watched_[i].first, &result, sizeof(result)) == 0) {
      watched_[i].second(result);
    }
    watched_[i] = std::move(watched_.back());
    watched_.pop_back();
  }
}

void Stream::watch(Ticket ticket, Then then) {
  std::lock_guard<std::mutex> guard(lock_);
  watched_.emplace_back(ticket, std::move(then));
}

void Stream::submit_locked(uint32_t flags) {
  if (commands_ == 0) {
    return;
  }
  uint64_t last = 0;
  int status = axl_queue_submit(queue_, pending_.data(), used_, flags, &last);
  used_ = commands_ = 0;
  if (status < 0) {
    session_.lose(status, "submitting to", axl_last_error());
  }
  TORCH_INTERNAL_ASSERT(last == next_.load() - 1, "libaxl numbered ", last);
  submitted_ = last;
  if (!watched_.empty()) {
    poll_locked();  // libaxl keeps the newest results only
  }
  ++submits_;
}

void Stream::flush() {
  std::lock_guard<std::mutex> guard(lock_);
  session_.check_alive();
  submit_locked(0);
}

bool Stream::ended(Ticket ticket) {
  if (ended_.load(std::memory_order_acquire) >= ticket || !session_.alive()) {
    return true;
  }
  std::lock_guard<std::mutex> guard(lock_);
  if (queue_ == nullptr) {
    return true;
  }
  submit_locked(0);
  poll_locked();
  return ended_.load(std::memory_order_relaxed) >= ticket;
}

// A command whose completion was lost is only found out by a later completion.
void Stream::probe() {
  axl_slot slot;
  append(&slot, axl_cmd_nop(&slot), "axl::probe");
  flush();
}

// False: not yet, and the device makes progress.
bool Stream::await(Ticket ticket, int* status) {
  *status = axl_queue_wait(queue_, ticket, kSliceNs);
  return *status != -ETIMEDOUT;
}

// The operator of a command, if it is among the newest.
const char* Stream::operator_of(Ticket ticket) const {
  const char* name = names_[ticket & (names_.size() - 1)];
  bool known = ticket + names_.size() > last() && name != nullptr;
  return known ? name : "an operator";
}

// The endpoint is of no use any more: tells which command did not end.
void Stream::lose(int status) {
  std::string reason = axl_last_error();
  axl_result first{};
  Ticket oldest = axl_queue_take_error(queue_, &first, sizeof(first)) == 0
                      ? first.sequence  // given up with the endpoint
                      : axl_queue_poll(queue_) + 1;
  if (oldest > last()) {
    session_.lose(status, "waiting for", reason);
  }
  session_.lose(status,
                c10::str("waiting for ", operator_of(oldest), " (command ", oldest, " of queue ",
                         axl_queue_index(queue_), ") of"),
                reason);
}

// Until everything up to ticket has ended; libaxl's verdict. Throws if the endpoint is lost.
int Stream::settle(Ticket ticket) {
  int status = 0;
  bool probed = false;

  flush();
  while (!await(ticket, &status)) {
    int health = axl_device_check(session_.device());
    if (health == -EIO && !probed) {
      probed = true;
      probe();
    } else if (health < 0) {
      lose(health);
    }
  }
  return status;
}

void Stream::wait(Ticket ticket) {
  std::shared_lock<std::shared_mutex> open(closing_);
  int status = settle(ticket);
  ++waits_;
  if (status < 0) {
    raise(status);
  }
  std::lock_guard<std::mutex> guard(lock_);
  poll_locked();
}

void Stream::drain() noexcept {
  try {
    std::shared_lock<std::shared_mutex> open(closing_);
    settle(last());  // what failed is told by the next wait()
  } catch (const c10::Error&) {
    // The endpoint is lost: told by the next use of it.
  }
}

std::string Stream::describe(const axl_result& result) const {
  return c10::str(session_.label(), ": ", operator_of(result.sequence), " failed: command ",
                  result.sequence, " (", axl_opcode_name(result.opcode), ") of queue ",
                  axl_queue_index(queue_), " ended with ", axl_status_name(result.status),
                  result.status == AXL_STATUS_INDEX_OUT_OF_RANGE
                      ? c10::str(" (index ", static_cast<int32_t>(result.result), ")")
                      : "");
}

// The first failed command of the stream; the stream works again afterwards.
void Stream::raise(int status) {
  axl_result first{};
  if (status == -ESTALE || status == -ENODEV || session_.was_reset() ||
      axl_queue_take_error(queue_, &first, sizeof(first)) < 0) {
    lose(status);
  }
  std::string text = describe(first);
  if (first.status == AXL_STATUS_LOST && axl_queue_reset(queue_) < 0) {
    session_.lose(-EIO, "resetting a queue of", axl_last_error());
  }
  axl_queue_wait(queue_, submitted_, kSliceNs);
  axl_result later{};
  while (axl_queue_take_error(queue_, &later, sizeof(later)) == 0) {
  }
  if (axl_context_is_faulted(session_.context()) == 1) {
    axl_context_recover(session_.context());
  }
  throw c10::AcceleratorError({__func__, __FILE__, static_cast<uint32_t>(__LINE__)}, -status,
                              text + ". Results that depend on it are wrong: compute them again");
}

Staging& Stream::staging() {
  std::call_once(staging_once_, [this] { staging_ = std::make_unique<Staging>(*this); });
  return *staging_;
}

Stream::Counts Stream::counts() const {
  return {last(), submits_, waits_};
}

}  // namespace axl
