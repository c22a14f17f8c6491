// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
// Convolutions in one to three dimensions, as products of matrices.
//
// A window's elements are laid out as columns by one strided copy from the padded input; the
// way back adds each element of the window to a strided view. A transposed convolution is the
// gradient of one, with input and gradient exchanged.
#include "ops/structured.h"

#include "ops/commands.h"

namespace axl {
namespace {

using Dims = at::DimVector;

// One geometry: of the side that is convolved ("wide") and its result ("narrow").
struct Windows {
  at::IntArrayRef stride, padding, dilation;
  int64_t groups;
  Dims kernel;

  int64_t dims() const { return static_cast<int64_t>(kernel.size()); }
  int64_t kernel_elements() const { return c10::multiply_integers(kernel); }

  int64_t narrow(int64_t wide, int64_t dim) const {
    int64_t reach = dilation[dim] * (kernel[dim] - 1) + 1;
    return (wide + 2 * padding[dim] - reach) / stride[dim] + 1;
  }
};

Windows windows_of(const at::Tensor& weight, at::IntArrayRef stride, at::IntArrayRef padding,
                   at::IntArrayRef dilation, int64_t groups) {
  return {stride, padding, dilation, groups,
          Dims(weight.sizes().begin() + 2, weight.sizes().end())};
}

// The part of a padded tensor that is not padding.
at::Tensor inner(at::Tensor padded, const Windows& windows, at::IntArrayRef sizes) {
  for (int64_t dim = 0; dim < windows.dims(); ++dim) {
    padded = padded.narrow(dim + 2, windows.padding[dim], sizes[dim + 2]);
  }
  return padded;
}

Dims padded_sizes(at::IntArrayRef sizes, const Windows& windows) {
  Dims padded(sizes.begin(), sizes.end());
  for (int64_t dim = 0; dim < windows.dims(); ++dim) {
    padded[dim + 2] += 2 * windows.padding[dim];
  }
  return padded;
}

at::Tensor zeros(const at::Tensor& like, at::IntArrayRef sizes) {
  return make_like(like, sizes).zero_();
}

at::Tensor padded(const Commands& on, const at::Tensor& wide, const Windows& windows) {
  Dims sizes = padded_sizes(wide.sizes(), windows);
  if (wide.sizes().equals(sizes)) {
    return wide;
  }
  at::Tensor result = zeros(wide, sizes);
  on.copy(inner(result, windows, wide.sizes()), wide);
  return result;
}

// (N, C, kernel.., narrow..) as a view of the padded input.
at::Tensor view_windows(const at::Tensor& padded, const Windows& windows, at::IntArrayRef narrow) {
  Dims sizes{padded.size(0), padded.size(1)}, strides{padded.stride(0), padded.stride(1)};
  for (int64_t dim = 0; dim < windows.dims(); ++dim) {
    sizes.push_back(windows.kernel[dim]);
    strides.push_back(padded.stride(dim + 2) * windows.dilation[dim]);
  }
  for (int64_t dim = 0; dim < windows.dims(); ++dim) {
    sizes.push_back(narrow[dim]);
    strides.push_back(padded.stride(dim + 2) * windows.stride[dim]);
  }
  return padded.as_strided(sizes, strides);
}

// (N, groups, C/groups * kernel, narrow) of a wide tensor.
at::Tensor columns(const Commands& on, const at::Tensor& wide, const Windows& windows,
                   at::IntArrayRef narrow) {
  at::Tensor view = view_windows(padded(on, wide, windows), windows, narrow);
  at::Tensor result = make_like(wide, view.sizes());
  on.copy(result, view);
  int64_t per_group = wide.size(1) / windows.groups * windows.kernel_elements();
  return result.view({wide.size(0), windows.groups, per_group, c10::multiply_integers(narrow)});
}

// The way back: columns (as above) added up into a tensor of the wide sizes.
at::Tensor add_columns(const Commands& on, const at::Tensor& columns, const Windows& windows,
                       at::IntArrayRef wide, at::IntArrayRef narrow) {
  at::Tensor target = zeros(columns, padded_sizes(wide, windows));
  at::Tensor places = view_windows(target, windows, narrow);
  Dims sizes(places.sizes().begin(), places.sizes().end());
  at::Tensor source = columns.view(sizes).flatten(2, windows.dims() + 1);
  for (int64_t element = 0; element < windows.kernel_elements(); ++element) {
    at::Tensor place = places;
    int64_t rest = element;
    // Select from the last kernel dimension to the first; each goes away.
    for (int64_t dim = windows.dims() - 1; dim >= 0; --dim) {
      place = place.select(dim + 2, rest % windows.kernel[dim]);
      rest /= windows.kernel[dim];
    }
    on.binary(place, AXL_BINARY_ADD, place, source.select(2, element));
  }
  return inner(target, windows, wide).contiguous();
}

// (1, groups, rows / groups, columns)
at::Tensor weight_matrix(const at::Tensor& weight, const Windows& windows) {
  int64_t rows = weight.size(0) / windows.groups;
  return weight.contiguous().view({1, windows.groups, rows, weight.numel() / weight.size(0)});
}

Dims narrow_sizes(const at::Tensor& wide, const Windows& windows) {
  Dims narrow;
  for (int64_t dim = 0; dim < windows.dims(); ++dim) {
    narrow.push_back(windows.narrow(wide.size(dim + 2), dim));
    TORCH_CHECK(narrow.back() > 0, "convolution: kernel ", windows.kernel,
                " does not fit into an input of ", wide.sizes());
  }
  return narrow;
}

Dims joined(int64_t batch, int64_t channels, at::IntArrayRef rest) {
  Dims sizes{batch, channels};
  sizes.append(rest.begin(), rest.end());
  return sizes;
}

// (N, groups, channels / groups, everything else)
at::Tensor grouped(const at::Tensor& tensor, int64_t groups) {
  int64_t channels = tensor.size(1) / groups;
  int64_t rest = c10::multiply_integers(tensor.sizes().slice(2));
  return tensor.contiguous().view({tensor.size(0), groups, channels, rest});
}

// wide -> narrow
at::Tensor convolve(const Commands& on, const at::Tensor& wide, const at::Tensor& weight,
                    const Windows& windows, at::IntArrayRef narrow) {
  at::Tensor out = make_like(wide, joined(wide.size(0), weight.size(0), narrow));
  on.matmul(grouped(out, windows.groups), weight_matrix(weight, windows),
            columns(on, wide, windows, narrow));
  return out;
}

// narrow -> wide: the transposed product.
at::Tensor deconvolve(const Commands& on, const at::Tensor& narrow, const at::Tensor& weight,
                      const Windows& windows, at::IntArrayRef wide) {
  at::Tensor matrix = weight_matrix(weight, windows).transpose(2, 3);
  at::Tensor source = grouped(narrow, windows.groups);
  at::Tensor result =
      make_like(narrow, {narrow.size(0), windows.groups, matrix.size(2), source.size(3)});
  on.matmul(result, matrix, source);
  return add_columns(on, result, windows, wide, narrow.sizes().slice(2));
}

// Sum over the batch of narrow @ columns^T, as one product: the batch joins the inner dimension.
at::Tensor weight_gradient(const Commands& on, const at::Tensor& wide, const at::Tensor& narrow,
                           const at::Tensor& weight, const Windows& windows) {
  at::Tensor patches = columns(on, wide, windows, narrow.sizes().slice(2));
  at::Tensor left = grouped(narrow, windows.groups).permute({1, 2, 0, 3}).flatten(2);
  at::Tensor right = patches.permute({1, 2, 0, 3}).flatten(2);
  at::Tensor out = make_like(weight);
  on.matmul(out.view({windows.groups, left.size(1), right.size(1)}), left, right.transpose(1, 2));
  return out;
}

void check(const at::Tensor& input, const at::Tensor& weight, int64_t groups) {
  TORCH_CHECK(takes_floats(input) && takes_floats(weight) && input.dim() <= 5,
              "convolution: axl convolves floating types in up to three dimensions, not ",
              input.scalar_type(), " of ", input.sizes(), "; use the CPU for that");
  TORCH_CHECK(input.scalar_type() == weight.scalar_type(), "Input type (", input.scalar_type(),
              ") and weight type (", weight.scalar_type(), ") should be the same");
  TORCH_CHECK(weight.size(0) % groups == 0, "convolution: ", groups, " groups do not divide ",
              weight.size(0), " channels");
}

at::Tensor transposed_result(const Commands& on, const at::Tensor& input, const at::Tensor& weight,
                             const Windows& windows, at::IntArrayRef output_padding) {
  Dims wide{input.size(0), weight.size(1) * windows.groups};
  for (int64_t dim = 0; dim < windows.dims(); ++dim) {
    wide.push_back((input.size(dim + 2) - 1) * windows.stride[dim] - 2 * windows.padding[dim] +
                   windows.dilation[dim] * (windows.kernel[dim] - 1) + output_padding[dim] + 1);
  }
  return deconvolve(on, input, weight, windows, wide);
}

at::Tensor convolution(const at::Tensor& input, const at::Tensor& weight,
                       const std::optional<at::Tensor>& bias, at::IntArrayRef stride,
                       at::IntArrayRef padding, at::IntArrayRef dilation, bool transposed,
                       at::IntArrayRef output_padding, int64_t groups) {
  check(input, weight, groups);
  Commands on{"aten::convolution", input.scalar_type()};
  Windows windows = windows_of(weight, stride, padding, dilation, groups);
  at::Tensor out = transposed ? transposed_result(on, input, weight, windows, output_padding)
                              : convolve(on, input, weight, windows, narrow_sizes(input, windows));
  if (bias.has_value() && bias->defined()) {
    Dims sizes(input.dim(), 1);
    sizes[1] = out.size(1);
    on.binary(out, AXL_BINARY_ADD, out, bias->view(sizes));
  }
  return out;
}

std::tuple<at::Tensor, at::Tensor, at::Tensor> convolution_backward(
    const at::Tensor& grad, const at::Tensor& input, const at::Tensor& weight,
    at::IntArrayRef stride, at::IntArrayRef padding, at::IntArrayRef dilation, bool transposed,
    at::IntArrayRef, int64_t groups, std::array<bool, 3> mask) {
  check(input, weight, groups);
  Commands on{"aten::convolution_backward", input.scalar_type()};
  Windows windows = windows_of(weight, stride, padding, dilation, groups);
  at::Tensor input_grad, weight_grad, bias_grad;
  if (mask[0]) {
    input_grad = transposed ? convolve(on, grad, weight, windows, input.sizes().slice(2))
                            : deconvolve(on, grad, weight, windows, input.sizes());
  }
  if (mask[1]) {
    weight_grad = transposed ? weight_gradient(on, grad, input, weight, windows)
                             : weight_gradient(on, input, grad, weight, windows);
  }
  if (mask[2]) {
    bias_grad = make_like(grad, {grad.size(1)});
    Dims dims{0};
    for (int64_t dim = 2; dim < grad.dim(); ++dim) {
      dims.push_back(dim);
    }
    on.reduce(bias_grad, AXL_REDUCE_SUM, grad, dims);
  }
  return {input_grad, weight_grad, bias_grad};
}

TORCH_LIBRARY_IMPL(aten, PrivateUse1, m) {
  m.impl("convolution_overrideable", &convolution);
  m.impl("convolution_backward_overrideable", &convolution_backward);
}

}  // namespace
}  // namespace axl
