// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
// What the Python side of the backend calls, as operators of the namespace 'axl'.
#include <torch/csrc/autograd/engine.h>
#include <torch/headeronly/version.h>
#include <torch/library.h>

#include "device/allocator.h"
#include "device/current.h"
#include "device/generator.h"
#include "ops/fallback.h"

#if TORCH_VERSION_MAJOR != 2 || TORCH_VERSION_MINOR < 13
#error "this backend is written for PyTorch 2.13 and later of 2.x"
#endif

namespace axl {
namespace {

c10::DeviceIndex to_index(int64_t index) {
  TORCH_CHECK(index >= 0 && index < kMaxDevices, "axl:", index, " does not exist");
  return static_cast<c10::DeviceIndex>(index);
}

// Commands, submits and waits of all streams of a device since it was opened.
std::vector<int64_t> counts(int64_t index) {
  Stream::Counts sum;
  Session* open = session_if_open(to_index(index));
  for (int id = 0; open != nullptr && id < kMaxStreams; ++id) {
    if (Stream* stream = open->stream_if_made(id)) {
      Stream::Counts one = stream->counts();
      sum.commands += one.commands;
      sum.submits += one.submits;
      sum.waits += one.waits;
    }
  }
  return {static_cast<int64_t>(sum.commands), static_cast<int64_t>(sum.submits),
          static_cast<int64_t>(sum.waits)};
}

std::vector<std::string> fallback_names() {
  std::vector<std::string> names;
  for (const auto& [name, count] : fallbacks()) {
    names.push_back(c10::str(count, " ", name));
  }
  return names;
}

TORCH_LIBRARY_FRAGMENT(axl, m) {
  m.def("device_count() -> int", [] { return int64_t{device_count()}; });
  m.def("why_none() -> str", [] { return why_none(); });
  m.def("is_forked() -> bool", [] { return is_forked(); });
  m.def("open(int index) -> str", [](int64_t index) { return session(to_index(index)).id(); });
  m.def("is_open(int index) -> bool",
        [](int64_t index) { return session_if_open(to_index(index)) != nullptr; });
  // Another number after each reset, which tensors do not outlive.
  m.def("session(int index) -> int",
        [](int64_t index) { return reinterpret_cast<int64_t>(&session(to_index(index))); });
  m.def("current_device() -> int", [] { return int64_t{current_device()}; });
  m.def("set_device(int index) -> ()", [](int64_t index) { set_current_device(to_index(index)); });
  m.def("default_generator(int index) -> Generator?", [](int64_t index) {
    return std::optional<at::Generator>(default_generator(to_index(index)));
  });
  m.def("counts(int index) -> int[]", &counts);
  m.def("hold(int index) -> int", [](int64_t index) {
    Stream& stream = current_stream(to_index(index));
    stream.hold();
    return int64_t{stream.id()};
  });
  m.def("release(int index, int stream) -> ()", [](int64_t index, int64_t stream) {
    Session* open = session_if_open(to_index(index));
    TORCH_CHECK(stream >= 0 && stream < kMaxStreams, "axl:", index, " has no stream ", stream);
    if (Stream* held = open ? open->stream_if_made(static_cast<int>(stream)) : nullptr) {
      held->release();
    }
  });
  m.def("fallbacks() -> str[]", &fallback_names);
  m.def("reset_fallbacks() -> ()", [] { reset_fallbacks(); });
  m.def("stop_autograd() -> ()", [] { torch::autograd::Engine::get_default_engine().stop(); });
}

}  // namespace
}  // namespace axl
