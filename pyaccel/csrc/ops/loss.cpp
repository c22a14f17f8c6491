// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
// Negative log-likelihood (the last part of cross entropy) and mean squared error.
#include "ops/structured.h"

#include <ATen/core/Reduction.h>
#include <ATen/ops/nll_loss_backward_meta.h>
#include <ATen/ops/nll_loss_forward_meta.h>

#include "ops/commands.h"

namespace axl {
namespace {

using Optional = std::optional<at::Tensor>;

bool takes_nll(const at::Tensor& self, const at::Tensor& target, const Optional& weight) {
  return takes_floats(self) && takes(target) &&
         (!weight.has_value() || !weight->defined() || weight->scalar_type() == self.scalar_type());
}

// Of every row: its class (0 where it is ignored) and its weight (0 where it is ignored).
struct Rows {
  at::Tensor ignored_as_zero;
  at::Tensor weight;
  at::Tensor counts;
};

Rows rows_of(const Commands& on, const at::Tensor& self, const at::Tensor& target,
             const Optional& weight, int64_t ignore) {
  at::IntArrayRef sizes = target.sizes();
  Rows rows{make_like(target, sizes), scratch(self, sizes), make_like(target, sizes, at::kBool)};
  Commands whole{on.what, target.scalar_type()};
  whole.binary(rows.counts, AXL_BINARY_NE, target, static_cast<double>(ignore));
  whole.ternary(rows.ignored_as_zero, AXL_TERNARY_WHERE, rows.counts, target, 0.0);
  if (weight.has_value() && weight->defined()) {
    on.gather(rows.weight, *weight, rows.ignored_as_zero, 0);
    on.ternary(rows.weight, AXL_TERNARY_WHERE, rows.counts, rows.weight, 0.0);
  } else {
    on.copy(rows.weight, rows.counts);
  }
  return rows;
}

// One row without a batch becomes a batch of one.
at::Tensor batched(const at::Tensor& tensor, int64_t ndim) {
  return tensor.dim() == ndim ? tensor : tensor.unsqueeze(0);
}

void nll(const Commands& on, const at::Tensor& self, const at::Tensor& target,
         const Optional& weight, int64_t reduction, int64_t ignore, const at::Tensor& out,
         const at::Tensor& total) {
  Rows rows = rows_of(on, self, target, weight, ignore);
  at::Tensor picked = scratch(self, target.sizes());
  on.gather(picked.unsqueeze(1), self, rows.ignored_as_zero.unsqueeze(1), 1);
  on.ternary(picked, AXL_TERNARY_WHERE, rows.counts, picked, 0.0);
  if (reduction == at::Reduction::None) {
    on.ternary(out, AXL_TERNARY_ADDCMUL, 0.0, picked, rows.weight, -1);
    const_cast<at::Tensor&>(total).zero_();
    return;
  }
  on.ternary(picked, AXL_TERNARY_ADDCMUL, 0.0, picked, rows.weight, -1);
  on.reduce(total, AXL_REDUCE_SUM, rows.weight, {0});
  on.reduce(out, AXL_REDUCE_SUM, picked, {0});
  if (reduction == at::Reduction::Mean) {
    on.binary(out, AXL_BINARY_DIV, out, total);
  }
}

std::tuple<at::Tensor&, at::Tensor&> nll_out(const at::Tensor& self, const at::Tensor& target,
                                             const Optional& weight, int64_t reduction,
                                             int64_t ignore, at::Tensor& out, at::Tensor& total) {
  if (!takes_nll(self, target, weight)) {
    return call_fallback<at::_ops::nll_loss_forward_output>(self, target, weight, reduction, ignore,
                                                            out, total);
  }
  Structured<at::meta::structured_nll_loss_forward> op("aten::nll_loss_forward");
  op.outputs[0] = out;
  op.outputs[1] = total;
  op.meta(self, target, meta_argument(weight), reduction, ignore);
  Commands on{op.what, working_type(self.scalar_type())};
  bool single = self.dim() == 1;
  at::Tensor result =
      single && out.dim() == 0 && reduction == at::Reduction::None ? out.view({1}) : out;
  nll(on, batched(self, 2), target.dim() == 0 ? target.view({1}) : target, weight, reduction,
      ignore, result, total);
  return {out, total};
}

at::Tensor& nll_backward(const at::Tensor& grad, const at::Tensor& self, const at::Tensor& target,
                         const Optional& weight, int64_t reduction, int64_t ignore,
                         const at::Tensor& total, at::Tensor& out) {
  if (!takes_nll(self, target, weight)) {
    return call_fallback<at::_ops::nll_loss_backward_grad_input>(grad, self, target, weight,
                                                                 reduction, ignore, total, out);
  }
  Structured<at::meta::structured_nll_loss_backward> op("aten::nll_loss_backward");
  op.outputs[0] = out;
  op.meta(grad, self, target, meta_argument(weight), reduction, ignore, total);
  Commands on{op.what, working_type(self.scalar_type())};
  at::Tensor classes = target.dim() == 0 ? target.view({1}) : target;
  Rows rows = rows_of(on, self, classes, weight, ignore);
  at::Tensor values = scratch(self, classes.sizes());
  on.ternary(values, AXL_TERNARY_ADDCMUL, 0.0, rows.weight, grad, -1);
  if (reduction == at::Reduction::Mean) {
    on.binary(values, AXL_BINARY_DIV, values, total);
  }
  out.zero_();
  on.scatter(batched(out, 2), AXL_SCATTER_SET, values.unsqueeze(1),
             rows.ignored_as_zero.unsqueeze(1), 1, {classes.size(0), 1});
  return out;
}

void check_planes(const at::Tensor& self, const at::Tensor& target) {
  TORCH_CHECK(target.dim() == 3,
              "only batches of spatial targets supported (3D tensors) but got targets of "
              "dimension: ",
              target.dim());
  TORCH_CHECK(self.dim() == 4,
              "only batches of spatial inputs supported (4D tensors), but got input of dimension: ",
              self.dim());
  TORCH_CHECK(self.size(0) == target.size(0) && self.sizes().slice(2) == target.sizes().slice(1),
              "size mismatch (got input: ", self.sizes(), " , target: ", target.sizes());
}

// Every place of every plane is a row.
at::Tensor as_rows(const at::Tensor& planes, const at::Tensor& target) {
  return planes.permute({0, 2, 3, 1}).reshape({target.numel(), planes.size(1)});
}

std::tuple<at::Tensor, at::Tensor> nll_planes(const at::Tensor& self, const at::Tensor& target,
                                              const Optional& weight, int64_t reduction,
                                              int64_t ignore) {
  if (!takes_nll(self, target, weight)) {
    return call_fallback<at::_ops::nll_loss2d_forward>(self, target, weight, reduction, ignore);
  }
  check_planes(self, target);
  auto [out, total] = at::nll_loss_forward(as_rows(self, target), target.reshape({target.numel()}),
                                           weight, reduction, ignore);
  return {reduction == at::Reduction::None ? out.view(target.sizes()) : out, total};
}

at::Tensor nll_planes_backward(const at::Tensor& grad, const at::Tensor& self,
                               const at::Tensor& target, const Optional& weight, int64_t reduction,
                               int64_t ignore, const at::Tensor& total) {
  if (!takes_nll(self, target, weight)) {
    return call_fallback<at::_ops::nll_loss2d_backward>(grad, self, target, weight, reduction,
                                                        ignore, total);
  }
  check_planes(self, target);
  at::Tensor rows = at::nll_loss_backward(
      reduction == at::Reduction::None ? grad.reshape({target.numel()}) : grad,
      as_rows(self, target), target.reshape({target.numel()}), weight, reduction, ignore, total);
  return rows.view({self.size(0), self.size(2), self.size(3), self.size(1)})
      .permute({0, 3, 1, 2})
      .contiguous();
}

bool takes_pair(const at::Tensor& self, const at::Tensor& target) {
  return takes_floats(self) && takes_floats(target);
}

at::Tensor mse(const at::Tensor& self, const at::Tensor& target, int64_t reduction) {
  if (!takes_pair(self, target)) {
    return call_fallback<at::_ops::mse_loss>(self, target, reduction);
  }
  at::Tensor difference = at::sub(self, target);
  if (reduction == at::Reduction::None) {
    return difference.square_();
  }
  at::Tensor out = make_like(difference, {});
  at::Tensor flat = difference.flatten();
  Commands on{"aten::mse_loss", difference.scalar_type()};
  on.reduce(out, AXL_REDUCE_SUM_SQUARES, flat, {0});
  if (reduction == at::Reduction::Mean) {
    on.binary(out, AXL_BINARY_DIV, out, static_cast<double>(flat.numel()));
  }
  return out;
}

at::Tensor& mse_out(const at::Tensor& self, const at::Tensor& target, int64_t reduction,
                    at::Tensor& out) {
  at::Tensor result = mse(self, target, reduction);
  resize_output(out, result.sizes());
  return out.copy_(result);
}

// 2 * (self - target) * grad, divided by the count for the mean.
at::Tensor mse_backward(const at::Tensor& grad, const at::Tensor& self, const at::Tensor& target,
                        int64_t reduction) {
  if (!takes_pair(self, target) || !takes_floats(grad)) {
    return call_fallback<at::_ops::mse_loss_backward>(grad, self, target, reduction);
  }
  at::Tensor difference = at::sub(self, target);
  auto count = static_cast<double>(difference.numel());
  double factor = reduction == at::Reduction::Mean ? 2 / count : 2;
  Commands on{"aten::mse_loss_backward", difference.scalar_type()};
  on.ternary(difference, AXL_TERNARY_ADDCMUL, 0.0, difference, grad, factor);
  return difference;
}

at::Tensor& mse_backward_out(const at::Tensor& grad, const at::Tensor& self,
                             const at::Tensor& target, int64_t reduction, at::Tensor& out) {
  at::Tensor result = mse_backward(grad, self, target, reduction);
  resize_output(out, result.sizes());
  return out.copy_(result);
}

TORCH_LIBRARY_IMPL(aten, PrivateUse1, m) {
  m.impl("nll_loss_forward.output", &nll_out);
  m.impl("nll_loss_backward.grad_input", &nll_backward);
  m.impl("nll_loss2d_forward", &nll_planes);
  m.impl("nll_loss2d_backward", &nll_planes_backward);
  m.impl("mse_loss", &mse);
  m.impl("mse_loss.out", &mse_out);
  m.impl("mse_loss_backward", &mse_backward);
  m.impl("mse_loss_backward.grad_input", &mse_backward_out);
}

}  // namespace
}  // namespace axl
