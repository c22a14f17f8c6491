// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
// Operators of compiled graphs (pyaccel/torch/compiler), which eager mode has no names for.
#include <torch/library.h>

#include <algorithm>

#include "ops/commands.h"
#include "ops/structured.h"

namespace axl {
namespace {

constexpr size_t kInstructionBytes = sizeof(axl_fused::code[0]);
// Slots of FUSED that are no operands.
constexpr size_t kOtherSlots = 3;

// Numbers that go into bytes of the command.
void fill_bytes(uint8_t* out, size_t size, at::IntArrayRef numbers, const char* what) {
  TORCH_CHECK(numbers.size() <= size, "axl::fused: ", numbers.size(), " bytes of ", what,
              ", the command takes ", size);
  for (size_t i = 0; i < numbers.size(); ++i) {
    TORCH_CHECK(numbers[i] >= 0 && numbers[i] <= UINT8_MAX, "axl::fused: ", numbers[i], " in ",
                what);
    out[i] = static_cast<uint8_t>(numbers[i]);
  }
}

// What the operator is given about the outputs.
struct Outputs {
  at::IntArrayRef stored;   // register that each one gets
  at::IntArrayRef reduce;   // 0, or 1 + the operation
  at::IntArrayRef dims;     // mask of the dimensions of 'shape' that are reduced
  at::IntArrayRef shape;    // of what is computed
  at::IntArrayRef strides;  // of outputs that are not reduced, one after the other

  bool is_reduced(size_t i) const { return reduce[i] != 0; }

  // Reduced ones keep their dimensions as 1.
  at::Tensor make(size_t i, size_t strided, at::ScalarType dtype, c10::DeviceIndex index) const {
    if (!is_reduced(i)) {
      return empty_strided(shape, strides.slice(strided * shape.size(), shape.size()), dtype,
                           index);
    }
    at::DimVector sizes(shape.begin(), shape.end());
    for (size_t dim = 0; dim < sizes.size(); ++dim) {
      if (dims[i] >> dim & 1) {
        sizes[dim] = 1;
      }
    }
    return empty(sizes, dtype, index);
  }
};

axl_fused fused_of(at::ArrayRef<double> constants, at::IntArrayRef code, const Outputs& outputs) {
  axl_fused fused{};
  TORCH_CHECK(constants.size() <= AXL_FUSED_CONSTANTS, "axl::fused: ", constants.size(),
              " constants, the command takes ", AXL_FUSED_CONSTANTS);
  fused.outputs = static_cast<uint32_t>(outputs.stored.size());
  fused.instructions = static_cast<uint32_t>(code.size() / kInstructionBytes);
  fused.constants = static_cast<uint32_t>(constants.size());
  fill_bytes(fused.stored, sizeof(fused.stored), outputs.stored, "stored");
  fill_bytes(fused.reduce, sizeof(fused.reduce), outputs.reduce, "reduce");
  fill_bytes(&fused.code[0][0], sizeof(fused.code), code, "code");
  for (size_t i = 0; i < outputs.dims.size(); ++i) {
    // Of the command's eight dimensions, of which leading ones are not used.
    auto mask = static_cast<uint64_t>(outputs.dims[i]) << (AXL_MAX_DIMS - outputs.shape.size());
    TORCH_CHECK(mask >> AXL_MAX_DIMS == 0, "axl::fused: dims ", outputs.dims[i]);
    fused.dims[i] = static_cast<uint8_t>(mask);
  }
  for (size_t i = 0; i < constants.size(); ++i) {
    fused.values[i] = axl_cmd_double_bits(constants[i]);
  }
  return fused;
}

// One command for several elementwise operations in a floating type; inputs broadcast to shape.
std::vector<at::Tensor> fused(at::TensorList inputs, at::ArrayRef<double> constants,
                              at::IntArrayRef code, at::IntArrayRef stored, at::IntArrayRef reduce,
                              at::IntArrayRef dims, at::IntArrayRef shape, at::IntArrayRef strides,
                              at::ScalarType dtype) {
  Outputs outputs{stored, reduce, dims, shape, strides};
  size_t count = stored.size();
  auto reduced = static_cast<size_t>(
      std::count_if(reduce.begin(), reduce.end(), [](auto op) { return op != 0; }));
  TORCH_CHECK(!inputs.empty() && inputs.size() + count + kOtherSlots <= AXL_CMD_SLOTS &&
                  count <= AXL_FUSED_OUTPUTS,
              "axl::fused: ", inputs.size(), " inputs and ", count, " outputs");
  TORCH_CHECK(at::isFloatingType(dtype) && has_dtype(dtype) && fits(shape),
              "axl::fused: computes in ", dtype, " over ", shape);
  TORCH_CHECK(reduce.size() == count && dims.size() == count &&
                  strides.size() == (count - reduced) * shape.size(),
              "axl::fused: ", count, " outputs, ", strides.size(), " strides");
  c10::DeviceIndex index = inputs[0].device().index();
  axl_operand operands[AXL_CMD_SLOTS];
  size_t used = 0;
  for (const at::Tensor& input : inputs) {
    TORCH_CHECK(has_dtype(input.scalar_type()), "axl::fused: an input of ", input.scalar_type());
    operands[used++] = Input(input).over(shape, inputs[0]);
  }
  std::vector<at::Tensor> outs;
  for (size_t i = 0, strided = 0; i < count; strided += outputs.is_reduced(i++) ? 0 : 1) {
    outs.push_back(outputs.make(i, strided, dtype, index));
    operands[used++] = Input(outs.back()).over(shape, inputs[0]);
  }
  axl_fused program = fused_of(constants, code, outputs);
  axl_slot slots[AXL_CMD_SLOTS];
  size_t length = axl_cmd_fused(slots, static_cast<uint32_t>(dtype_code(dtype)), operands, used,
                                shape_of(shape).dims, &program);
  stream_for(inputs[0]).append(slots, length, "axl::fused");
  return outs;
}

// alpha * a @ b + beta * c, where up to five batch dimensions keep their layout.
at::Tensor matmul(const at::Tensor& a, const at::Tensor& b, const std::optional<at::Tensor>& c,
                  double alpha, double beta) {
  TORCH_CHECK(a.dim() >= 2 && a.dim() == b.dim() && a.size(-1) == b.size(-2),
              "axl::matmul: ", a.sizes(), " by ", b.sizes());
  at::DimVector sizes(a.sizes().begin(), a.sizes().end());
  sizes.back() = b.size(-1);
  at::Tensor out = make_like(a, sizes);
  Commands{"axl::matmul", arithmetic(a.scalar_type())}.matmul(out, a, b, alpha, c ? beta : 0,
                                                              c ? &*c : nullptr);
  return out;
}

TORCH_LIBRARY_FRAGMENT(axl, m) {
  m.def(
      "fused(Tensor[] inputs, float[] constants, int[] code, int[] stored, int[] reduce, "
      "int[] dims, int[] shape, int[] strides, ScalarType dtype) -> Tensor[]");
  m.def("matmul(Tensor a, Tensor b, Tensor? c, float alpha, float beta) -> Tensor");
}

TORCH_LIBRARY_IMPL(axl, PrivateUse1, m) {
  m.impl("fused", &fused);
  m.impl("matmul", &matmul);
}

}  // namespace
}  // namespace axl
