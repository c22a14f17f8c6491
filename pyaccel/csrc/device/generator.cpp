// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
#include "device/generator.h"

#include <ATen/CPUGeneratorImpl.h>
#include <ATen/Utils.h>
#include <c10/core/CPUAllocator.h>

#include <array>
#include <cstring>

#include "device/current.h"

namespace axl {
namespace {

struct State {
  uint64_t seed;
  uint64_t offset;
};

}  // namespace

Generator::Generator(c10::DeviceIndex index)
    : c10::GeneratorImpl(c10::Device(device_type(), index),
                         c10::DispatchKeySet(c10::DispatchKey::PrivateUse1)) {}

void Generator::set_current_seed(uint64_t seed) {
  seed_ = seed;
  offset_ = 0;
}

uint64_t Generator::seed() {
  set_current_seed(c10::detail::getNonDeterministicRandom());
  return seed_;
}

void Generator::set_state(const c10::TensorImpl& state) {
  TORCH_CHECK(state.is_cpu() && state.dtype() == caffe2::TypeMeta::Make<uint8_t>() &&
                  state.numel() == sizeof(State) && state.is_contiguous(),
              "axl: the state of a generator is a ByteTensor of ", sizeof(State),
              " elements on the CPU, as get_state() gives it");
  State raw{};
  std::memcpy(&raw, state.data(), sizeof(raw));
  seed_ = raw.seed;
  offset_ = raw.offset;
}

c10::intrusive_ptr<c10::TensorImpl> Generator::get_state() const {
  at::Tensor state =
      at::detail::empty_cpu({static_cast<int64_t>(sizeof(State))}, at::kByte, false, std::nullopt);
  State raw{seed_, offset_};
  std::memcpy(state.mutable_data_ptr(), &raw, sizeof(raw));
  return state.getIntrusivePtr();
}

uint64_t Generator::take(uint64_t blocks) {
  uint64_t first = offset_;
  offset_ += blocks;
  return first;
}

Generator* Generator::clone_impl() const {
  auto* copy = new Generator(device().index());
  copy->seed_ = seed_;
  copy->offset_ = offset_;
  return copy;
}

const at::Generator& default_generator(c10::DeviceIndex index) {
  // Never destroyed, like PyTorch's own.
  static auto* all = new std::array<at::Generator, kMaxDevices>;
  static std::mutex lock;
  c10::DeviceIndex wanted = index < 0 ? current_device() : index;
  TORCH_CHECK(wanted >= 0 && wanted < kMaxDevices, "axl:", static_cast<int>(index),
              " does not exist");
  std::lock_guard<std::mutex> guard(lock);
  at::Generator& found = (*all)[wanted];
  if (!found.defined()) {
    found = at::make_generator<Generator>(wanted);
  }
  return found;
}

Generator& generator_of(const std::optional<at::Generator>& given, c10::DeviceIndex index) {
  const at::Generator& used =
      given.has_value() && given->defined() ? *given : default_generator(index);
  TORCH_CHECK(used.device().type() == Generator::device_type(),
              "Expected an 'axl' device type for generator but found '", used.device().type(),
              "': make it with torch.Generator(device='axl')");
  return *static_cast<Generator*>(used.unsafeGetGeneratorImpl());
}

at::Generator cpu_generator(Generator& generator) {
  std::lock_guard<std::mutex> guard(generator.mutex_);
  uint64_t first = generator.take(1);
  // A different engine: the numbers are not the device's, but the same state gives the same.
  return at::detail::createCPUGenerator(generator.current_seed() ^ (first * 0x9E3779B97F4A7C15ull));
}

}  // namespace axl
