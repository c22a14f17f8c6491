// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
// Functions of three operands, element by element: where, clamp, lerp, addcmul, addcdiv.
#include "ops/structured.h"

#include <ATen/ops/addcdiv_meta.h>
#include <ATen/ops/addcmul_meta.h>
#include <ATen/ops/clamp_max_meta.h>
#include <ATen/ops/clamp_meta.h>
#include <ATen/ops/clamp_min_meta.h>
#include <ATen/ops/lerp_meta.h>

namespace axl {
namespace {

constexpr uint64_t kUnused = 0;

template <uint32_t Code>
struct Addc {
  template <typename Op>
  static void run(Op& op, const at::Tensor&, const at::Tensor&, const at::Tensor&,
                  const at::Scalar& value) {
    launch(op, AXL_OPCODE_TERNARY, Code, arithmetic(op.compute()),
           axl_cmd_double_bits(value.toDouble()), op.what);
  }
};

struct LerpScalar {
  template <typename Op>
  static void run(Op& op, const at::Tensor&, const at::Tensor&, const at::Scalar& weight) {
    launch(op, AXL_OPCODE_TERNARY, AXL_TERNARY_LERP, op.compute(), kUnused, op.what,
           {immediate(weight, op.compute())});
  }
};

struct LerpTensor {
  template <typename Op>
  static void run(Op& op, const at::Tensor&, const at::Tensor&, const at::Tensor&) {
    launch(op, AXL_OPCODE_TERNARY, AXL_TERNARY_LERP, op.compute(), kUnused, op.what);
  }
};

// One bound or both, as numbers.
struct ClampScalar {
  template <typename Op>
  static void run(Op& op, const at::Tensor&, const std::optional<at::Scalar>& min,
                  const std::optional<at::Scalar>& max) {
    at::ScalarType compute = arithmetic(op.compute());
    if (min.has_value() && max.has_value()) {
      launch(op, AXL_OPCODE_TERNARY, AXL_TERNARY_CLAMP, compute, kUnused, op.what,
             {immediate(*min, compute), immediate(*max, compute)});
      return;
    }
    uint32_t code = min.has_value() ? AXL_BINARY_MAXIMUM : AXL_BINARY_MINIMUM;
    launch(op, AXL_OPCODE_BINARY, code, compute, parameter(1, compute), op.what,
           {immediate(min.has_value() ? *min : *max, compute)});
  }
};

// One bound or both, as tensors.
struct ClampTensor {
  template <typename Op>
  static void run(Op& op, const at::Tensor&, const std::optional<at::Tensor>& min,
                  const std::optional<at::Tensor>& max) {
    at::ScalarType compute = arithmetic(op.compute());
    bool has_min = min.has_value() && min->defined();
    if (has_min && max.has_value() && max->defined()) {
      launch(op, AXL_OPCODE_TERNARY, AXL_TERNARY_CLAMP, compute, kUnused, op.what);
      return;
    }
    launch(op, AXL_OPCODE_BINARY, has_min ? AXL_BINARY_MAXIMUM : AXL_BINARY_MINIMUM, compute,
           parameter(1, compute), op.what);
  }
};

template <uint32_t Code>
struct Bound {
  template <typename Op>
  static void run(Op& op, const at::Tensor&, const at::Scalar& bound) {
    at::ScalarType compute = arithmetic(op.compute());
    launch(op, AXL_OPCODE_BINARY, Code, compute, parameter(1, compute), op.what,
           {immediate(bound, compute)});
  }
  template <typename Op>
  static void run(Op& op, const at::Tensor&, const at::Tensor&) {
    at::ScalarType compute = arithmetic(op.compute());
    launch(op, AXL_OPCODE_BINARY, Code, compute, parameter(1, compute), op.what);
  }
};

void where_into(Iterator& iter, const at::Tensor& condition, const at::Tensor& self,
                const at::Tensor& other, at::ScalarType dtype) {
  iter.build(at::TensorIteratorConfig()
                 .check_all_same_dtype(false)
                 .allow_cpu_scalars(true)
                 .declare_static_dtype(dtype)
                 .add_output(iter.maybe_get_output(0))
                 .add_const_input(condition)
                 .add_const_input(self)
                 .add_const_input(other));
  launch(iter, AXL_OPCODE_TERNARY, AXL_TERNARY_WHERE, dtype, kUnused, "aten::where");
}

bool takes_where(const at::Tensor& condition, const at::Tensor& self, const at::Tensor& other) {
  return native(condition) && native(self) && native(other);
}

at::Tensor where(const at::Tensor& condition, const at::Tensor& self, const at::Tensor& other) {
  if (!takes_where(condition, self, other)) {
    return call_fallback<at::_ops::where_self>(condition, self, other);
  }
  Iterator iter("aten::where");
  where_into(iter, condition, self, other, at::result_type(self, other));
  return std::move(iter.outputs[0]);
}

at::Tensor& where_out(const at::Tensor& condition, const at::Tensor& self, const at::Tensor& other,
                      at::Tensor& out) {
  at::ScalarType dtype = at::result_type(self, other);
  if (!takes_where(condition, self, other) || out.scalar_type() != dtype) {
    return call_fallback<at::_ops::where_self_out>(condition, self, other, out);
  }
  Iterator iter("aten::where");
  iter.outputs[0] = out;
  where_into(iter, condition, self, other, dtype);
  return out;
}

#define AXL_TERNARY_OP(name, overload, kernel)                                                   \
  add_all<at::_ops::name##overload, at::_ops::name##overload##_out, at::_ops::name##_##overload, \
          at::meta::structured_##name##overload, kernel>(m)

TORCH_LIBRARY_IMPL(aten, PrivateUse1, m) {
  AXL_TERNARY_OP(addcmul, , Addc<AXL_TERNARY_ADDCMUL>);
  AXL_TERNARY_OP(addcdiv, , Addc<AXL_TERNARY_ADDCDIV>);
  AXL_TERNARY_OP(lerp, _Scalar, LerpScalar);
  AXL_TERNARY_OP(lerp, _Tensor, LerpTensor);
  AXL_TERNARY_OP(clamp, , ClampScalar);
  AXL_TERNARY_OP(clamp, _Tensor, ClampTensor);
  AXL_TERNARY_OP(clamp_min, , Bound<AXL_BINARY_MAXIMUM>);
  AXL_TERNARY_OP(clamp_min, _Tensor, Bound<AXL_BINARY_MAXIMUM>);
  AXL_TERNARY_OP(clamp_max, , Bound<AXL_BINARY_MINIMUM>);
  AXL_TERNARY_OP(clamp_max, _Tensor, Bound<AXL_BINARY_MINIMUM>);
  m.impl("where.self", &where);
  m.impl("where.self_out", &where_out);
}

}  // namespace
}  // namespace axl
