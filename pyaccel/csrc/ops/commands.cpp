// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
#include "ops/commands.h"

#include <ATen/WrapDimUtils.h>

#include <algorithm>
#include <limits>
#include <numeric>

namespace axl {
namespace {

constexpr int64_t kBatchDims = 5;

void check_device(const at::Tensor& input, const at::Tensor& out) {
  TORCH_CHECK(input.device() == out.device(),
              "Expected all tensors to be on the same device, but found at least two devices, ",
              out.device(), " and ", input.device(), "!");
}

// Strides over 'sizes', aligned at the last dimension; 0 where the tensor is broadcast.
at::DimVector strides_over(const at::Tensor& tensor, at::IntArrayRef sizes) {
  auto missing = static_cast<int64_t>(sizes.size()) - tensor.dim();
  TORCH_INTERNAL_ASSERT(missing >= 0, "axl: ", tensor.sizes(), " over ", sizes);
  at::DimVector strides(sizes.size(), 0);
  for (int64_t dim = 0; dim < tensor.dim(); ++dim) {
    TORCH_INTERNAL_ASSERT(tensor.size(dim) == 1 || tensor.size(dim) == sizes[missing + dim],
                          "axl: ", tensor.sizes(), " over ", sizes);
    strides[missing + dim] = tensor.size(dim) == 1 ? 0 : tensor.stride(dim);
  }
  return strides;
}

uint64_t scale_bits(double scale, at::ScalarType compute) {
  return parameter(
      at::isFloatingType(compute) ? at::Scalar(scale) : at::Scalar(static_cast<int64_t>(scale)),
      compute);
}

double neutral(uint32_t code) {
  switch (code) {
    case AXL_REDUCE_PROD:
    case AXL_REDUCE_ALL:
      return 1;
    case AXL_REDUCE_MEAN:
      return std::numeric_limits<double>::quiet_NaN();
    default:
      return 0;
  }
}

// Dimensions of batch, then those of (m, n, k) that the operand has.
axl_operand matmul_operand(const at::Tensor& tensor, at::IntArrayRef batch, int first, int second) {
  int64_t outer = tensor.dim() - 2;
  at::DimVector strides(AXL_MAX_DIMS, 0);
  auto skipped = static_cast<int64_t>(batch.size()) - outer;
  for (int64_t dim = 0; dim < outer; ++dim) {
    int64_t at = kBatchDims - static_cast<int64_t>(batch.size()) + skipped + dim;
    strides[at] = tensor.size(dim) == 1 ? 0 : tensor.stride(dim);
  }
  strides[first] = tensor.size(-2) == 1 ? 0 : tensor.stride(-2);
  strides[second] = tensor.size(-1) == 1 ? 0 : tensor.stride(-1);
  return operand_strided(tensor, strides);
}

// More dimensions than a command has: those that stay become one, and so do the others.
void reduce_as_two(const Commands& on, const at::Tensor& out, uint32_t code, const at::Tensor& a,
                   at::IntArrayRef dims) {
  std::vector<bool> reduced(a.dim(), false);
  for (int64_t dim : dims) {
    reduced[at::maybe_wrap_dim(dim, a.dim())] = true;
  }
  at::DimVector order(a.dim());
  std::iota(order.begin(), order.end(), 0);
  std::stable_partition(order.begin(), order.end(), [&](int64_t dim) { return !reduced[dim]; });
  at::Tensor flat = make_like(out, {out.numel()});
  on.reduce(flat, code, a.permute(order).reshape({out.numel(), -1}), {1});
  const_cast<at::Tensor&>(out).copy_(flat.view(out.sizes()));
}

constexpr int kM = 5;
constexpr int kN = 6;
constexpr int kK = 7;

}  // namespace

axl_operand Input::over(at::IntArrayRef sizes, const at::Tensor& out) const {
  if (tensor_ == nullptr) {
    return immediate(number_, at::kDouble);
  }
  check_device(*tensor_, out);
  return operand_strided(*tensor_, strides_over(*tensor_, sizes));
}

Input Input::flat(at::IntArrayRef sizes, at::Tensor& held) const {
  if (tensor_ == nullptr) {
    return *this;
  }
  held = tensor_->expand(sizes).reshape({-1});
  return held;
}

at::ScalarType working_type(at::ScalarType dtype) {
  return dtype == at::kHalf || dtype == at::kBFloat16 ? at::kFloat : dtype;
}

at::DimVector kept_sizes(at::IntArrayRef sizes, at::IntArrayRef dims) {
  at::DimVector kept(sizes.begin(), sizes.end());
  for (int64_t dim : dims) {
    kept[dim] = 1;
  }
  return kept;
}

void Commands::elementwise(const at::Tensor& out, uint32_t opcode, uint32_t code, uint64_t param,
                           at::ArrayRef<Input> inputs) const {
  if (out.numel() == 0) {
    return;
  }
  if (!fits(out.sizes())) {
    std::array<at::Tensor, AXL_MAX_COMMAND_SLOTS> held;
    std::vector<Input> flat_inputs;
    for (const Input& input : inputs) {
      flat_inputs.push_back(input.flat(out.sizes(), held[flat_inputs.size()]));
    }
    at::Tensor flat = make_like(out, {out.numel()});
    elementwise(flat, opcode, code, param, flat_inputs);
    const_cast<at::Tensor&>(out).copy_(flat.view(out.sizes()));
    return;
  }
  axl_operand operands[AXL_MAX_COMMAND_SLOTS];
  size_t count = 0;
  for (const Input& input : inputs) {
    operands[count++] = input.over(out.sizes(), out);
  }
  operands[count++] = operand(out);
  launch(out, opcode, code, compute, shape_of(out.sizes()),
         at::ArrayRef<axl_operand>(operands, count), {param, 0}, what);
}

void Commands::unary(const at::Tensor& out, uint32_t code, const Input& a) const {
  elementwise(out, AXL_OPCODE_UNARY, code, 0, {a});
}

void Commands::binary(const at::Tensor& out, uint32_t code, const Input& a, const Input& b,
                      double scale) const {
  elementwise(out, AXL_OPCODE_BINARY, code, scale_bits(scale, compute), {a, b});
}

void Commands::ternary(const at::Tensor& out, uint32_t code, const Input& a, const Input& b,
                       const Input& c, double scale) const {
  elementwise(out, AXL_OPCODE_TERNARY, code, axl_cmd_double_bits(scale), {a, b, c});
}

void Commands::reduce(const at::Tensor& out, uint32_t code, const at::Tensor& a,
                      at::IntArrayRef dims) const {
  check_device(a, out);
  if (out.numel() == 0) {
    return;
  }
  if (a.numel() == 0) {
    const_cast<at::Tensor&>(out).fill_(neutral(code));
    return;
  }
  if (!fits(a.sizes())) {
    reduce_as_two(*this, out, code, a, dims);
    return;
  }
  std::array<bool, AXL_MAX_DIMS> reduced{};
  for (int64_t dim : dims) {
    reduced[at::maybe_wrap_dim(dim, a.dim())] = true;
  }
  at::DimVector strides(a.dim(), 0);
  uint64_t mask = 0;
  int64_t from = 0;
  for (int64_t dim = 0; dim < a.dim(); ++dim) {
    bool has_dim = out.dim() == a.dim() || !reduced[dim];
    if (reduced[dim]) {
      mask |= uint64_t{1} << (AXL_MAX_DIMS - a.dim() + dim);
    } else {
      strides[dim] = out.stride(from);
    }
    from += has_dim;
  }
  launch(out, AXL_OPCODE_REDUCE, code, compute, shape_of(a.sizes()),
         {operand(a), operand_strided(out, strides)}, {mask, 0}, what);
}

void Commands::matmul(const at::Tensor& out, const at::Tensor& a, const at::Tensor& b, double alpha,
                      double beta, const at::Tensor* c) const {
  check_device(a, out);
  check_device(b, out);
  if (out.numel() == 0) {
    return;
  }
  bool adds = c != nullptr && beta != 0;
  if (a.size(-1) == 0) {
    at::Tensor& target = const_cast<at::Tensor&>(out);
    if (adds) {
      binary(out, AXL_BINARY_MUL, *c, beta);
    } else {
      target.zero_();
    }
    return;
  }
  at::IntArrayRef batch = out.sizes().slice(0, out.dim() - 2);
  at::DimVector shape(AXL_MAX_DIMS, 1);
  std::copy(batch.begin(), batch.end(), shape.begin() + (kBatchDims - batch.size()));
  shape[kM] = out.size(-2);
  shape[kN] = out.size(-1);
  shape[kK] = a.size(-1);
  axl_operand operands[4] = {matmul_operand(a, batch, kM, kK), matmul_operand(b, batch, kK, kN),
                             matmul_operand(out, batch, kM, kN)};
  if (adds) {
    check_device(*c, out);
    operands[3] = matmul_operand(c->expand(out.sizes()), batch, kM, kN);
  }
  launch(out, AXL_OPCODE_MATMUL, 0, compute, shape_of(shape),
         at::ArrayRef<axl_operand>(operands, adds ? 4 : 3),
         {axl_cmd_double_bits(alpha), axl_cmd_double_bits(beta)}, what);
}

void Commands::gather(const at::Tensor& out, const at::Tensor& src, const at::Tensor& index,
                      int64_t dim) const {
  if (out.numel() == 0) {
    return;
  }
  check_device(src, out);
  auto place = static_cast<uint64_t>(AXL_MAX_DIMS - out.dim() + dim);
  launch(out, AXL_OPCODE_GATHER, 0, out.scalar_type(), shape_of(out.sizes()),
         {operand(src), Input(index).over(out.sizes(), out), operand(out)},
         {place, static_cast<uint64_t>(src.size(dim))}, what);
}

void Commands::scatter(const at::Tensor& out, uint32_t op, const Input& src,
                       const at::Tensor& index, int64_t dim, at::IntArrayRef sizes) const {
  if (c10::multiply_integers(sizes) == 0) {
    return;
  }
  auto place = static_cast<uint64_t>(AXL_MAX_DIMS - static_cast<int64_t>(sizes.size()) + dim);
  launch(out, AXL_OPCODE_SCATTER, op, out.scalar_type(), shape_of(sizes),
         {src.over(sizes, out), Input(index).over(sizes, out), operand(out)},
         {place, static_cast<uint64_t>(out.size(dim))}, what);
}

void Commands::copy(const at::Tensor& out, const at::Tensor& a) const {
  if (out.numel() == 0) {
    return;
  }
  uint32_t opcode =
      out.scalar_type() == a.scalar_type() ? AXL_OPCODE_COPY_STRIDED : AXL_OPCODE_CAST;
  launch(out, opcode, 0, a.scalar_type(), shape_of(out.sizes()),
         {Input(a).over(out.sizes(), out), operand(out)}, {0, 0}, what);
}

}  // namespace axl
