// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
// Device memory of one session: segments from libaxl, cut into blocks.
//
// A block belongs to the stream that it was allocated on. It is used again on that stream at
// once, because a queue runs in order; where other streams use it too, only once they are done.
#pragma once

#include <axl.h>
#include <c10/core/CachingDeviceAllocator.h>

#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "runtime/stream.h"

namespace axl {

class Session;
struct Segment;

struct Block {
  Session* session;
  Segment* segment;
  uint64_t va;
  size_t bytes;
  size_t requested = 0;
  int stream = 0;
  bool allocated = false;
  Block* before = nullptr;  // neighbours in the segment
  Block* after = nullptr;
  std::vector<std::pair<int, Ticket>> uses{};  // by other streams: id and last command
};

struct Segment {
  axl_buffer* buffer;
  uint64_t va;
  size_t bytes;
  std::map<Session*, axl_buffer*> imports;  // by peers
};

class Memory {
 public:
  explicit Memory(Session& session) : session_(session) {}

  // Throws c10::OutOfMemoryError that shows what holds the memory.
  Block* allocate(size_t bytes, int stream);
  void free(Block* block) noexcept;
  void record_use(Block* block, int stream);

  // Gives segments without an allocated block back to the endpoint.
  void empty_cache();

  c10::CachingDeviceAllocator::DeviceStats stats();
  void reset_accumulated_stats();
  void reset_peak_stats();

  // Address of a segment for commands of another endpoint; 0 if there is no path to it.
  uint64_t peer_va(Segment* segment, Session& peer);

  // The session of a peer ends: nothing of this one is mapped there any more.
  void forget_peer(const Session& peer) noexcept;

  // Destroys every buffer; blocks that live on are empty shells.
  void close() noexcept;

 private:
  struct Smaller {
    bool operator()(const Block* a, const Block* b) const {
      return a->bytes != b->bytes ? a->bytes < b->bytes : a->va < b->va;
    }
  };
  using Pool = std::set<Block*, Smaller>;

  Block* take_free(size_t bytes, int stream);
  bool hoards(size_t segment) const;
  Block* grow(size_t bytes, int stream);
  Block* new_segment(size_t bytes, int stream);
  void split(Block* block, size_t bytes);
  Block* merge(Block* block);
  void put_free(Block* block);
  void stamp_uses(Block* block);
  void release_finished();
  void settle_streams();
  void release_segments();
  [[noreturn]] void throw_out_of_memory(size_t bytes);
  std::string holders() const;

  Session& session_;
  mutable std::mutex lock_;   // guards everything below
  std::map<int, Pool> free_;  // by stream
  std::set<Block*> allocated_;
  std::vector<Block*> waiting_;  // freed, but used by other streams
  std::map<uint64_t, std::unique_ptr<Segment>> segments_;
  c10::CachingDeviceAllocator::DeviceStats stats_;
};

}  // namespace axl
