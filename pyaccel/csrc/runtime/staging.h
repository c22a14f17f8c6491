// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
// Pinned memory through which a stream moves data of ordinary host memory.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <mutex>

namespace axl {

class Stream;

class Staging {
 public:
  explicit Staging(Stream& stream);
  ~Staging();
  Staging(const Staging&) = delete;
  Staging& operator=(const Staging&) = delete;

  // Returns once the bytes at src may change; the copy itself goes on.
  void upload(uint64_t dst_va, const void* src, size_t bytes, const char* what);

  // Returns once the bytes are there. Throws what went wrong on the stream.
  void download(void* dst, uint64_t src_va, size_t bytes, const char* what);

 private:
  struct Piece {
    size_t begin;
    size_t end;
    uint64_t ticket;  // of the command that uses it
  };

  size_t take(size_t bytes);
  uint64_t copy(uint64_t dst_va, uint64_t src_va, size_t bytes, const char* what);

  Stream& stream_;
  std::mutex lock_;  // guards the ring, and keeps pieces and their commands together
  char* memory_;
  uint64_t va_;
  size_t next_ = 0;
  std::deque<Piece> pieces_;
};

}  // namespace axl
