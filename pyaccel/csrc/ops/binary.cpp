// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
// Arithmetic, comparisons and logic of two tensors, element by element.
#include "ops/structured.h"

#include <ATen/ops/add_meta.h>
#include <ATen/ops/atan2_meta.h>
#include <ATen/ops/bitwise_and_meta.h>
#include <ATen/ops/bitwise_left_shift_meta.h>
#include <ATen/ops/bitwise_or_meta.h>
#include <ATen/ops/bitwise_right_shift_meta.h>
#include <ATen/ops/bitwise_xor_meta.h>
#include <ATen/ops/copysign_meta.h>
#include <ATen/ops/div_meta.h>
#include <ATen/ops/eq_meta.h>
#include <ATen/ops/fmax_meta.h>
#include <ATen/ops/fmin_meta.h>
#include <ATen/ops/fmod_meta.h>
#include <ATen/ops/ge_meta.h>
#include <ATen/ops/gelu_backward_meta.h>
#include <ATen/ops/gelu_meta.h>
#include <ATen/ops/gt_meta.h>
#include <ATen/ops/hypot_meta.h>
#include <ATen/ops/le_meta.h>
#include <ATen/ops/lt_meta.h>
#include <ATen/ops/maximum_meta.h>
#include <ATen/ops/minimum_meta.h>
#include <ATen/ops/mul_meta.h>
#include <ATen/ops/ne_meta.h>
#include <ATen/ops/pow_meta.h>
#include <ATen/ops/remainder_meta.h>
#include <ATen/ops/sigmoid_backward_meta.h>
#include <ATen/ops/sigmoid_meta.h>
#include <ATen/ops/silu_backward_meta.h>
#include <ATen/ops/silu_meta.h>
#include <ATen/ops/sub_meta.h>
#include <ATen/ops/tanh_backward_meta.h>
#include <ATen/ops/tanh_meta.h>
#include <ATen/ops/threshold_backward_meta.h>
#include <ATen/ops/threshold_meta.h>

namespace axl {
namespace {

// Without a factor: 1, which the device takes the short way for.
uint64_t one(at::ScalarType compute) {
  return parameter(1, compute);
}

template <uint32_t Code>
struct Arithmetic {
  template <typename Op, typename... Args>
  static void run(Op& op, const Args&...) {
    at::ScalarType compute = arithmetic(op.compute());
    launch(op, AXL_OPCODE_BINARY, Code, compute, one(compute), op.what);
  }
};

// Truth values are taken as they are.
template <uint32_t Code>
struct Logic {
  template <typename Op, typename... Args>
  static void run(Op& op, const Args&...) {
    launch(op, AXL_OPCODE_BINARY, Code, op.compute(), one(op.compute()), op.what);
  }
};

template <uint32_t Code>
struct Scaled {
  template <typename Op>
  static void run(Op& op, const at::Tensor&, const at::Tensor&, const at::Scalar& alpha) {
    launch(op, AXL_OPCODE_BINARY, Code, op.compute(), parameter(alpha, op.compute()), op.what);
  }
};

uint32_t division(std::optional<std::string_view> rounding) {
  if (!rounding.has_value()) {
    return AXL_BINARY_DIV;
  }
  return *rounding == "floor" ? AXL_BINARY_FLOOR_DIV : AXL_BINARY_TRUNC_DIV;
}

struct Divide {
  template <typename Op>
  static void run(Op& op, const at::Tensor&, const at::Tensor&,
                  std::optional<std::string_view> rounding = std::nullopt) {
    at::ScalarType compute = arithmetic(op.compute());
    launch(op, AXL_OPCODE_BINARY, division(rounding), compute, one(compute), op.what);
  }
};

// Squares and roots are more exact, and quicker, than powers.
struct PowScalar {
  template <typename Op>
  static void run(Op& op, const at::Tensor&, const at::Scalar& exponent) {
    at::ScalarType compute = arithmetic(op.compute());
    double number = exponent.toDouble();
    if (number == 2.0) {
      launch(op, AXL_OPCODE_UNARY, AXL_UNARY_SQUARE, compute, 0, op.what);
    } else if (number == 0.5 && at::isFloatingType(compute)) {
      launch(op, AXL_OPCODE_UNARY, AXL_UNARY_SQRT, compute, 0, op.what);
    } else {
      launch(op, AXL_OPCODE_BINARY, AXL_BINARY_POW, compute, one(compute), op.what,
             {immediate(exponent, compute)});
    }
  }
};

struct PowOfScalar {
  template <typename Op>
  static void run(Op& op, const at::Scalar& base, const at::Tensor& exponent) {
    at::Tensor number = at::native::wrapped_scalar_tensor(base);
    at::pow_out(op.outputs[0], number, exponent);
  }
};

// Iterators of backward functions name the input first.
struct ThresholdBackward {
  template <typename Op>
  static void run(Op& op, const at::Tensor& grad, const at::Tensor& self,
                  const at::Scalar& threshold) {
    Iterator iter(op.what);
    iter.outputs[0] = op.outputs[0];
    iter.build_borrowing_binary_op(iter.maybe_get_output(0), grad, self);
    launch(iter, AXL_OPCODE_BINARY, AXL_BINARY_RELU_BACKWARD, iter.compute(),
           parameter(threshold, iter.compute()), op.what);
  }
};

struct GeluBackward {
  template <typename Op>
  static void run(Op& op, const at::Tensor&, const at::Tensor&, std::string_view approximate) {
    uint32_t code =
        approximate == "tanh" ? AXL_BINARY_GELU_TANH_BACKWARD : AXL_BINARY_GELU_BACKWARD;
    launch(op, AXL_OPCODE_BINARY, code, op.compute(), one(op.compute()), op.what);
  }
};

template <uint32_t Code, typename Op>
at::Tensor& logical_out(const at::Tensor& self, const at::Tensor& other, at::Tensor& out) {
  if (!native(self) || !native(other) || !native(out)) {
    return call_fallback<Op>(self, other, out);
  }
  Iterator iter(Op::name);
  iter.outputs[0] = out;
  iter.build_comparison_op(iter.maybe_get_output(0), self, other);
  launch(iter, AXL_OPCODE_BINARY, Code, iter.compute(), one(iter.compute()), Op::name);
  return out;
}

at::Tensor rsub(const at::Tensor& self, const at::Tensor& other, const at::Scalar& alpha) {
  return at::sub(other, self, alpha);
}

at::Tensor floor_divide(const at::Tensor& self, const at::Tensor& other) {
  return at::div(self, other, "floor");
}

at::Tensor& floor_divide_out(const at::Tensor& self, const at::Tensor& other, at::Tensor& out) {
  return at::div_out(out, self, other, "floor");
}

at::Tensor& floor_divide_(at::Tensor& self, const at::Tensor& other) {
  return self.div_(other, "floor");
}

#define AXL_BINARY_OP(name, kernel)                                                \
  add_all<at::_ops::name##_Tensor, at::_ops::name##_out, at::_ops::name##__Tensor, \
          at::meta::structured_##name##_Tensor, kernel>(m)
#define AXL_BINARY_TENSOR_OUT(name, kernel)                                               \
  add_all<at::_ops::name##_Tensor, at::_ops::name##_Tensor_out, at::_ops::name##__Tensor, \
          at::meta::structured_##name##_Tensor, kernel>(m)
#define AXL_BINARY_PLAIN(name, kernel)                                                          \
  add_all<at::_ops::name, at::_ops::name##_out, at::_ops::name##_, at::meta::structured_##name, \
          kernel>(m)
#define AXL_BINARY_NOT_IN_PLACE(name, kernel) \
  add_out<at::_ops::name, at::_ops::name##_out, at::meta::structured_##name, kernel>(m)
#define AXL_COMPARISON(name, kernel)                                                      \
  AXL_BINARY_TENSOR_OUT(name, kernel);                                                    \
  add_all<at::_ops::name##_Scalar, at::_ops::name##_Scalar_out, at::_ops::name##__Scalar, \
          at::meta::structured_##name##_Scalar, kernel>(m)
#define AXL_BACKWARD(name, kernel)                                         \
  add_out<at::_ops::name##_backward, at::_ops::name##_backward_grad_input, \
          at::meta::structured_##name##_backward, kernel>(m)

void add_arithmetic(torch::Library& m) {
  AXL_BINARY_OP(add, Scaled<AXL_BINARY_ADD>);
  AXL_BINARY_OP(sub, Scaled<AXL_BINARY_SUB>);
  AXL_BINARY_OP(mul, Logic<AXL_BINARY_MUL>);
  AXL_BINARY_OP(div, Divide);
  add_all<at::_ops::div_Tensor_mode, at::_ops::div_out_mode, at::_ops::div__Tensor_mode,
          at::meta::structured_div_Tensor_mode, Divide>(m);
  AXL_BINARY_TENSOR_OUT(remainder, Arithmetic<AXL_BINARY_REMAINDER>);
  AXL_BINARY_TENSOR_OUT(fmod, Arithmetic<AXL_BINARY_FMOD>);
  AXL_BINARY_OP(copysign, Arithmetic<AXL_BINARY_COPYSIGN>);
  AXL_BINARY_PLAIN(atan2, Arithmetic<AXL_BINARY_ATAN2>);
  AXL_BINARY_PLAIN(hypot, Arithmetic<AXL_BINARY_HYPOT>);
  AXL_BINARY_NOT_IN_PLACE(maximum, Logic<AXL_BINARY_MAXIMUM>);
  AXL_BINARY_NOT_IN_PLACE(minimum, Logic<AXL_BINARY_MINIMUM>);
  AXL_BINARY_NOT_IN_PLACE(fmax, Logic<AXL_BINARY_FMAX>);
  AXL_BINARY_NOT_IN_PLACE(fmin, Logic<AXL_BINARY_FMIN>);
  add_all<at::_ops::pow_Tensor_Tensor, at::_ops::pow_Tensor_Tensor_out, at::_ops::pow__Tensor,
          at::meta::structured_pow_Tensor_Tensor, Arithmetic<AXL_BINARY_POW>>(m);
  add_all<at::_ops::pow_Tensor_Scalar, at::_ops::pow_Tensor_Scalar_out, at::_ops::pow__Scalar,
          at::meta::structured_pow_Tensor_Scalar, PowScalar>(m);
  add_out<at::_ops::pow_Scalar, at::_ops::pow_Scalar_out, at::meta::structured_pow_Scalar,
          PowOfScalar>(m);
  m.impl("rsub.Tensor", &rsub);
  m.impl("floor_divide", &floor_divide);
  m.impl("floor_divide.out", &floor_divide_out);
  m.impl("floor_divide_.Tensor", &floor_divide_);
}

void add_logic(torch::Library& m) {
  AXL_COMPARISON(eq, Logic<AXL_BINARY_EQ>);
  AXL_COMPARISON(ne, Logic<AXL_BINARY_NE>);
  AXL_COMPARISON(lt, Logic<AXL_BINARY_LT>);
  AXL_COMPARISON(le, Logic<AXL_BINARY_LE>);
  AXL_COMPARISON(gt, Logic<AXL_BINARY_GT>);
  AXL_COMPARISON(ge, Logic<AXL_BINARY_GE>);
  AXL_BINARY_TENSOR_OUT(bitwise_and, Logic<AXL_BINARY_BITWISE_AND>);
  AXL_BINARY_TENSOR_OUT(bitwise_or, Logic<AXL_BINARY_BITWISE_OR>);
  AXL_BINARY_TENSOR_OUT(bitwise_xor, Logic<AXL_BINARY_BITWISE_XOR>);
  AXL_BINARY_TENSOR_OUT(bitwise_left_shift, Arithmetic<AXL_BINARY_SHIFT_LEFT>);
  AXL_BINARY_TENSOR_OUT(bitwise_right_shift, Arithmetic<AXL_BINARY_SHIFT_RIGHT>);
  m.impl("logical_and.out", &logical_out<AXL_BINARY_LOGICAL_AND, at::_ops::logical_and_out>);
  m.impl("logical_or.out", &logical_out<AXL_BINARY_LOGICAL_OR, at::_ops::logical_or_out>);
  m.impl("logical_xor.out", &logical_out<AXL_BINARY_LOGICAL_XOR, at::_ops::logical_xor_out>);
}

TORCH_LIBRARY_IMPL(aten, PrivateUse1, m) {
  add_arithmetic(m);
  add_logic(m);
  AXL_BACKWARD(sigmoid, Arithmetic<AXL_BINARY_SIGMOID_BACKWARD>);
  AXL_BACKWARD(tanh, Arithmetic<AXL_BINARY_TANH_BACKWARD>);
  AXL_BACKWARD(silu, Arithmetic<AXL_BINARY_SILU_BACKWARD>);
  AXL_BACKWARD(gelu, GeluBackward);
  AXL_BACKWARD(threshold, ThresholdBackward);
}

}  // namespace
}  // namespace axl
