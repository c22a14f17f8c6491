// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
// Pooling over windows of the last two dimensions: a reduction over a strided view.
#include "ops/structured.h"

#include <limits>

#include "ops/commands.h"

#include <ATen/ops/avg_pool2d_backward_meta.h>
#include <ATen/ops/avg_pool2d_meta.h>
#include <ATen/ops/max_pool2d_with_indices_backward_meta.h>
#include <ATen/ops/max_pool2d_with_indices_meta.h>

namespace axl {
namespace {

using Dims = at::DimVector;
using Ints = at::IntArrayRef;

// A pair given as one number is twice that number; a missing stride is the kernel.
std::array<int64_t, 2> pair(Ints given, Ints otherwise = {}) {
  Ints used = given.empty() ? otherwise : given;
  return {used[0], used.size() == 1 ? used[0] : used[1]};
}

struct Windows {
  std::array<int64_t, 2> kernel, stride, padding, dilation;
};

// (N, C, H, W), whatever came.
at::Tensor batched(const at::Tensor& tensor) {
  return tensor.dim() == 3 ? tensor.unsqueeze(0) : tensor;
}

// Large enough for every window that the output has, ceil_mode's included.
int64_t padded_length(int64_t length, int64_t out, const Windows& windows, int dim) {
  int64_t reach =
      (out - 1) * windows.stride[dim] + windows.dilation[dim] * (windows.kernel[dim] - 1) + 1;
  return std::max(reach, length + windows.padding[dim]);
}

// The input with a border of one value around it.
at::Tensor bordered(const Commands& on, const at::Tensor& input, const Windows& windows, Ints out,
                    const at::Scalar& border) {
  int64_t height = padded_length(input.size(2), out[2], windows, 0);
  int64_t width = padded_length(input.size(3), out[3], windows, 1);
  if (height == input.size(2) && width == input.size(3)) {
    return input;
  }
  at::Tensor result = make_like(input, {input.size(0), input.size(1), height, width});
  result.fill_(border);
  on.copy(result.narrow(2, windows.padding[0], input.size(2))
              .narrow(3, windows.padding[1], input.size(3)),
          input);
  return result;
}

// (N, C, out height, out width, kernel height, kernel width) as a view.
at::Tensor view_windows(const at::Tensor& bordered, const Windows& windows, Ints out) {
  int64_t down = bordered.stride(2), right = bordered.stride(3);
  return bordered.as_strided(
      {out[0], out[1], out[2], out[3], windows.kernel[0], windows.kernel[1]},
      {bordered.stride(0), bordered.stride(1), down * windows.stride[0], right * windows.stride[1],
       down * windows.dilation[0], right * windows.dilation[1]});
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
    at::Tensor input = batched(given), out = batched(op.outputs[0]), at = batched(op.outputs[1]);
    if (out.numel() == 0) {
      return;
    }
    Commands on{op.what, input.scalar_type()};
    double lowest = -std::numeric_limits<double>::infinity();
    at::Tensor view =
        view_windows(bordered(on, input, windows, out.sizes(), lowest), windows, out.sizes());
    at::Tensor which = make_like(input, out.sizes(), at::kLong);
    on.reduce(out, AXL_REDUCE_MAX, view, {4, 5});
    on.reduce(which, AXL_REDUCE_ARGMAX, view, {4, 5});
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
  MaxPool::run(op, self, {pair(kernel), pair(stride, kernel), pair(padding), pair(dilation)});
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

// What the sum of each window is divided by, (1, 1, out height, out width): unless it is given, the
// window's elements within the input, or within the input and its padding.
at::Tensor divisors(const Commands& on, const at::Tensor& input, const Average& average, Ints out) {
  if (average.divisor.has_value()) {
    return make_like(input, {1, 1, 1, 1}, on.compute).fill_(*average.divisor);
  }
  Windows windows = average.windows;
  std::array<int64_t, 2> border{};
  if (average.counts_padding) {
    std::swap(border, windows.padding);
  }
  at::Tensor counted =
      make_like(input, {1, 1, input.size(2) + 2 * border[0], input.size(3) + 2 * border[1]},
                on.compute)
          .fill_(1);
  at::Tensor result = make_like(input, {1, 1, out[2], out[3]}, on.compute);
  on.reduce(result, AXL_REDUCE_SUM,
            view_windows(bordered(on, counted, windows, out, 0), windows, result.sizes()), {4, 5});
  return result;
}

at::Tensor& average_pool_out(const at::Tensor& self, Ints kernel, Ints stride, Ints padding,
                             bool ceil_mode, bool counts_padding, std::optional<int64_t> divisor,
                             at::Tensor& result) {
  if (!takes_floats(self)) {
    return call_fallback<at::_ops::avg_pool2d_out>(self, kernel, stride, padding, ceil_mode,
                                                   counts_padding, divisor, result);
  }
  Structured<at::meta::structured_avg_pool2d> op("aten::avg_pool2d");
  op.outputs[0] = result;
  op.meta(self, kernel, stride, padding, ceil_mode, counts_padding, divisor);
  at::Tensor input = batched(self), out = batched(result);
  if (out.numel() == 0) {
    return result;
  }
  Average average{
      {pair(kernel), pair(stride, kernel), pair(padding), {1, 1}}, counts_padding, divisor};
  Commands on{op.what, working_type(input.scalar_type())};
  at::Tensor sums = scratch(out);
  on.reduce(sums, AXL_REDUCE_SUM,
            view_windows(bordered(on, input, average.windows, out.sizes(), 0), average.windows,
                         out.sizes()),
            {4, 5});
  on.binary(out, AXL_BINARY_DIV, sums, divisors(on, input, average, out.sizes()));
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

at::Tensor& average_pool_backward(const at::Tensor& given, const at::Tensor& self, Ints kernel,
                                  Ints stride, Ints padding, bool ceil_mode, bool counts_padding,
                                  std::optional<int64_t> divisor, at::Tensor& result) {
  if (!takes_floats(self) || !takes_floats(given)) {
    return call_fallback<at::_ops::avg_pool2d_backward_grad_input>(
        given, self, kernel, stride, padding, ceil_mode, counts_padding, divisor, result);
  }
  Structured<at::meta::structured_avg_pool2d_backward> op("aten::avg_pool2d_backward");
  op.outputs[0] = result;
  op.meta(given, self, kernel, stride, padding, ceil_mode, counts_padding, divisor);
  at::Tensor grad = batched(given), out = batched(result);
  if (out.numel() == 0) {
    return result;
  }
  Windows windows{pair(kernel), pair(stride, kernel), pair(padding), {1, 1}};
  Commands on{op.what, working_type(self.scalar_type())};
  at::Tensor spreading = scratch(grad);
  on.binary(spreading, AXL_BINARY_DIV, grad,
            divisors(on, out, {windows, counts_padding, divisor}, grad.sizes()));
  for (int axis : {0, 1}) {
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
  at::Tensor input = batched(self.contiguous());
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
  at::Tensor view = batched(out).view({-1, self.size(-3), rows, high, columns, wide});
  Commands on{"aten::_adaptive_avg_pool2d_backward", self.scalar_type()};
  on.binary(view, AXL_BINARY_MUL, batched(grad).unsqueeze(3).unsqueeze(5),
            1.0 / static_cast<double>(high * wide));
  return out;
}

TORCH_LIBRARY_IMPL(aten, PrivateUse1, m) {
  m.impl("max_pool2d_with_indices.out", &max_pool_out);
  m.impl("max_pool2d_with_indices_backward.grad_input", &max_pool_backward);
  m.impl("avg_pool2d.out", &average_pool_out);
  m.impl("avg_pool2d_backward.grad_input", &average_pool_backward);
  m.impl("_adaptive_avg_pool2d", &adaptive_average);
  m.impl("_adaptive_avg_pool2d_backward", &adaptive_average_backward);
}

}  // namespace
}  // namespace axl
