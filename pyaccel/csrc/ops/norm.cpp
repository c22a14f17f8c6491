// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
// Layer norm and batch norm with their gradients.
//
// Both are x_hat = (x - mean) * rstd over some dimensions, then weight * x_hat + bias. With
// g = grad * weight, the gradient of x is rstd * (g - mean(g) - x_hat * mean(g * x_hat)).
#include "ops/structured.h"

#include <ATen/ops/native_group_norm_native.h>

#include "ops/commands.h"

namespace axl {
namespace {

using Dims = at::DimVector;
using Three = std::tuple<at::Tensor, at::Tensor, at::Tensor>;
using Optional = std::optional<at::Tensor>;

bool given(const Optional& tensor) {
  return tensor.has_value() && tensor->defined();
}

bool takes_optional(const Optional& tensor) {
  return !given(tensor) || takes_floats(*tensor);
}

// Of 'input' over 'dims': x - mean into 'centered', mean and 1 / sqrt(var + eps), and the sum
// of squares that the variance is made of.
void statistics(const Commands& on, const at::Tensor& input, const Dims& dims, double count,
                double eps, const at::Tensor& centered, const at::Tensor& mean,
                const at::Tensor& rstd, const at::Tensor& squares) {
  on.reduce(mean, AXL_REDUCE_MEAN, input, dims);
  on.binary(centered, AXL_BINARY_SUB, input, mean);
  on.reduce(squares, AXL_REDUCE_SUM_SQUARES, centered, dims);
  on.binary(rstd, AXL_BINARY_ADD, eps, squares, 1 / count);
  on.unary(rstd, AXL_UNARY_RSQRT, rstd);
}

// out = x_hat * weight + bias, either of which may be missing.
void affine(const Commands& on, const at::Tensor& out, const at::Tensor& x_hat,
            const Optional& weight, const Optional& bias) {
  if (given(weight) && given(bias)) {
    on.ternary(out, AXL_TERNARY_FMA, x_hat, *weight, *bias);
  } else if (given(weight)) {
    on.binary(out, AXL_BINARY_MUL, x_hat, *weight);
  } else if (given(bias)) {
    on.binary(out, AXL_BINARY_ADD, x_hat, *bias);
  } else {
    on.copy(out, x_hat);
  }
}

// The gradient of x, as above; 'scaled' is grad * weight.
void normalised_gradient(const Commands& on, const at::Tensor& out, const at::Tensor& scaled,
                         const at::Tensor& x_hat, const at::Tensor& rstd, const Dims& dims) {
  at::Tensor mean = scratch(x_hat, rstd.sizes());
  at::Tensor correlation = scratch(x_hat, rstd.sizes());
  at::Tensor product = scratch(x_hat);
  on.reduce(mean, AXL_REDUCE_MEAN, scaled, dims);
  on.binary(product, AXL_BINARY_MUL, scaled, x_hat);
  on.reduce(correlation, AXL_REDUCE_MEAN, product, dims);
  on.binary(product, AXL_BINARY_SUB, scaled, mean);
  on.ternary(product, AXL_TERNARY_ADDCMUL, product, x_hat, correlation, -1);
  on.binary(out, AXL_BINARY_MUL, product, rstd);
}

at::Tensor x_hat_of(const Commands& on, const at::Tensor& input, const at::Tensor& mean,
                    const at::Tensor& rstd) {
  at::Tensor x_hat = scratch(input);
  on.binary(x_hat, AXL_BINARY_SUB, input, mean);
  on.binary(x_hat, AXL_BINARY_MUL, x_hat, rstd);
  return x_hat;
}

// grad * weight, or grad.
at::Tensor times_weight(const Commands& on, const at::Tensor& grad, const Optional& weight) {
  if (!given(weight)) {
    return grad;
  }
  at::Tensor scaled = scratch(grad);
  on.binary(scaled, AXL_BINARY_MUL, grad, *weight);
  return scaled;
}

// Gradients of weight and bias: sums over all dimensions that they do not have.
void affine_gradients(const Commands& on, const at::Tensor& weight_grad,
                      const at::Tensor& bias_grad, const at::Tensor& grad, const at::Tensor& x_hat,
                      const Dims& dims) {
  if (weight_grad.defined()) {
    at::Tensor product = scratch(grad);
    on.binary(product, AXL_BINARY_MUL, grad, x_hat);
    on.reduce(weight_grad, AXL_REDUCE_SUM, product, dims);
  }
  if (bias_grad.defined()) {
    on.reduce(bias_grad, AXL_REDUCE_SUM, grad, dims);
  }
}

Dims range(int64_t from, int64_t to) {
  Dims dims;
  for (int64_t dim = from; dim < to; ++dim) {
    dims.push_back(dim);
  }
  return dims;
}

Three layer_norm(const at::Tensor& input, at::IntArrayRef normalized, const Optional& weight,
                 const Optional& bias, double eps) {
  if (!takes_floats(input) || !takes_optional(weight) || !takes_optional(bias)) {
    return call_fallback<at::_ops::native_layer_norm>(input, normalized, weight, bias, eps);
  }
  auto leading = input.dim() - static_cast<int64_t>(normalized.size());
  TORCH_CHECK(leading >= 0 && input.sizes().slice(leading).equals(normalized),
              "Given normalized_shape=", normalized, ", expected input with shape [*, ", normalized,
              "], but got input of size", input.sizes());
  Dims dims = range(leading, input.dim());
  Dims kept = kept_sizes(input.sizes(), dims);
  at::Tensor out = make_like(input);
  at::Tensor mean = scratch(input, kept);
  at::Tensor rstd = scratch(input, kept);
  at::Tensor squares = scratch(input, kept);
  at::Tensor x_hat = scratch(input);
  if (input.numel() == 0) {
    return {out, mean, rstd};
  }
  Commands on{"aten::native_layer_norm", mean.scalar_type()};
  statistics(on, input, dims, static_cast<double>(c10::multiply_integers(normalized)), eps, x_hat,
             mean, rstd, squares);
  on.binary(x_hat, AXL_BINARY_MUL, x_hat, rstd);
  affine(on, out, x_hat, weight, bias);
  return {out, mean, rstd};
}

Three layer_norm_backward(const at::Tensor& grad, const at::Tensor& input,
                          at::IntArrayRef normalized, const at::Tensor& mean,
                          const at::Tensor& rstd, const Optional& weight, const Optional& bias,
                          std::array<bool, 3> mask) {
  if (!takes_floats(input) || !takes_floats(grad) || !takes_optional(weight)) {
    return call_fallback<at::_ops::native_layer_norm_backward>(grad, input, normalized, mean, rstd,
                                                               weight, bias, mask);
  }
  auto leading = input.dim() - static_cast<int64_t>(normalized.size());
  at::Tensor input_grad, weight_grad, bias_grad;
  if (mask[0]) {
    input_grad = make_like(input);
  }
  if (mask[1] && given(weight)) {
    weight_grad = make_like(*weight).zero_();
  }
  if (mask[2] && given(bias)) {
    bias_grad = make_like(*bias).zero_();
  }
  if (input.numel() == 0) {
    return {input_grad, weight_grad, bias_grad};
  }
  Commands on{"aten::native_layer_norm_backward", working_type(input.scalar_type())};
  at::Tensor x_hat = x_hat_of(on, input, mean, rstd);
  affine_gradients(on, weight_grad, bias_grad, grad, x_hat, range(0, leading));
  if (mask[0]) {
    normalised_gradient(on, input_grad, times_weight(on, grad, weight), x_hat, rstd,
                        range(leading, input.dim()));
  }
  return {input_grad, weight_grad, bias_grad};
}

// Everything but the channels, which are dimension 1.
Dims but_channels(const at::Tensor& input) {
  Dims dims = range(2, input.dim());
  dims.insert(dims.begin(), 0);
  return dims;
}

// A vector over the channels, shaped to broadcast.
at::Tensor channels(const at::Tensor& vector, const at::Tensor& input) {
  Dims sizes(input.dim(), 1);
  sizes[1] = input.size(1);
  return vector.view(sizes);
}
Optional channels(const Optional& vector, const at::Tensor& input) {
  return given(vector) ? Optional(channels(*vector, input)) : std::nullopt;
}

// running = (1 - momentum) * running + momentum * scale * now
void update(const Commands& on, const Optional& running, const at::Tensor& now, double momentum,
            double scale) {
  if (given(running)) {
    on.binary(*running, AXL_BINARY_MUL, *running, 1 - momentum);
    on.binary(*running, AXL_BINARY_ADD, *running, now, momentum * scale);
  }
}

Three batch_norm_eval(const at::Tensor& input, const Optional& weight, const Optional& bias,
                      const at::Tensor& running_mean, const at::Tensor& running_var, double eps) {
  at::Tensor out = make_like(input);
  Commands on{"aten::native_batch_norm", working_type(input.scalar_type())};
  at::Tensor rstd = scratch(input, running_var.sizes());
  on.binary(rstd, AXL_BINARY_ADD, running_var, eps);
  on.unary(rstd, AXL_UNARY_RSQRT, rstd);
  at::Tensor x_hat = x_hat_of(on, input, channels(running_mean, input), channels(rstd, input));
  affine(on, out, x_hat, channels(weight, input), channels(bias, input));
  at::Tensor none = scratch(input, {0});
  return {out, none, none.clone()};
}

Three batch_norm_train(const at::Tensor& input, const Optional& weight, const Optional& bias,
                       const Optional& running_mean, const Optional& running_var, double momentum,
                       double eps) {
  at::Tensor out = make_like(input);
  Dims dims = but_channels(input);
  Dims stat{input.size(1)};
  at::Tensor mean = scratch(input, stat), rstd = scratch(input, stat);
  at::Tensor squares = scratch(input, stat), x_hat = scratch(input);
  auto count = static_cast<double>(input.numel() / std::max<int64_t>(input.size(1), 1));
  if (input.numel() == 0) {
    return {out, mean.zero_(), rstd.zero_()};
  }
  Commands on{"aten::native_batch_norm", mean.scalar_type()};
  statistics(on, input, dims, count, eps, x_hat, channels(mean, input), channels(rstd, input),
             channels(squares, input));
  on.binary(x_hat, AXL_BINARY_MUL, x_hat, channels(rstd, input));
  affine(on, out, x_hat, channels(weight, input), channels(bias, input));
  update(on, running_mean, mean, momentum, 1);
  update(on, running_var, squares, momentum, 1 / (count - 1));
  return {out, mean, rstd};
}

bool takes_batch_norm(const at::Tensor& input, const Optional& weight, const Optional& bias,
                      const Optional& running_mean, const Optional& running_var) {
  return takes_floats(input) && input.dim() >= 2 && takes_optional(weight) &&
         takes_optional(bias) && takes_optional(running_mean) && takes_optional(running_var);
}

Three batch_norm(const at::Tensor& input, const Optional& weight, const Optional& bias,
                 const Optional& running_mean, const Optional& running_var, bool training,
                 double momentum, double eps) {
  if (!takes_batch_norm(input, weight, bias, running_mean, running_var)) {
    return call_fallback<at::_ops::native_batch_norm>(input, weight, bias, running_mean,
                                                      running_var, training, momentum, eps);
  }
  return training ? batch_norm_train(input, weight, bias, running_mean, running_var, momentum, eps)
                  : batch_norm_eval(input, weight, bias, *running_mean, *running_var, eps);
}

Three batch_norm_legit(const at::Tensor& input, const Optional& weight, const Optional& bias,
                       at::Tensor& running_mean, at::Tensor& running_var, bool training,
                       double momentum, double eps) {
  return batch_norm(input, weight, bias, running_mean, running_var, training, momentum, eps);
}

Three batch_norm_no_stats(const at::Tensor& input, const Optional& weight, const Optional& bias,
                          bool, double momentum, double eps) {
  return batch_norm(input, weight, bias, std::nullopt, std::nullopt, true, momentum, eps);
}

// Evaluation: the statistics are constants.
at::Tensor eval_gradient(const Commands& on, const at::Tensor& scaled, const at::Tensor& rstd) {
  at::Tensor out = make_like(scaled);
  on.binary(out, AXL_BINARY_MUL, scaled, rstd);
  return out;
}

Three batch_norm_backward(const at::Tensor& grad, const at::Tensor& input, const Optional& weight,
                          const Optional& running_mean, const Optional& running_var,
                          const Optional& save_mean, const Optional& save_rstd, bool train,
                          double eps, std::array<bool, 3> mask) {
  if (!takes_batch_norm(input, weight, std::nullopt, running_mean, running_var) ||
      !takes_floats(grad) || input.numel() == 0) {
    return call_fallback<at::_ops::native_batch_norm_backward>(
        grad, input, weight, running_mean, running_var, save_mean, save_rstd, train, eps, mask);
  }
  Commands on{"aten::native_batch_norm_backward", working_type(input.scalar_type())};
  at::Tensor rstd;
  if (train) {
    rstd = *save_rstd;
  } else {
    rstd = scratch(input, running_var->sizes());
    on.binary(rstd, AXL_BINARY_ADD, *running_var, eps);
    on.unary(rstd, AXL_UNARY_RSQRT, rstd);
  }
  rstd = channels(rstd, input);
  at::Tensor x_hat = x_hat_of(on, input, channels(train ? *save_mean : *running_mean, input), rstd);
  at::ScalarType type = given(weight) ? weight->scalar_type() : input.scalar_type();
  at::Tensor input_grad, weight_grad, bias_grad;
  Dims channel{input.size(1)};
  weight_grad = mask[1] ? make_like(input, channel, type) : at::Tensor();
  bias_grad = mask[2] ? make_like(input, channel, type) : at::Tensor();
  affine_gradients(on, weight_grad, bias_grad, grad, x_hat, but_channels(input));
  if (mask[0]) {
    at::Tensor scaled = times_weight(on, grad, channels(weight, input));
    if (train) {
      input_grad = make_like(input);
      normalised_gradient(on, input_grad, scaled, x_hat, rstd, but_channels(input));
    } else {
      input_grad = eval_gradient(on, scaled, rstd).to(input.scalar_type());
    }
  }
  return {input_grad, weight_grad, bias_grad};
}

// PyTorch's composition takes views, which channels that come last do not have.
Three group_norm(const at::Tensor& input, const Optional& weight, const Optional& bias,
                 int64_t batch, int64_t channels, int64_t elements, int64_t groups, double eps) {
  return at::native::math_group_norm(input.contiguous(), weight, bias, batch, channels, elements,
                                     groups, eps);
}

TORCH_LIBRARY_IMPL(aten, PrivateUse1, m) {
  m.impl("native_group_norm", &group_norm);
  m.impl("native_layer_norm", &layer_norm);
  m.impl("native_layer_norm_backward", &layer_norm_backward);
  m.impl("native_batch_norm", &batch_norm);
  m.impl("_native_batch_norm_legit", &batch_norm_legit);
  m.impl("_native_batch_norm_legit.no_stats", &batch_norm_no_stats);
  m.impl("native_batch_norm_backward", &batch_norm_backward);
}

}  // namespace
}  // namespace axl
