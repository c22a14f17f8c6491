// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
// Functions of one tensor, element by element.
#include "ops/structured.h"

#include <ATen/ops/acos_meta.h>
#include <ATen/ops/acosh_meta.h>
#include <ATen/ops/asin_meta.h>
#include <ATen/ops/asinh_meta.h>
#include <ATen/ops/atan_meta.h>
#include <ATen/ops/atanh_meta.h>
#include <ATen/ops/bitwise_not_meta.h>
#include <ATen/ops/ceil_meta.h>
#include <ATen/ops/cos_meta.h>
#include <ATen/ops/cosh_meta.h>
#include <ATen/ops/digamma_meta.h>
#include <ATen/ops/erf_meta.h>
#include <ATen/ops/erfc_meta.h>
#include <ATen/ops/erfinv_meta.h>
#include <ATen/ops/exp2_meta.h>
#include <ATen/ops/exp_meta.h>
#include <ATen/ops/expm1_meta.h>
#include <ATen/ops/floor_meta.h>
#include <ATen/ops/frac_meta.h>
#include <ATen/ops/gelu_backward_meta.h>
#include <ATen/ops/gelu_meta.h>
#include <ATen/ops/isneginf_meta.h>
#include <ATen/ops/isposinf_meta.h>
#include <ATen/ops/lgamma_meta.h>
#include <ATen/ops/log10_meta.h>
#include <ATen/ops/log1p_meta.h>
#include <ATen/ops/log2_meta.h>
#include <ATen/ops/log_meta.h>
#include <ATen/ops/neg_meta.h>
#include <ATen/ops/reciprocal_meta.h>
#include <ATen/ops/round_meta.h>
#include <ATen/ops/rsqrt_meta.h>
#include <ATen/ops/sgn_meta.h>
#include <ATen/ops/sigmoid_backward_meta.h>
#include <ATen/ops/sigmoid_meta.h>
#include <ATen/ops/sign_meta.h>
#include <ATen/ops/silu_backward_meta.h>
#include <ATen/ops/silu_meta.h>
#include <ATen/ops/sin_meta.h>
#include <ATen/ops/sinh_meta.h>
#include <ATen/ops/sqrt_meta.h>
#include <ATen/ops/tan_meta.h>
#include <ATen/ops/tanh_backward_meta.h>
#include <ATen/ops/tanh_meta.h>
#include <ATen/ops/trunc_meta.h>

#include <limits>

namespace axl {
namespace {

template <uint32_t Code>
struct Unary {
  template <typename Op>
  static void run(Op& op, const at::Tensor&) {
    launch(op, AXL_OPCODE_UNARY, Code, arithmetic(op.compute()), 0, op.what);
  }
};

struct BitwiseNot {
  template <typename Op>
  static void run(Op& op, const at::Tensor&) {
    launch(op, AXL_OPCODE_UNARY, AXL_UNARY_BITWISE_NOT, op.compute(), 0, op.what);
  }
};

struct Gelu {
  template <typename Op>
  static void run(Op& op, const at::Tensor&, std::string_view approximate) {
    uint32_t code = approximate == "tanh" ? AXL_UNARY_GELU_TANH : AXL_UNARY_GELU;
    launch(op, AXL_OPCODE_UNARY, code, op.compute(), 0, op.what);
  }
};

// PyTorch's sign of NaN is 0, the device's is NaN: (x > 0) - (x < 0) is right for both.
struct Sign {
  template <typename Op>
  static void run(Op& op, const at::Tensor& self) {
    if (!self.is_floating_point()) {
      launch(op, AXL_OPCODE_UNARY, AXL_UNARY_SIGN, arithmetic(self.scalar_type()), 0, op.what);
      return;
    }
    at::Tensor above = self.gt(0), below = self.lt(0);
    auto iter = at::TensorIteratorConfig()
                    .check_all_same_dtype(false)
                    .add_output(op.outputs[0])
                    .add_const_input(above)
                    .add_const_input(below)
                    .build();
    launch(iter, AXL_OPCODE_BINARY, AXL_BINARY_SUB, self.scalar_type(),
           parameter(1, self.scalar_type()), op.what);
  }
};

// Integers are compared as floats: none is infinite.
template <int Sign>
struct IsInfinity {
  template <typename Op>
  static void run(Op& op, const at::Tensor& self) {
    at::ScalarType compute = self.is_floating_point() ? self.scalar_type() : at::kDouble;
    double infinity = Sign * std::numeric_limits<double>::infinity();
    launch(op, AXL_OPCODE_BINARY, AXL_BINARY_EQ, compute, parameter(1, compute), op.what,
           {immediate(infinity, compute)});
  }
};

// Of the input's type.
at::Tensor& same_type(uint32_t code, const at::Tensor& self, at::Tensor& out, const char* what) {
  Iterator iter(what);
  iter.outputs[0] = out;
  iter.build_borrowing_unary_op(iter.maybe_get_output(0), self);
  launch(iter, AXL_OPCODE_UNARY, code, arithmetic(self.scalar_type()), 0, what);
  out = iter.outputs[0];
  return out;
}

// True or false, in whatever type the output has.
at::Tensor& predicate(uint32_t code, const at::Tensor& self, at::Tensor& out, const char* what) {
  auto iter = at::TensorIteratorConfig()
                  .check_all_same_dtype(false)
                  .add_output(out)
                  .add_const_input(self)
                  .build();
  launch(iter, AXL_OPCODE_UNARY, code, self.scalar_type(), 0, what);
  return out;
}

at::Tensor& abs_out(const at::Tensor& self, at::Tensor& out) {
  if (!native(self) || self.scalar_type() != out.scalar_type()) {
    return call_fallback<at::_ops::abs_out>(self, out);
  }
  return same_type(AXL_UNARY_ABS, self, out, "aten::abs");
}

at::Tensor relu(const at::Tensor& self) {
  TORCH_CHECK(self.scalar_type() != at::kBool, "Boolean inputs not supported for relu");
  at::Tensor out;
  return native(self) ? same_type(AXL_UNARY_RELU, self, out, "aten::relu")
                      : call_fallback<at::_ops::relu>(self);
}

at::Tensor& relu_(at::Tensor& self) {
  TORCH_CHECK(self.scalar_type() != at::kBool, "Boolean inputs not supported for relu");
  return native(self) ? same_type(AXL_UNARY_RELU, self, self, "aten::relu_")
                      : call_fallback<at::_ops::relu_>(self);
}

at::Tensor& logical_not_out(const at::Tensor& self, at::Tensor& out) {
  if (!native(self) || !native(out)) {
    return call_fallback<at::_ops::logical_not_out>(self, out);
  }
  return predicate(AXL_UNARY_LOGICAL_NOT, self, out, "aten::logical_not");
}

at::Tensor isnan(const at::Tensor& self) {
  if (!native(self)) {
    return call_fallback<at::_ops::isnan>(self);
  }
  at::Tensor out = make_like(self, self.sizes(), at::kBool);
  return predicate(AXL_UNARY_ISNAN, self, out, "aten::isnan");
}

#define AXL_UNARY_OP(name, code)                                                                \
  add_all<at::_ops::name, at::_ops::name##_out, at::_ops::name##_, at::meta::structured_##name, \
          code>(m)

// One command of the device each.
#define AXL_UNARY_COMMANDS(each)                                                                 \
  each(acos, ACOS) each(acosh, ACOSH) each(asin, ASIN) each(asinh, ASINH) each(atan, ATAN)       \
      each(atanh, ATANH) each(ceil, CEIL) each(cos, COS) each(cosh, COSH) each(digamma, DIGAMMA) \
          each(erf, ERF) each(erfc, ERFC) each(erfinv, ERFINV) each(exp, EXP) each(exp2, EXP2)   \
              each(expm1, EXPM1) each(floor, FLOOR) each(frac, FRAC) each(lgamma, LGAMMA)        \
                  each(log, LOG) each(log10, LOG10) each(log1p, LOG1P) each(log2, LOG2)          \
                      each(neg, NEG) each(reciprocal, RECIPROCAL) each(round, ROUND)             \
                          each(rsqrt, RSQRT) each(sigmoid, SIGMOID) each(silu, SILU)             \
                              each(sin, SIN) each(sinh, SINH) each(sqrt, SQRT) each(tan, TAN)    \
                                  each(tanh, TANH) each(trunc, TRUNC)
#define AXL_UNARY_COMMAND(name, code) AXL_UNARY_OP(name, Unary<AXL_UNARY_##code>);

TORCH_LIBRARY_IMPL(aten, PrivateUse1, m) {
  AXL_UNARY_COMMANDS(AXL_UNARY_COMMAND)
  AXL_UNARY_OP(sgn, Sign);
  AXL_UNARY_OP(sign, Sign);
  AXL_UNARY_OP(bitwise_not, BitwiseNot);
  AXL_UNARY_OP(gelu, Gelu);
  add_out<at::_ops::isneginf, at::_ops::isneginf_out, at::meta::structured_isneginf,
          IsInfinity<-1>>(m);
  add_out<at::_ops::isposinf, at::_ops::isposinf_out, at::meta::structured_isposinf, IsInfinity<1>>(
      m);
  m.impl("abs.out", &abs_out);
  m.impl("relu", &relu);
  m.impl("relu_", &relu_);
  m.impl("logical_not.out", &logical_not_out);
  m.impl("isnan", &isnan);
}

}  // namespace
}  // namespace axl
