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

// Along 'dim', which stays as 1.
at::Tensor summed(const Commands& on, const at::Tensor& values, int64_t dim) {
  at::Tensor sum = scratch(values, kept_sizes(values.sizes(), dim));
  on.reduce(sum, AXL_REDUCE_SUM, values, dim);
  return sum;
}

// A number is a vector of one element here.
at::Tensor at_least_1d(const at::Tensor& tensor) {
  return tensor.dim() == 0 ? tensor.view({1}) : tensor;
}

// exp(x) / sum(exp(x)), or the logarithm of that.
template <bool Log>
struct Softmax {
  template <typename Op>
  static void run(Op& op, const at::Tensor& given, int64_t dim, bool) {
    at::Tensor self = at_least_1d(given), out = at_least_1d(op.outputs[0]);
    if (self.numel() == 0) {
      return;
    }
    dim = at::maybe_wrap_dim(dim, self.dim());
    Commands on{op.what, working_type(self.scalar_type())};
    at::Tensor difference = shifted(on, self, dim);
    at::Tensor powers = Log ? scratch(self) : difference;
    on.unary(powers, AXL_UNARY_EXP, difference);
    at::Tensor sum = summed(on, powers, dim);
    if constexpr (Log) {
      on.unary(sum, AXL_UNARY_LOG, sum);
    }
    on.binary(out, Log ? AXL_BINARY_SUB : AXL_BINARY_DIV, difference, sum);
  }
};

// y * (g - sum(g * y)), or g - exp(y) * sum(g).
template <bool Log>
struct SoftmaxBackward {
  template <typename Op>
  static void run(Op& op, const at::Tensor& grad, const at::Tensor& output, int64_t dim,
                  at::ScalarType) {
    at::Tensor g = at_least_1d(grad), y = at_least_1d(output), out = at_least_1d(op.outputs[0]);
    dim = at::maybe_wrap_dim(dim, y.dim());
    Commands on{op.what, working_type(y.scalar_type())};
    at::Tensor terms = scratch(y);
    if constexpr (Log) {
      on.unary(terms, AXL_UNARY_EXP, y);
      on.ternary(out, AXL_TERNARY_ADDCMUL, g, terms, summed(on, g, dim), -1);
    } else {
      on.binary(terms, AXL_BINARY_MUL, g, y);
      on.ternary(out, AXL_TERNARY_ADDCMUL, terms, y, summed(on, terms, dim), -1);
    }
  }
};

TORCH_LIBRARY_IMPL(aten, PrivateUse1, m) {
  add_out<at::_ops::_softmax, at::_ops::_softmax_out, at::meta::structured__softmax,
          Softmax<false>>(m);
  add_out<at::_ops::_log_softmax, at::_ops::_log_softmax_out, at::meta::structured__log_softmax,
          Softmax<true>>(m);
  add_out<at::_ops::_softmax_backward_data, at::_ops::_softmax_backward_data_out,
          at::meta::structured__softmax_backward_data, SoftmaxBackward<false>>(m);
  add_out<at::_ops::_log_softmax_backward_data, at::_ops::_log_softmax_backward_data_out,
          at::meta::structured__log_softmax_backward_data, SoftmaxBackward<true>>(m);
}

}  // namespace
}  // namespace axl
