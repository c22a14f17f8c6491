// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
// Commands that composed operators (norms, softmax, losses, cells, convolutions) are made of.
//
//   Commands on{"aten::_softmax", at::kFloat};
//   on.reduce(top, AXL_REDUCE_MAX, self, {dim});
//   on.binary(out, AXL_BINARY_SUB, self, top);
#pragma once

#include <ATen/core/Tensor.h>

#include "ops/launch.h"
#include "ops/storage.h"

namespace axl {

// A tensor that broadcasts to the output, or a number.
class Input {
 public:
  Input(const at::Tensor& tensor) : tensor_(&tensor) {}  // NOLINT: as an argument
  Input(double number) : number_(number) {}              // NOLINT
  // Throws if it is of another device than 'out'.
  axl_operand over(at::IntArrayRef sizes, const at::Tensor& out) const;
  // The same as one dimension, in memory that 'held' keeps.
  Input flat(at::IntArrayRef sizes, at::Tensor& held) const;

 private:
  const at::Tensor* tensor_ = nullptr;
  double number_ = 0;
};

struct Commands {
  const char* what;        // the operator, a literal
  at::ScalarType compute;  // type to compute in

  // Outputs have the shape of all; nothing happens if it is empty.
  void unary(const at::Tensor& out, uint32_t code, const Input& a) const;
  void binary(const at::Tensor& out, uint32_t code, const Input& a, const Input& b,
              double scale = 1) const;
  void ternary(const at::Tensor& out, uint32_t code, const Input& a, const Input& b, const Input& c,
               double scale = 1) const;

  // 'out' keeps the reduced dimensions as 1, or leaves them out. Reducing nothing gives the
  // neutral element; the caller refuses it where there is none.
  void reduce(const at::Tensor& out, uint32_t code, const at::Tensor& a,
              at::IntArrayRef dims) const;

  // out = alpha * a @ b + beta * c over up to five batch dimensions, which broadcast.
  void matmul(const at::Tensor& out, const at::Tensor& a, const at::Tensor& b, double alpha = 1,
              double beta = 0, const at::Tensor* c = nullptr) const;

  // out[.., i, ..] = src[.., index[.., i, ..], ..]; all have as many dimensions.
  void gather(const at::Tensor& out, const at::Tensor& src, const at::Tensor& index,
              int64_t dim) const;
  // out[.., index[.., i, ..], ..] (op)= src[.., i, ..]; src broadcasts to index.
  void scatter(const at::Tensor& out, uint32_t op, const Input& src, const at::Tensor& index,
               int64_t dim, at::IntArrayRef sizes) const;

  // Bytes unchanged, or converted if the types differ.
  void copy(const at::Tensor& out, const at::Tensor& a) const;

 private:
  void elementwise(const at::Tensor& out, uint32_t opcode, uint32_t code, uint64_t param,
                   at::ArrayRef<Input> inputs) const;
};

// float32 for the half types, which intermediate results are kept in.
at::ScalarType working_type(at::ScalarType dtype);

// A tensor for intermediate results.
inline at::Tensor scratch(const at::Tensor& like, at::IntArrayRef sizes) {
  return make_like(like, sizes, working_type(like.scalar_type()));
}
inline at::Tensor scratch(const at::Tensor& like) {
  return scratch(like, like.sizes());
}

// Sizes with these dimensions as 1.
at::DimVector kept_sizes(at::IntArrayRef sizes, at::IntArrayRef dims);

// Whether the device has the type, and commands the dimensions.
inline bool takes(const at::Tensor& tensor) {
  return has_dtype(tensor.scalar_type()) && fits(tensor.sizes());
}
inline bool takes_floats(const at::Tensor& tensor) {
  return takes(tensor) && at::isFloatingType(tensor.scalar_type());
}

}  // namespace axl
