// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
// softmax and log_softmax with their gradients. half_to_float needs nothing: the output's type
// says.
#include "ops/structured.h"

#include <ATen/ops/_log_softmax_backward_data_meta.h>
#include <ATen/ops/_log_softmax_meta.h>
#include <ATen/ops/_softmax_backward_data_meta.h>
#include <ATen/ops/_softmax_meta.h>

#include <ATen/WrapDimUtils.h>

#include "ops/commands.h"

namespace axl {
namespace {

// The input less its maximum along 'dim', in the working type.
at::Tensor shifted(const Commands& on, const at::Tensor& self, int64_t dim) {
  at::Tensor top = scratch(self, kept_sizes(self.sizes(), dim));
  at::Tensor result = scratch(self);
  on.reduce(top, AXL_REDUCE_MAX, self, dim);
  on.binary(result, AXL_BINARY_SUB, self, top);
  return result;
}

int64_t wrapped(const at::Tensor& self, int64_t dim) {
  return at::maybe_wrap_dim(dim, self.dim());
}

// A number is a vector of one element here.
at::Tensor at_least_1d(const at::Tensor& tensor) {
  return tensor.dim() == 0 ? tensor.view({1}) : tensor;
}

struct Softmax {
  template <typename Op>
  static void run(Op& op, const at::Tensor& given, int64_t dim, bool) {
    at::Tensor self = at_least_1d(given), out = at_least_1d(op.outputs[0]);
    dim = wrapped(self, dim);
    Commands on{op.what, working_type(self.scalar_type())};
    if (self.numel() == 0) {
      return;
    }
    at::Tensor powers = shifted(on, self, dim);
    at::Tensor sum = scratch(self, kept_sizes(self.sizes(), dim));
    on.unary(powers, AXL_UNARY_EXP, powers);
    on.reduce(sum, AXL_REDUCE_SUM, powers, dim);
    on.binary(out, AXL_BINARY_DIV, powers, sum);
  }
};

struct LogSoftmax {
  template <typename Op>
  static void run(Op& op, const at::Tensor& given, int64_t dim, bool) {
    at::Tensor self = at_least_1d(given), out = at_least_1d(op.outputs[0]);
    dim = wrapped(self, dim);
    Commands on{op.what, working_type(self.scalar_type())};
    if (self.numel() == 0) {
      return;
    }
    at::Tensor difference = shifted(on, self, dim);
    at::Tensor powers = scratch(self);
    at::Tensor sum = scratch(self, kept_sizes(self.sizes(), dim));
    on.unary(powers, AXL_UNARY_EXP, difference);
    on.reduce(sum, AXL_REDUCE_SUM, powers, dim);
    on.unary(sum, AXL_UNARY_LOG, sum);
    on.binary(out, AXL_BINARY_SUB, difference, sum);
  }
};

// y * (g - sum(g * y))
struct SoftmaxBackward {
  template <typename Op>
  static void run(Op& op, const at::Tensor& grad, const at::Tensor& output, int64_t dim,
                  at::ScalarType) {
    at::Tensor g = at_least_1d(grad), y = at_least_1d(output), out = at_least_1d(op.outputs[0]);
    dim = wrapped(y, dim);
    Commands on{op.what, working_type(y.scalar_type())};
    at::Tensor product = scratch(y);
    at::Tensor sum = scratch(y, kept_sizes(y.sizes(), dim));
    on.binary(product, AXL_BINARY_MUL, g, y);
    on.reduce(sum, AXL_REDUCE_SUM, product, dim);
    on.ternary(out, AXL_TERNARY_ADDCMUL, product, y, sum, -1);
  }
};

// g - exp(y) * sum(g)
struct LogSoftmaxBackward {
  template <typename Op>
  static void run(Op& op, const at::Tensor& grad, const at::Tensor& output, int64_t dim,
                  at::ScalarType) {
    at::Tensor g = at_least_1d(grad), y = at_least_1d(output), out = at_least_1d(op.outputs[0]);
    dim = wrapped(y, dim);
    Commands on{op.what, working_type(y.scalar_type())};
    at::Tensor powers = scratch(y);
    at::Tensor sum = scratch(y, kept_sizes(y.sizes(), dim));
    on.reduce(sum, AXL_REDUCE_SUM, g, dim);
    on.unary(powers, AXL_UNARY_EXP, y);
    on.ternary(out, AXL_TERNARY_ADDCMUL, g, powers, sum, -1);
  }
};

TORCH_LIBRARY_IMPL(aten, PrivateUse1, m) {
  add_out<at::_ops::_softmax, at::_ops::_softmax_out, at::meta::structured__softmax, Softmax>(m);
  add_out<at::_ops::_log_softmax, at::_ops::_log_softmax_out, at::meta::structured__log_softmax,
          LogSoftmax>(m);
  add_out<at::_ops::_softmax_backward_data, at::_ops::_softmax_backward_data_out,
          at::meta::structured__softmax_backward_data, SoftmaxBackward>(m);
  add_out<at::_ops::_log_softmax_backward_data, at::_ops::_log_softmax_backward_data_out,
          at::meta::structured__log_softmax_backward_data, LogSoftmaxBackward>(m);
}

}  // namespace
}  // namespace axl
