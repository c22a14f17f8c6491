// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
#include "runtime/memory.h"

#include <c10/util/Exception.h>

#include <algorithm>
#include <sstream>

#include "runtime/session.h"
#include "runtime/status.h"

namespace axl {
namespace {

constexpr size_t kAlign = 64;                 // of a block: a cache line
constexpr size_t kSegment = size_t{2} << 20;  // large pages of the device
constexpr size_t kPage = 4096;
constexpr size_t kShownHolders = 5;
constexpr auto kAll = static_cast<size_t>(c10::CachingAllocator::StatType::AGGREGATE);

size_t round_up(size_t bytes, size_t unit) {
  return (bytes + unit - 1) / unit * unit;
}

std::string mebibytes(uint64_t bytes) {
  std::ostringstream text;
  text.precision(bytes < (10u << 20) ? 3 : 5);
  text << static_cast<double>(bytes) / (1 << 20) << " MiB";
  return text.str();
}

}  // namespace

Block* Memory::allocate(size_t bytes, int stream) {
  std::lock_guard<std::mutex> guard(lock_);
  session_.check_alive();
  size_t rounded = round_up(bytes, kAlign);
  if (!waiting_.empty()) {
    release_finished();
  }
  Block* block = take_free(rounded, stream);
  if (block == nullptr) {
    block = grow(rounded, stream);
  }
  if (block == nullptr) {
    throw_out_of_memory(bytes);
  }
  split(block, rounded);
  block->allocated = true;
  block->requested = bytes;
  allocated_.insert(block);
  stats_.allocation[kAll].increase(1);
  stats_.active[kAll].increase(1);
  stats_.allocated_bytes[kAll].increase(block->bytes);
  stats_.active_bytes[kAll].increase(block->bytes);
  stats_.requested_bytes[kAll].increase(bytes);
  return block;
}

Block* Memory::take_free(size_t bytes, int stream) {
  Block wanted{};
  wanted.bytes = bytes;
  Pool& pool = free_[stream];
  auto found = pool.lower_bound(&wanted);
  if (found == pool.end()) {
    return nullptr;
  }
  Block* block = *found;
  pool.erase(found);
  return block;
}

// Whether the cache would hold more than an eighth beside what tensors use, if a segment were
// added: then it is better to give segments back that fit nothing.
bool Memory::hoards(size_t segment) const {
  size_t used = stats_.allocated_bytes[kAll].current + segment;
  size_t held = stats_.reserved_bytes[kAll].current + segment;
  return held > used + std::max(used / 8, 2 * kSegment);
}

// More memory of the endpoint; after giving back what nobody uses if there is too much or too
// little of it.
Block* Memory::grow(size_t bytes, int stream) {
  size_t wanted = round_up(bytes, kSegment);
  if (hoards(wanted)) {
    release_segments();
  }
  if (Block* block = new_segment(wanted, stream)) {
    return block;
  }
  ++stats_.num_alloc_retries;
  settle_streams();
  if (Block* block = take_free(bytes, stream)) {
    return block;
  }
  release_segments();
  Block* block = new_segment(wanted, stream);
  return block != nullptr ? block : new_segment(round_up(bytes, kPage), stream);
}

// Afterwards no command is in flight, so what is free may leave the endpoint.
void Memory::settle_streams() {
  ++stats_.num_sync_all_streams;
  for (int id = 0; id < kMaxStreams; ++id) {
    if (Stream* stream = session_.stream_if_made(id)) {
      stream->drain();
    }
  }
  release_finished();
}

Block* Memory::new_segment(size_t bytes, int stream) {
  axl_buffer* buffer = nullptr;
  int status = axl_buffer_create(session_.context(), bytes, AXL_MEMORY_DEVICE, 0, &buffer);
  if (status == -ENOMEM) {
    return nullptr;
  }
  if (status < 0) {
    session_.lose(status, "allocating memory of", axl_last_error());
  }
  auto segment = std::make_unique<Segment>();
  segment->buffer = buffer;
  segment->va = axl_buffer_va(buffer);
  segment->bytes = bytes;
  auto* block = new Block{&session_, segment.get(), segment->va, bytes};
  block->stream = stream;
  segments_.emplace(segment->va, std::move(segment));
  ++stats_.num_device_alloc;
  stats_.segment[kAll].increase(1);
  stats_.reserved_bytes[kAll].increase(bytes);
  return block;
}

void Memory::split(Block* block, size_t bytes) {
  if (block->bytes - bytes < kAlign) {
    return;
  }
  auto* rest = new Block{&session_, block->segment, block->va + bytes, block->bytes - bytes};
  rest->stream = block->stream;
  rest->before = block;
  rest->after = block->after;
  if (block->after != nullptr) {
    block->after->before = rest;
  }
  block->after = rest;
  block->bytes = bytes;
  free_[rest->stream].insert(rest);
}

void Memory::free(Block* block) noexcept {
  std::lock_guard<std::mutex> guard(lock_);
  allocated_.erase(block);
  block->allocated = false;
  stats_.allocation[kAll].decrease(1);
  stats_.allocated_bytes[kAll].decrease(block->bytes);
  stats_.requested_bytes[kAll].decrease(block->requested);
  if (!session_.alive()) {
    delete block;  // its memory went with the session
  } else if (!block->uses.empty()) {
    stamp_uses(block);
    waiting_.push_back(block);
  } else {
    put_free(block);
  }
}

void Memory::put_free(Block* block) {
  stats_.active[kAll].decrease(1);
  stats_.active_bytes[kAll].decrease(block->bytes);
  block = merge(block);
  free_[block->stream].insert(block);
}

Block* Memory::merge(Block* block) {
  Pool& pool = free_[block->stream];
  auto absorb = [&](Block* first, Block* second) {
    first->bytes += second->bytes;
    first->after = second->after;
    if (second->after != nullptr) {
      second->after->before = first;
    }
    delete second;
  };
  Block* after = block->after;
  if (after != nullptr && pool.erase(after) != 0) {
    absorb(block, after);
  }
  Block* before = block->before;
  if (before != nullptr && pool.erase(before) != 0) {
    absorb(before, block);
    block = before;
  }
  return block;
}

void Memory::record_use(Block* block, int stream) {
  std::lock_guard<std::mutex> guard(lock_);
  auto same = [stream](const auto& use) { return use.first == stream; };
  if (stream != block->stream && std::none_of(block->uses.begin(), block->uses.end(), same)) {
    block->uses.emplace_back(stream, 0);
  }
}

// Everything that another stream may do with a block was appended before it was freed.
void Memory::stamp_uses(Block* block) {
  for (auto& [id, last] : block->uses) {
    Stream* stream = session_.stream_if_made(id);
    last = stream != nullptr ? stream->last() : 0;
  }
}

// Blocks whose other streams are done go back; the rest goes on waiting.
void Memory::release_finished() {
  auto in_use = [this](const std::pair<int, Ticket>& use) {
    Stream* stream = session_.stream_if_made(use.first);
    return stream != nullptr && !stream->ended(use.second);
  };
  std::vector<Block*> still;
  for (Block* block : waiting_) {
    if (std::any_of(block->uses.begin(), block->uses.end(), in_use)) {
      still.push_back(block);
    } else {
      block->uses.clear();
      put_free(block);
    }
  }
  waiting_ = std::move(still);
}

void Memory::empty_cache() {
  std::lock_guard<std::mutex> guard(lock_);
  if (!session_.alive()) {
    return;
  }
  settle_streams();
  release_segments();
}

// Only those of streams that are idle: what is free there has no command in flight.
void Memory::release_segments() {
  for (auto& [id, pool] : free_) {
    Stream* stream = session_.stream_if_made(id);
    if (stream != nullptr && !stream->ended(stream->last())) {
      continue;
    }
    for (auto at = pool.begin(); at != pool.end();) {
      Block* block = *at;
      if (block->before != nullptr || block->after != nullptr) {
        ++at;
        continue;
      }
      at = pool.erase(at);
      Segment* segment = block->segment;
      for (auto& [peer, imported] : segment->imports) {
        axl_buffer_destroy(imported);
      }
      axl_buffer_destroy(segment->buffer);
      ++stats_.num_device_free;
      stats_.segment[kAll].decrease(1);
      stats_.reserved_bytes[kAll].decrease(segment->bytes);
      segments_.erase(segment->va);
      delete block;
    }
  }
}

std::string Memory::holders() const {
  std::map<size_t, size_t, std::greater<>> sizes;
  for (const Block* block : allocated_) {
    ++sizes[block->requested];
  }
  std::string text;
  size_t shown = 0;
  for (const auto& [bytes, count] : sizes) {
    if (shown++ == kShownHolders) {
      break;
    }
    text += c10::str(text.empty() ? "" : ", ", count, " x ", mebibytes(bytes));
  }
  return text.empty() ? "no tensor is alive" : "largest tensors alive: " + text;
}

void Memory::throw_out_of_memory(size_t bytes) {
  ++stats_.num_ooms;
  std::string reason = axl_last_error();
  uint64_t allocated = stats_.allocated_bytes[kAll].current;
  uint64_t reserved = stats_.reserved_bytes[kAll].current;
  TORCH_CHECK_WITH(
      OutOfMemoryError, false, session_.label(), ": out of memory: ", mebibytes(bytes),
      " were asked for; of ", mebibytes(session_.memory_bytes()), " this process holds ",
      mebibytes(allocated), " in ", allocated_.size(), " tensors and ",
      mebibytes(reserved - allocated), " in the cache (", holders(),
      "). Delete tensors, use smaller batches, or another endpoint. libaxl says: ", reason);
}

c10::CachingDeviceAllocator::DeviceStats Memory::stats() {
  std::lock_guard<std::mutex> guard(lock_);
  return stats_;
}

namespace {

template <typename Do>
void for_each_stat(c10::CachingDeviceAllocator::DeviceStats& stats, Do act) {
  for (auto* array : {&stats.allocation, &stats.segment, &stats.active, &stats.inactive_split,
                      &stats.allocated_bytes, &stats.reserved_bytes, &stats.active_bytes,
                      &stats.inactive_split_bytes, &stats.requested_bytes}) {
    for (auto& stat : *array) {
      act(stat);
    }
  }
}

}  // namespace

void Memory::reset_accumulated_stats() {
  std::lock_guard<std::mutex> guard(lock_);
  for_each_stat(stats_, [](auto& stat) { stat.reset_accumulated(); });
  stats_.num_alloc_retries = stats_.num_ooms = stats_.num_sync_all_streams = 0;
  stats_.num_device_alloc = stats_.num_device_free = 0;
}

void Memory::reset_peak_stats() {
  std::lock_guard<std::mutex> guard(lock_);
  for_each_stat(stats_, [](auto& stat) { stat.reset_peak(); });
}

uint64_t Memory::peer_va(Segment* segment, Session& peer) {
  std::lock_guard<std::mutex> guard(lock_);
  auto found = segment->imports.find(&peer);
  if (found == segment->imports.end()) {
    axl_buffer* imported = nullptr;
    int status = axl_buffer_import_peer(peer.context(), segment->buffer, &imported);
    if (status == -EXDEV || status == -EOPNOTSUPP) {
      imported = nullptr;  // no path: remembered, so that it is not tried for each copy
    } else if (status < 0) {
      fail(status, peer.label() + " importing memory of " + session_.label());
    }
    found = segment->imports.emplace(&peer, imported).first;
  }
  return found->second == nullptr ? 0 : axl_buffer_va(found->second);
}

void Memory::forget_peer(const Session& peer) noexcept {
  std::lock_guard<std::mutex> guard(lock_);
  for (auto& [va, segment] : segments_) {
    auto found = segment->imports.find(const_cast<Session*>(&peer));
    if (found != segment->imports.end()) {
      axl_buffer_destroy(found->second);
      segment->imports.erase(found);
    }
  }
}

void Memory::close() noexcept {
  std::lock_guard<std::mutex> guard(lock_);
  for (auto& [va, segment] : segments_) {
    for (auto& [peer, imported] : segment->imports) {
      axl_buffer_destroy(imported);
    }
    axl_buffer_destroy(segment->buffer);
  }
  segments_.clear();
  for (auto& [stream, pool] : free_) {
    for (Block* block : pool) {
      delete block;
    }
  }
  free_.clear();
  for (Block* block : waiting_) {
    delete block;
  }
  waiting_.clear();
}

}  // namespace axl
