// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
// One step of an LSTM and of a GRU, which PyTorch's loops over time are made of.
#include "ops/structured.h"

#include "ops/commands.h"

namespace axl {
namespace {

using Optional = std::optional<at::Tensor>;

// Gate 'which' of tensors that hold several side by side.
at::Tensor gate(const at::Tensor& gates, int64_t which, int64_t size, int64_t count = 1) {
  return gates.narrow(1, which * size, count * size);
}

bool given(const Optional& tensor) {
  return tensor.has_value() && tensor->defined();
}

void add_bias(const Commands& on, const at::Tensor& gates, const Optional& bias) {
  if (given(bias)) {
    on.binary(gates, AXL_BINARY_ADD, gates, *bias);
  }
}

void check_type(const at::Tensor& tensor, const char* what) {
  TORCH_CHECK(takes_floats(tensor), what, ": axl computes cells in floating point, not in ",
              tensor.scalar_type(), "; convert the module, for example with .float()");
}

// Gates in order: input, forget, cell, output. The workspace holds them activated.
std::tuple<at::Tensor, at::Tensor, at::Tensor> lstm(const at::Tensor& input_gates,
                                                    const at::Tensor& hidden_gates,
                                                    const at::Tensor& cx,
                                                    const Optional& input_bias,
                                                    const Optional& hidden_bias) {
  check_type(input_gates, "_thnn_fused_lstm_cell");
  Commands on{"aten::_thnn_fused_lstm_cell", input_gates.scalar_type()};
  int64_t size = cx.size(1);
  at::Tensor gates = make_like(input_gates), cy = make_like(cx), hy = make_like(cx);
  on.binary(gates, AXL_BINARY_ADD, input_gates, hidden_gates);
  add_bias(on, gates, input_bias);
  add_bias(on, gates, hidden_bias);
  at::Tensor both = gate(gates, 0, size, 2), cell = gate(gates, 2, size), o = gate(gates, 3, size);
  on.unary(both, AXL_UNARY_SIGMOID, both);
  on.unary(cell, AXL_UNARY_TANH, cell);
  on.unary(o, AXL_UNARY_SIGMOID, o);
  on.binary(cy, AXL_BINARY_MUL, gate(gates, 1, size), cx);
  on.ternary(cy, AXL_TERNARY_ADDCMUL, cy, gate(gates, 0, size), cell);
  on.unary(hy, AXL_UNARY_TANH, cy);
  on.binary(hy, AXL_BINARY_MUL, hy, o);
  return {hy, cy, gates};
}

// Gradient of cy: its own, and what comes through hy = o * tanh(cy).
at::Tensor cell_gradient(const Commands& on, const Optional& grad_hy, const Optional& grad_cy,
                         const at::Tensor& o, const at::Tensor& tanh_cy) {
  at::Tensor grad = make_like(tanh_cy);
  if (!given(grad_hy)) {
    on.copy(grad, *grad_cy);
    return grad;
  }
  on.binary(grad, AXL_BINARY_MUL, *grad_hy, o);
  on.binary(grad, AXL_BINARY_TANH_BACKWARD, grad, tanh_cy);
  if (given(grad_cy)) {
    on.binary(grad, AXL_BINARY_ADD, grad, *grad_cy);
  }
  return grad;
}

std::tuple<at::Tensor, at::Tensor, at::Tensor> lstm_backward(
    const Optional& grad_hy, const Optional& grad_cy, const at::Tensor& cx, const at::Tensor& cy,
    const at::Tensor& gates, bool has_bias) {
  if (!given(grad_hy) && !given(grad_cy)) {
    return {};
  }
  Commands on{"aten::_thnn_fused_lstm_cell_backward", gates.scalar_type()};
  int64_t size = cx.size(1);
  at::Tensor i = gate(gates, 0, size), f = gate(gates, 1, size), g = gate(gates, 2, size),
             o = gate(gates, 3, size);
  at::Tensor out = make_like(gates), grad_cx = make_like(cx), tanh_cy = make_like(cy);
  on.unary(tanh_cy, AXL_UNARY_TANH, cy);
  at::Tensor grad = cell_gradient(on, grad_hy, grad_cy, o, tanh_cy);
  auto into = [&](int64_t which, uint32_t code, const at::Tensor& by, const at::Tensor& other,
                  const at::Tensor& activated) {
    at::Tensor slot = gate(out, which, size);
    on.binary(slot, AXL_BINARY_MUL, by, other);
    on.binary(slot, code, slot, activated);
  };
  into(0, AXL_BINARY_SIGMOID_BACKWARD, grad, g, i);
  into(1, AXL_BINARY_SIGMOID_BACKWARD, grad, cx, f);
  into(2, AXL_BINARY_TANH_BACKWARD, grad, i, g);
  if (given(grad_hy)) {
    into(3, AXL_BINARY_SIGMOID_BACKWARD, *grad_hy, tanh_cy, o);
  } else {
    gate(out, 3, size).zero_();
  }
  on.binary(grad_cx, AXL_BINARY_MUL, grad, f);
  return {out, grad_cx, has_bias ? out.sum(0) : at::Tensor()};
}

// Gates in order: reset, update, new. The workspace holds r, z, n, hx and the hidden part of n.
std::tuple<at::Tensor, at::Tensor> gru(const at::Tensor& input_gates,
                                       const at::Tensor& hidden_gates, const at::Tensor& hx,
                                       const Optional& input_bias, const Optional& hidden_bias) {
  check_type(input_gates, "_thnn_fused_gru_cell");
  Commands on{"aten::_thnn_fused_gru_cell", input_gates.scalar_type()};
  int64_t size = hx.size(1);
  at::Tensor from_input = make_like(input_gates), from_hidden = make_like(hidden_gates);
  on.copy(from_input, input_gates);
  on.copy(from_hidden, hidden_gates);
  add_bias(on, from_input, input_bias);
  add_bias(on, from_hidden, hidden_bias);
  at::Tensor work = make_like(hx, {hx.size(0), 5 * size}), hy = make_like(hx);
  at::Tensor both = gate(work, 0, size, 2), n = gate(work, 2, size), hidden = gate(work, 4, size);
  on.binary(both, AXL_BINARY_ADD, gate(from_input, 0, size, 2), gate(from_hidden, 0, size, 2));
  on.unary(both, AXL_UNARY_SIGMOID, both);
  on.copy(hidden, gate(from_hidden, 2, size));
  on.copy(gate(work, 3, size), hx);
  on.ternary(n, AXL_TERNARY_ADDCMUL, gate(from_input, 2, size), gate(work, 0, size), hidden);
  on.unary(n, AXL_UNARY_TANH, n);
  on.ternary(hy, AXL_TERNARY_LERP, n, hx, gate(work, 1, size));
  return {hy, work};
}

std::tuple<at::Tensor, at::Tensor, at::Tensor, at::Tensor, at::Tensor> gru_backward(
    const at::Tensor& grad, const at::Tensor& work, bool has_bias) {
  Commands on{"aten::_thnn_fused_gru_cell_backward", work.scalar_type()};
  int64_t size = grad.size(1);
  at::Tensor r = gate(work, 0, size), z = gate(work, 1, size), n = gate(work, 2, size),
             hx = gate(work, 3, size), hidden = gate(work, 4, size);
  at::Tensor of_input = make_like(grad, {grad.size(0), 3 * size}), of_hidden = make_like(of_input);
  at::Tensor grad_hx = make_like(grad), rest = make_like(grad);
  at::Tensor of_r = gate(of_input, 0, size), of_z = gate(of_input, 1, size),
             of_n = gate(of_input, 2, size);
  on.binary(grad_hx, AXL_BINARY_MUL, grad, z);
  on.binary(rest, AXL_BINARY_SUB, grad, grad_hx);  // grad * (1 - z)
  on.binary(of_n, AXL_BINARY_TANH_BACKWARD, rest, n);
  on.binary(of_z, AXL_BINARY_SUB, hx, n);
  on.binary(of_z, AXL_BINARY_MUL, of_z, grad);
  on.binary(of_z, AXL_BINARY_SIGMOID_BACKWARD, of_z, z);
  on.binary(of_r, AXL_BINARY_MUL, of_n, hidden);
  on.binary(of_r, AXL_BINARY_SIGMOID_BACKWARD, of_r, r);
  on.copy(gate(of_hidden, 0, size, 2), gate(of_input, 0, size, 2));
  on.binary(gate(of_hidden, 2, size), AXL_BINARY_MUL, of_n, r);
  at::Tensor none;
  return {of_input, of_hidden, grad_hx, has_bias ? of_input.sum(0) : none,
          has_bias ? of_hidden.sum(0) : none};
}

TORCH_LIBRARY_IMPL(aten, PrivateUse1, m) {
  m.impl("_thnn_fused_lstm_cell", &lstm);
  m.impl("_thnn_fused_lstm_cell_backward_impl", &lstm_backward);
  m.impl("_thnn_fused_gru_cell", &gru);
  m.impl("_thnn_fused_gru_cell_backward", &gru_backward);
}

}  // namespace
}  // namespace axl
