// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
// Random numbers and dropout: Philox on the device, from the generator's seed and offset.
#include "ops/structured.h"

#include <ATen/Dispatch.h>
#include <ATen/MemoryOverlap.h>

#include <limits>

#include "device/generator.h"
#include "ops/commands.h"

namespace axl {
namespace {

using OptionalGenerator = std::optional<at::Generator>;

constexpr int64_t kNumbersPerBlock = 4;

// Fills 'out' whatever its strides; of at most eight dimensions.
void generate(const at::Tensor& out, uint32_t op, double first, double second,
              const OptionalGenerator& given, const char* what) {
  if (out.numel() == 0) {
    return;
  }
  at::assert_no_internal_overlap(out);
  Generator& generator = generator_of(given, out.device().index());
  axl_philox place{};
  {
    std::lock_guard<std::mutex> guard(generator.mutex_);
    place.seed = generator.current_seed();
    place.offset = generator.take((out.numel() + kNumbersPerBlock - 1) / kNumbersPerBlock);
  }
  axl_operand target = operand(out);
  axl_slot slots[AXL_CMD_SLOTS];
  size_t used =
      axl_cmd_random(slots, op, &target, shape_of(out.sizes()).dims, first, second, &place);
  stream_for(out).append(slots, used, what);
}

double largest(at::ScalarType dtype) {
  return AT_DISPATCH_FLOATING_TYPES_AND2(at::kHalf, at::kBFloat16, dtype, "uniform_", [] {
    return static_cast<double>(std::numeric_limits<scalar_t>::max());
  });
}

void check_range(double from, double to, at::ScalarType dtype) {
  double most = largest(dtype);
  TORCH_CHECK(-most <= from && from <= most, "from is out of bounds for ", dtype);
  TORCH_CHECK(-most <= to && to <= most, "to is out of bounds for ", dtype);
  TORCH_CHECK(from <= to, "uniform_ expects to return a [from, to) range, but found from=", from,
              " > to=", to);
  TORCH_CHECK(to - from <= most, "uniform_ expects to-from to fit into ", dtype,
              ", but found from=", from, " and to=", to);
}

at::Tensor& uniform(at::Tensor& self, double from, double to, OptionalGenerator generator) {
  if (!takes_floats(self)) {
    return call_fallback<at::_ops::uniform_>(self, from, to, generator);
  }
  check_range(from, to, self.scalar_type());
  generate(self, AXL_RANDOM_UNIFORM, from, to, generator, "aten::uniform_");
  return self;
}

at::Tensor& normal(at::Tensor& self, double mean, double std, OptionalGenerator generator) {
  if (!takes_floats(self)) {
    return call_fallback<at::_ops::normal_>(self, mean, std, generator);
  }
  TORCH_CHECK(std >= 0.0, "normal expects std >= 0.0, but found std ", std);
  generate(self, AXL_RANDOM_NORMAL, mean, std, generator, "aten::normal_");
  return self;
}

at::Tensor& bernoulli(at::Tensor& self, double p, OptionalGenerator generator) {
  if (!takes(self)) {
    return call_fallback<at::_ops::bernoulli__float>(self, p, generator);
  }
  TORCH_CHECK(0 <= p && p <= 1, "bernoulli_ expects p to be in [0, 1], but got p=", p);
  generate(self, AXL_RANDOM_BERNOULLI, p, 0, generator, "aten::bernoulli_");
  return self;
}

// Where one probability belongs to each element.
at::Tensor& bernoulli_each(at::Tensor& self, const at::Tensor& p, OptionalGenerator generator) {
  if (!takes(self) || !takes_floats(p)) {
    return call_fallback<at::_ops::bernoulli__Tensor>(self, p, generator);
  }
  at::assert_no_internal_overlap(self);
  at::Tensor numbers = make_like(self, self.sizes(), at::kFloat);
  generate(numbers, AXL_RANDOM_UNIFORM, 0, 1, generator, "aten::bernoulli_");
  Commands{"aten::bernoulli_", working_type(p.scalar_type())}.binary(self, AXL_BINARY_LT, numbers,
                                                                     p.expand(self.sizes()));
  return self;
}

at::Tensor& bernoulli_out(const at::Tensor& self, OptionalGenerator generator, at::Tensor& out) {
  resize_output(out, self.sizes());
  return bernoulli_each(out, self, generator);
}

// input * mask * scale in one command.
void mask_and_scale(const at::Tensor& out, const at::Tensor& input, const at::Tensor& mask,
                    double scale, const char* what) {
  Commands{what, input.scalar_type()}.ternary(out, AXL_TERNARY_ADDCMUL, 0.0, input, mask, scale);
}

std::tuple<at::Tensor, at::Tensor> dropout(const at::Tensor& input, double p,
                                           std::optional<bool> train) {
  if (!takes_floats(input)) {
    return call_fallback<at::_ops::native_dropout>(input, p, train);
  }
  at::Tensor mask = make_like(input, input.sizes(), at::kBool);
  at::Tensor out = make_like(input);
  if (!train.value_or(true)) {
    out.copy_(input);
    return {out, mask.fill_(true)};
  }
  generate(mask, AXL_RANDOM_BERNOULLI, 1 - p, 0, std::nullopt, "aten::native_dropout");
  mask_and_scale(out, input, mask, p == 1 ? 0 : 1 / (1 - p), "aten::native_dropout");
  return {out, mask};
}

at::Tensor dropout_backward(const at::Tensor& grad, const at::Tensor& mask, double scale) {
  if (!takes_floats(grad)) {
    return call_fallback<at::_ops::native_dropout_backward>(grad, mask, scale);
  }
  at::Tensor out = make_like(grad);
  mask_and_scale(out, grad, mask, scale, "aten::native_dropout_backward");
  return out;
}

TORCH_LIBRARY_IMPL(aten, PrivateUse1, m) {
  m.impl("uniform_", &uniform);
  m.impl("normal_", &normal);
  m.impl("bernoulli_.float", &bernoulli);
  m.impl("bernoulli_.Tensor", &bernoulli_each);
  m.impl("bernoulli.out", &bernoulli_out);
  m.impl("native_dropout", &dropout);
  m.impl("native_dropout_backward", &dropout_backward);
}

}  // namespace
}  // namespace axl
