// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
// Products of matrices and vectors.
#include "ops/structured.h"

#include <ATen/ops/addmm_meta.h>
#include <ATen/ops/addmv_meta.h>
#include <ATen/ops/baddbmm_meta.h>
#include <ATen/ops/bmm_meta.h>
#include <ATen/ops/mm_meta.h>

#include "ops/commands.h"

namespace axl {
namespace {

struct Product {
  template <typename Op>
  static void run(Op& op, const at::Tensor& self, const at::Tensor& other) {
    Commands{op.what, arithmetic(self.scalar_type())}.matmul(op.outputs[0], self, other);
  }
};

struct AddProduct {
  template <typename Op>
  static void run(Op& op, const at::Tensor& self, const at::Tensor& a, const at::Tensor& b,
                  const at::Scalar& beta, const at::Scalar& alpha) {
    Commands{op.what, arithmetic(a.scalar_type())}.matmul(op.outputs[0], a, b, alpha.toDouble(),
                                                          beta.toDouble(), &self);
  }
};

struct AddMatrixVector {
  template <typename Op>
  static void run(Op& op, const at::Tensor& self, const at::Tensor& matrix,
                  const at::Tensor& vector, const at::Scalar& beta, const at::Scalar& alpha) {
    at::Tensor addend = self.unsqueeze(-1);
    Commands{op.what, arithmetic(matrix.scalar_type())}.matmul(
        op.outputs[0].unsqueeze(-1), matrix, vector.unsqueeze(-1), alpha.toDouble(),
        beta.toDouble(), &addend);
  }
};

at::Tensor dot(const at::Tensor& self, const at::Tensor& other) {
  if (!native(self) || !native(other)) {
    return call_fallback<at::_ops::dot>(self, other);
  }
  TORCH_CHECK(self.dim() == 1 && other.dim() == 1, "1D tensors expected, but got ", self.dim(),
              "D and ", other.dim(), "D tensors");
  TORCH_CHECK(self.scalar_type() == other.scalar_type(),
              "dot : expected both vectors to have same dtype, but found ", self.scalar_type(),
              " and ", other.scalar_type());
  TORCH_CHECK(self.numel() == other.numel(), "inconsistent tensor size, expected tensor [",
              self.numel(), "] and src [", other.numel(),
              "] to have the same number of elements, but got ", self.numel(), " and ",
              other.numel(), " elements respectively");
  at::Tensor out = make_like(self, {});
  Commands{"aten::dot", arithmetic(self.scalar_type())}.matmul(out.view({1, 1}), self.unsqueeze(0),
                                                               other.unsqueeze(1));
  return out;
}

TORCH_LIBRARY_IMPL(aten, PrivateUse1, m) {
  add_out<at::_ops::mm, at::_ops::mm_out, at::meta::structured_mm, Product>(m);
  add_out<at::_ops::bmm, at::_ops::bmm_out, at::meta::structured_bmm, Product>(m);
  add_all<at::_ops::addmm, at::_ops::addmm_out, at::_ops::addmm_, at::meta::structured_addmm,
          AddProduct>(m);
  add_all<at::_ops::baddbmm, at::_ops::baddbmm_out, at::_ops::baddbmm_,
          at::meta::structured_baddbmm, AddProduct>(m);
  add_all<at::_ops::addmv, at::_ops::addmv_out, at::_ops::addmv_, at::meta::structured_addmv,
          AddMatrixVector>(m);
  m.impl("dot", &dot);
}

}  // namespace
}  // namespace axl
