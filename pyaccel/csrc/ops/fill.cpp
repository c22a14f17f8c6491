// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
// fill_ and zero_.
#include <c10/util/BFloat16.h>
#include <c10/util/Half.h>

#include <cstring>

#include "ops/fallback.h"
#include "ops/launch.h"

#include <ATen/ops/fill_ops.h>

namespace axl {
namespace {

template <typename T>
uint64_t bits(T value) {
  uint64_t raw = 0;
  std::memcpy(&raw, &value, sizeof(value));
  return raw;
}

// The number as an element of the type, in the low bytes.
uint64_t pattern(const at::Scalar& value, at::ScalarType dtype) {
  switch (dtype) {
    case at::kByte:
      return bits(value.to<uint8_t>());
    case at::kChar:
      return bits(value.to<int8_t>());
    case at::kShort:
      return bits(value.to<int16_t>());
    case at::kInt:
      return bits(value.to<int32_t>());
    case at::kLong:
      return bits(value.to<int64_t>());
    case at::kHalf:
      return bits(value.to<at::Half>());
    case at::kBFloat16:
      return bits(value.to<at::BFloat16>());
    case at::kFloat:
      return bits(value.to<float>());
    case at::kDouble:
      return bits(value.to<double>());
    default:
      return value.to<bool>() ? 1 : 0;
  }
}

// One of the elements that an expanded dimension shows again and again.
at::Tensor unexpanded(at::Tensor tensor) {
  for (int64_t dim = 0; dim < tensor.dim(); ++dim) {
    if (tensor.stride(dim) == 0) {
      tensor = tensor.narrow(dim, 0, 1);
    }
  }
  return tensor;
}

at::Tensor& fill_scalar(at::Tensor& self, const at::Scalar& value) {
  if (self.numel() == 0) {
    return self;
  }
  at::Tensor written = unexpanded(self);
  if (!has_dtype(self.scalar_type())) {
    call_fallback<at::_ops::fill__Scalar>(written, value);
    return self;
  }
  auto iter = at::TensorIterator::borrowing_nullary_op(written);
  launch(iter, AXL_OPCODE_FILL, 0, self.scalar_type(), pattern(value, self.scalar_type()),
         "aten::fill_");
  return self;
}

at::Tensor& fill_tensor(at::Tensor& self, const at::Tensor& value) {
  TORCH_CHECK(value.dim() == 0, "fill_ only supports 0-dimension value tensor but got tensor with ",
              value.dim(), " dimensions.");
  return value.device() == self.device() ? self.copy_(value) : fill_scalar(self, value.item());
}

at::Tensor& zero(at::Tensor& self) {
  return fill_scalar(self, 0);
}

TORCH_LIBRARY_IMPL(aten, PrivateUse1, m) {
  m.impl("fill_.Scalar", &fill_scalar);
  m.impl("fill_.Tensor", &fill_tensor);
  m.impl("zero_", &zero);
}

}  // namespace
}  // namespace axl
