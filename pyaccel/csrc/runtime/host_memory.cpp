// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
#include "runtime/host_memory.h"

#include <c10/util/Exception.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <map>
#include <mutex>

#include "runtime/session.h"
#include "runtime/status.h"

namespace axl {
namespace {

constexpr size_t kPage = 4096;

struct Region {
  int fd;
  size_t bytes;
  std::map<Session*, axl_buffer*> mapped;
};

struct Regions {
  std::mutex lock;                    // guards the table
  std::map<uintptr_t, Region> table;  // by address
};

// Never destroyed: tensors may be freed while the process ends.
Regions& regions() {
  static auto* all = new Regions;
  return *all;
}

// The region of an address, with the lock held; table.end() if there is none.
std::map<uintptr_t, Region>::iterator find(uintptr_t address) {
  auto& table = regions().table;
  auto after = table.upper_bound(address);
  if (after == table.begin()) {
    return table.end();
  }
  --after;
  return address - after->first < after->second.bytes ? after : table.end();
}

}  // namespace

void* allocate_host_memory(size_t bytes) {
  size_t rounded = (bytes + kPage - 1) / kPage * kPage;
  int fd = memfd_create("axl-pinned", MFD_CLOEXEC | MFD_ALLOW_SEALING);
  void* address = MAP_FAILED;
  if (fd >= 0 && ftruncate(fd, static_cast<off_t>(rounded)) == 0 &&
      fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK) == 0) {
    address = mmap(nullptr, rounded, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  }
  if (address == MAP_FAILED) {
    int error = errno;
    if (fd >= 0) {
      close(fd);
    }
    TORCH_CHECK_WITH(OutOfMemoryError, false, "axl: ", rounded,
                     " bytes of pinned host memory: ", std::strerror(error));
  }
  // A forked child must not write into memory that a device is reading.
  madvise(address, rounded, MADV_DONTFORK);
  std::lock_guard<std::mutex> guard(regions().lock);
  regions().table.emplace(reinterpret_cast<uintptr_t>(address), Region{fd, rounded, {}});
  return address;
}

void free_host_memory(void* address) noexcept {
  std::lock_guard<std::mutex> guard(regions().lock);
  auto found = regions().table.find(reinterpret_cast<uintptr_t>(address));
  if (found == regions().table.end()) {
    return;
  }
  for (auto& [session, buffer] : found->second.mapped) {
    axl_buffer_destroy(buffer);
  }
  munmap(address, found->second.bytes);
  close(found->second.fd);
  regions().table.erase(found);
}

bool is_host_memory(const void* address) noexcept {
  std::lock_guard<std::mutex> guard(regions().lock);
  return find(reinterpret_cast<uintptr_t>(address)) != regions().table.end();
}

uint64_t host_va(Session& session, const void* address, size_t bytes) {
  auto at = reinterpret_cast<uintptr_t>(address);
  std::lock_guard<std::mutex> guard(regions().lock);
  auto found = find(at);
  if (found == regions().table.end() || at - found->first + bytes > found->second.bytes) {
    return 0;
  }
  Region& region = found->second;
  axl_buffer*& buffer = region.mapped[&session];
  if (buffer == nullptr) {
    int status = axl_buffer_import(session.context(), region.fd, 0, region.bytes, &buffer);
    if (status < 0) {
      region.mapped.erase(&session);
      if (status == -ENOMEM || status == -EPERM) {
        fail(status, session.label() + " mapping pinned host memory");
      }
      session.lose(status, "mapping pinned host memory for", axl_last_error());
    }
  }
  return axl_buffer_va(buffer) + (at - found->first);
}

void forget_host_memory(Session& session) noexcept {
  std::lock_guard<std::mutex> guard(regions().lock);
  for (auto& [address, region] : regions().table) {
    auto found = region.mapped.find(&session);
    if (found != region.mapped.end()) {
      axl_buffer_destroy(found->second);
      region.mapped.erase(found);
    }
  }
}

}  // namespace axl
