// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
#include "runtime/staging.h"

#include <axl_cmd.h>
#include <c10/util/Exception.h>

#include <algorithm>
#include <cstring>

#include "runtime/host_memory.h"
#include "runtime/session.h"
#include "runtime/stream.h"

namespace axl {
namespace {

// Pieces so small that host and device work on different ones at the same time, and so large
// that a command for each costs little beside the bytes.
constexpr size_t kPiece = size_t{1} << 20;
constexpr size_t kRing = 4 * kPiece;
constexpr size_t kAlign = 64;
constexpr size_t kAhead = 3;  // downloads in flight

size_t aligned(size_t bytes) {
  return (bytes + kAlign - 1) / kAlign * kAlign;
}

}  // namespace

Staging::Staging(Stream& stream)
    : stream_(stream),
      memory_(static_cast<char*>(allocate_host_memory(kRing))),
      va_(host_va(stream.session(), memory_, kRing)) {}

Staging::~Staging() {
  free_host_memory(memory_);
}

// Offset of a free piece of the ring: waits for the commands that use what is in the way.
size_t Staging::take(size_t bytes) {
  if (next_ + bytes > kRing) {
    next_ = 0;
  }
  size_t begin = next_, end = begin + aligned(bytes);
  auto overlaps = [&](const Piece& piece) { return piece.begin < end && begin < piece.end; };
  while (!pieces_.empty() &&
         (overlaps(pieces_.front()) || std::any_of(pieces_.begin(), pieces_.end(), overlaps))) {
    if (!stream_.ended(pieces_.front().ticket)) {
      stream_.wait(pieces_.front().ticket);
    }
    pieces_.pop_front();
  }
  next_ = end;
  return begin;
}

uint64_t Staging::copy(uint64_t dst_va, uint64_t src_va, size_t bytes, const char* what) {
  axl_slot slot;
  axl_cmd_copy(&slot, dst_va, src_va, bytes);
  return stream_.append(&slot, 1, what);
}

void Staging::upload(uint64_t dst_va, const void* src, size_t bytes, const char* what) {
  std::lock_guard<std::mutex> guard(lock_);
  for (size_t done = 0; done < bytes; done += kPiece) {
    size_t count = std::min(kPiece, bytes - done);
    size_t at = take(count);
    std::memcpy(memory_ + at, static_cast<const char*>(src) + done, count);
    uint64_t ticket = copy(dst_va + done, va_ + at, count, what);
    pieces_.push_back({at, at + aligned(count), ticket});
    if (count == kPiece) {
      stream_.flush();  // the device starts while the next piece is filled
    }
  }
}

void Staging::download(void* dst, uint64_t src_va, size_t bytes, const char* what) {
  struct Arrival {
    size_t at;
    size_t offset;
    size_t bytes;
    uint64_t ticket;
  };
  std::lock_guard<std::mutex> guard(lock_);
  std::deque<Arrival> coming;
  size_t asked = 0, done = 0;
  while (done < bytes) {
    while (asked < bytes && coming.size() < kAhead) {
      size_t count = std::min(kPiece, bytes - asked);
      size_t at = take(count);
      uint64_t ticket = copy(va_ + at, src_va + asked, count, what);
      pieces_.push_back({at, at + aligned(count), ticket});
      coming.push_back({at, asked, count, ticket});
      asked += count;
    }
    Arrival first = coming.front();
    coming.pop_front();
    stream_.wait(first.ticket);
    std::memcpy(static_cast<char*>(dst) + first.offset, memory_ + first.at, first.bytes);
    done += first.bytes;
  }
}

}  // namespace axl
