// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
// Pooling over windows of the last two or three dimensions: a reduction over a strided view.
#include "ops/structured.h"

#include <limits>
#include <utility>

#include "ops/commands.h"

#include <ATen/ops/avg_pool2d_backward_meta.h>
#include <ATen/ops/avg_pool2d_meta.h>
#include <ATen/ops/avg_pool3d_backward_meta.h>
#include <ATen/ops/avg_pool3d_meta.h>
#include <ATen/ops/max_pool2d_with_indices_backward_meta.h>
#include <ATen/ops/max_pool2d_with_indices_meta.h>

namespace axl {
namespace {

using Dims = at::DimVector;
using Ints = at::IntArrayRef;

// One number stands for every dimension; a missing stride is the kernel.
Dims each(int64_t rank, Ints given, Ints otherwise = {}) {
  Ints used = given.empty() ? otherwise : given;
  return used.size() == 1 ? Dims(rank, used[0]) : Dims(used.begin(), used.end());
}

// One number for each of the dimensions that a window has.
struct Windows {
  Dims kernel, stride, padding, dilation;
  auto rank() const { return static_cast<int64_t>(kernel.size()); }
};

// (N, C, and the dimensions of a window), whatever came.
at::Tensor batched(const at::Tensor& tensor, int64_t rank) {
  return tensor.dim() == rank + 1 ? tensor.unsqueeze(0) : tensor;
}

// Large enough for every window that the output has, ceil_mode's included.
int64_t padded_length(int64_t length, int64_t out, const Windows& windows, int64_t axis) {
  int64_t reach =
      (out - 1) * windows.stride[axis] + windows.dilation[axis] * (windows.kernel[axis] - 1) + 1;
  return std::max(reach, length + windows.padding[axis]);
}

// The input with a border of one value around it.
at::Tensor bordered(const Commands& on, const at::Tensor& input, const Windows& windows, Ints out,
                    const at::Scalar& border) {
  Dims sizes(input.sizes());
  for (int64_t axis = 0; axis < windows.rank(); ++axis) {
    sizes[2 + axis] = padded_length(sizes[2 + axis], out[2 + axis], windows, axis);
  }
  if (input.sizes().equals(sizes)) {
    return input;
  }
  at::Tensor result = make_like(input, sizes);
  result.fill_(border);
  at::Tensor inner = result;
  for (int64_t axis = 0; axis < windows.rank(); ++axis) {
    inner = inner.narrow(2 + axis, windows.padding[axis], input.size(2 + axis));
  }
  on.copy(inner, input);
  return result;
}

// (N, C, the output's dimensions, those of a window) as a view.
at::Tensor view_windows(const at::Tensor& bordered, const Windows& windows, Ints out) {
  Dims sizes(out), strides(bordered.strides());
  for (int64_t axis = 0; axis < windows.rank(); ++axis) {
    sizes.push_back(windows.kernel[axis]);
    strides.push_back(strides[2 + axis] * windows.dilation[axis]);
    strides[2 + axis] *= windows.stride[axis];
  }
  return bordered.as_strided(sizes, strides);
}

// Those of a window in that view.
Dims window_dims(const Windows& windows) {
  Dims dims;
  for (int64_t axis = 0; axis < windows.rank(); ++axis) {
    dims.push_back(2 + windows.rank() + axis);
  }
  return dims;
}

// For every place of the output and element of its window: its index in the input plane.
at::Tensor plane_indices(const at::Tensor& input, const Windows& windows, Ints out) {
  int64_t height = input.size(2), width = input.size(3);
  auto options = input.options().dtype(at::kLong);
  at::Tensor plane = at::arange(height * width, options).view({1, 1, height, width});
  Commands on{"aten::max_pool2d_with_indices", at::kLong};
  at::Tensor view =
      view_windows(bordered(on, plane, windows, out, 0), windows, {1, 1, out[2], out[3]});
  return view.reshape({1, 1, out[2], out[3], windows.kernel[0] * windows.kernel[1]});
}

struct MaxPool {
  template <typename Op>
  static void run(Op& op, const at::Tensor& given, const Windows& windows) {
    at::Tensor input = batched(given, 2), out = batched(op.outputs[0], 2),
               at = batched(op.outputs[1], 2);
    if (out.numel() == 0) {
      return;
    }
    Commands on{op.what, input.scalar_type()};
    double lowest = -std::numeric_limits<double>::infinity();
    at::Tensor view =
        view_windows(bordered(on, input, windows, out.sizes(), lowest), windows, out.sizes());
    at::Tensor which = make_like(input, out.sizes(), at::kLong);
    on.reduce(out, AXL_REDUCE_MAX, view, window_dims(windows));
    on.reduce(which, AXL_REDUCE_ARGMAX, view, window_dims(windows));
    at::Tensor indices = plane_indices(input, windows, out.sizes());
    Dims sizes(out.sizes().begin(), out.sizes().end());
    sizes.push_back(indices.size(4));
    on.gather(at.unsqueeze(4), indices.expand(sizes), which.unsqueeze(4), 4);
  }
};

std::tuple<at::Tensor&, at::Tensor&> max_pool_out(const at::Tensor& self, Ints kernel, Ints stride,
                                                  Ints padding, Ints dilation, bool ceil_mode,
                                                  at::Tensor& out, at::Tensor& indices) {
  if (!takes_floats(self)) {
    return call_fallback<at::_ops::max_pool2d_with_indices_out>(self, kernel, stride, padding,
                                                                dilation, ceil_mode, out, indices);
  }
  Structured<at::meta::structured_max_pool2d_with_indices> op("aten::max_pool2d_with_indices");
  op.outputs[0] = out;
  op.outputs[1] = indices;
  op.meta(self, kernel, stride, padding, dilation, ceil_mode);
  MaxPool::run(op, self,
               {each(2, kernel), each(2, stride, kernel), each(2, padding), each(2, dilation)});
  return {out, indices};
}

// Gradients go to where the maxima were; windows that overlap add up.
at::Tensor& max_pool_backward(const at::Tensor& grad, const at::Tensor& self, Ints kernel,
                              Ints stride, Ints padding, Ints dilation, bool ceil_mode,
                              const at::Tensor& indices, at::Tensor& out) {
  if (!takes_floats(self) || !takes_floats(grad)) {
    return call_fallback<at::_ops::max_pool2d_with_indices_backward_grad_input>(
        grad, self, kernel, stride, padding, dilation, ceil_mode, indices, out);
  }
  Structured<at::meta::structured_max_pool2d_with_indices_backward> op(
      "aten::max_pool2d_with_indices_backward");
  op.outputs[0] = out;
  op.meta(grad, self, kernel, stride, padding, dilation, ceil_mode, indices);
  Commands on{op.what, self.scalar_type()};
  at::Tensor planes =
      make_like(out, {out.numel() / (out.size(-1) * out.size(-2)), out.size(-1) * out.size(-2)})
          .zero_();
  at::Tensor places = indices.reshape({planes.size(0), -1});
  at::Tensor values = grad.reshape({planes.size(0), -1});
  on.scatter(planes, AXL_SCATTER_ADD, values, places, 1, places.sizes());
  return out.copy_(planes.view(out.sizes()));
}

struct Average {
  Windows windows;
  bool counts_padding;
  std::optional<int64_t> divisor;
};

// What the sum of each window is divided by, with one batch and one channel: unless it is given,
// the window's elements within the input, or within the input and its padding.
at::Tensor divisors(const Commands& on, const at::Tensor& input, const Average& average, Ints out) {
  if (average.divisor.has_value()) {
    return make_like(input, std::vector<int64_t>(out.size(), 1), on.compute)
        .fill_(*average.divisor);
  }
  Windows windows = average.windows;
  Dims padded(input.sizes()), sizes(out);
  padded[0] = padded[1] = sizes[0] = sizes[1] = 1;
  if (average.counts_padding) {
    for (int64_t axis = 0; axis < windows.rank(); ++axis) {
      padded[2 + axis] += 2 * std::exchange(windows.padding[axis], 0);
    }
  }
  at::Tensor counted = make_like(input, padded, on.compute).fill_(1);
  at::Tensor result = make_like(input, sizes, on.compute);
  on.reduce(result, AXL_REDUCE_SUM,
            view_windows(bordered(on, counted, windows, out, 0), windows, sizes),
            window_dims(windows));
  return result;
}

template <int64_t Rank, typename Op, typename Meta>
at::Tensor& average_pool_out(const at::Tensor& self, Ints kernel, Ints stride, Ints padding,
                             bool ceil_mode, bool counts_padding, std::optional<int64_t> divisor,
                             at::Tensor& result) {
  if (!takes_floats(self)) {
    return call_fallback<Op>(self, kernel, stride, padding, ceil_mode, counts_padding, divisor,
                             result);
  }
  Structured<Meta> op(Op::name);
  op.outputs[0] = result;
  op.meta(self, kernel, stride, padding, ceil_mode, counts_padding, divisor);
  at::Tensor input = batched(self, Rank), out = batched(result, Rank);
  if (out.numel() == 0) {
    return result;
  }
  Windows windows{each(Rank, kernel), each(Rank, stride, kernel), each(Rank, padding),
                  Dims(Rank, 1)};
  Commands on{op.what, working_type(input.scalar_type())};
  at::Tensor sums = scratch(out);
  on.reduce(sums, AXL_REDUCE_SUM,
            view_windows(bordered(on, input, windows, out.sizes(), 0), windows, out.sizes()),
            window_dims(windows));
  on.binary(out, AXL_BINARY_DIV, sums,
            divisors(on, input, {windows, counts_padding, divisor}, out.sizes()));
  return result;
}

// Every element of 'from' added to all that its window covers along one dimension, of 'length'.
at::Tensor spread(const Commands& on, const at::Tensor& from, int64_t dim, int64_t length,
                  int64_t kernel, int64_t stride) {
  Dims sizes(from.sizes().begin(), from.sizes().end());
  sizes[dim] = length;
  at::Tensor out = make_like(from, sizes).zero_();
  int64_t span = (from.size(dim) - 1) * stride + 1;
  for (int64_t first = 0; first < kernel; ++first) {
    at::Tensor covered = out.slice(dim, first, first + span, stride);
    on.binary(covered, AXL_BINARY_ADD, covered, from);
  }
  return out;
}

template <int64_t Rank, typename Op, typename Meta>
at::Tensor& average_pool_backward(const at::Tensor& given, const at::Tensor& self, Ints kernel,
                                  Ints stride, Ints padding, bool ceil_mode, bool counts_padding,
                                  std::optional<int64_t> divisor, at::Tensor& result) {
  if (!takes_floats(self) || !takes_floats(given)) {
    return call_fallback<Op>(given, self, kernel, stride, padding, ceil_mode, counts_padding,
                             divisor, result);
  }
  Structured<Meta> op(Op::name);
  op.outputs[0] = result;
  op.meta(given, self, kernel, stride, padding, ceil_mode, counts_padding, divisor);
  at::Tensor grad = batched(given, Rank), out = batched(result, Rank);
  if (out.numel() == 0) {
    return result;
  }
  Windows windows{each(Rank, kernel), each(Rank, stride, kernel), each(Rank, padding),
                  Dims(Rank, 1)};
  Commands on{op.what, working_type(self.scalar_type())};
  at::Tensor spreading = scratch(grad);
  on.binary(spreading, AXL_BINARY_DIV, grad,
            divisors(on, out, {windows, counts_padding, divisor}, grad.sizes()));
  for (int64_t axis = 0; axis < Rank; ++axis) {
    int64_t dim = 2 + axis;
    int64_t length = padded_length(out.size(dim), grad.size(dim), windows, axis);
    spreading = spread(on, spreading, dim, length, windows.kernel[axis], windows.stride[axis])
                    .narrow(dim, windows.padding[axis], out.size(dim));
  }
  out.copy_(spreading);
  return result;
}

// The mean of everything: what a network's last pooling asks for.
at::Tensor adaptive_average(const at::Tensor& self, Ints size) {
  if (!takes_floats(self) || size[0] == 0 || size[1] == 0 || self.size(-2) % size[0] != 0 ||
      self.size(-1) % size[1] != 0 || self.numel() == 0) {
    return call_fallback<at::_ops::_adaptive_avg_pool2d>(self, size);
  }
  at::Tensor input = batched(self.contiguous(), 2);
  int64_t high = input.size(2) / size[0], wide = input.size(3) / size[1];
  at::Tensor out = make_like(input, {input.size(0), input.size(1), size[0], size[1]});
  at::Tensor view = input.view({input.size(0), input.size(1), size[0], high, size[1], wide});
  Commands{"aten::_adaptive_avg_pool2d", input.scalar_type()}.reduce(out, AXL_REDUCE_MEAN, view,
                                                                     {3, 5});
  return self.dim() == 3 ? out.squeeze(0) : out;
}

at::Tensor adaptive_average_backward(const at::Tensor& grad, const at::Tensor& self) {
  int64_t rows = grad.size(-2), columns = grad.size(-1);
  if (!takes_floats(self) || rows == 0 || columns == 0 || self.size(-2) % rows != 0 ||
      self.size(-1) % columns != 0) {
    return call_fallback<at::_ops::_adaptive_avg_pool2d_backward>(grad, self);
  }
  at::Tensor out = make_like(self);
  int64_t high = self.size(-2) / rows, wide = self.size(-1) / columns;
  at::Tensor view = batched(out, 2).view({-1, self.size(-3), rows, high, columns, wide});
  Commands on{"aten::_adaptive_avg_pool2d_backward", self.scalar_type()};
  on.binary(view, AXL_BINARY_MUL, batched(grad, 2).unsqueeze(3).unsqueeze(5),
            1.0 / static_cast<double>(high * wide));
  return out;
}

TORCH_LIBRARY_IMPL(aten, PrivateUse1, m) {
  m.impl("max_pool2d_with_indices.out", &max_pool_out);
  m.impl("max_pool2d_with_indices_backward.grad_input", &max_pool_backward);
  m.impl("avg_pool2d.out",
         &average_pool_out<2, at::_ops::avg_pool2d_out, at::meta::structured_avg_pool2d>);
  m.impl("avg_pool3d.out",
         &average_pool_out<3, at::_ops::avg_pool3d_out, at::meta::structured_avg_pool3d>);
  m.impl("avg_pool2d_backward.grad_input",
         &average_pool_backward<2, at::_ops::avg_pool2d_backward_grad_input,
                                at::meta::structured_avg_pool2d_backward>);
  m.impl("avg_pool3d_backward.grad_input",
         &average_pool_backward<3, at::_ops::avg_pool3d_backward_grad_input,
                                at::meta::structured_avg_pool3d_backward>);
  m.impl("_adaptive_avg_pool2d", &adaptive_average);
  m.impl("_adaptive_avg_pool2d_backward", &adaptive_average_backward);
}

}  // namespace
}  // namespace axl
