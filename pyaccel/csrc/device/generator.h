// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
// Random numbers: Philox on the device, so the state is a seed and an offset.
#pragma once

#include <ATen/core/Generator.h>

#include <mutex>

namespace axl {

class Generator final : public c10::GeneratorImpl {
 public:
  explicit Generator(c10::DeviceIndex index);

  void set_current_seed(uint64_t seed) override;
  uint64_t current_seed() const override { return seed_; }
  uint64_t seed() override;
  void set_offset(uint64_t offset) override { offset_ = offset; }
  uint64_t get_offset() const override { return offset_; }
  void set_state(const c10::TensorImpl& state) override;
  c10::intrusive_ptr<c10::TensorImpl> get_state() const override;

  // Takes 'blocks' blocks of four numbers; returns the first. mutex_ is held.
  uint64_t take(uint64_t blocks);

  static c10::DeviceType device_type() { return c10::DeviceType::PrivateUse1; }

 private:
  Generator* clone_impl() const override;

  uint64_t seed_ = c10::default_rng_seed_val;
  uint64_t offset_ = 0;
};

const at::Generator& default_generator(c10::DeviceIndex index);

// The generator given, or the device's own; throws for one of another device.
Generator& generator_of(const std::optional<at::Generator>& given, c10::DeviceIndex index);

// A CPU generator that continues this one, for operators that run on the CPU. Takes a block.
at::Generator cpu_generator(Generator& generator);

}  // namespace axl
