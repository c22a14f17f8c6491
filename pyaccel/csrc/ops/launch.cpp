// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
#include "ops/launch.h"

#include <c10/util/Exception.h>

#include <limits>

#include "device/allocator.h"
#include "device/current.h"

namespace axl {
namespace {

constexpr int kDims = AXL_MAX_DIMS;
constexpr int64_t kMaxExtent = std::numeric_limits<uint32_t>::max();
constexpr int64_t kMaxStride = std::numeric_limits<int32_t>::max();

void check_owner(const at::TensorBase& tensor, const Session& session) {
  const Block* block = block_of(tensor.storage().data_ptr());
  TORCH_CHECK(block == nullptr || block->session == &session, session.label(),
              ": a tensor from before the endpoint was reset holds nothing any more; make it "
              "again");
}

int32_t stride_of(int64_t stride) {
  TORCH_CHECK(stride <= kMaxStride && stride >= -kMaxStride, "axl: a stride of ", stride,
              " elements is more than the device takes");
  return static_cast<int32_t>(stride);
}

uint64_t address(const at::TensorBase& tensor) {
  return reinterpret_cast<uint64_t>(tensor.const_data_ptr());
}

// Dimensions of an iterator are innermost first; those of a command innermost last.
Shape iterator_shape(const at::TensorIteratorBase& iter) {
  Shape shape;
  int at = kDims;
  for (int dim = 0; dim < iter.ndim(); ++dim) {
    int64_t extent = iter.shape()[dim];
    if (extent == 1) {
      continue;
    }
    TORCH_CHECK(extent <= kMaxExtent, "axl: a dimension of ", extent, " elements is too long");
    shape.dims[--at] = static_cast<uint32_t>(extent);
  }
  while (at > 0) {
    shape.dims[--at] = 1;
  }
  return shape;
}

axl_operand iterator_operand(at::TensorIteratorBase& iter, int arg, const Session& session) {
  const at::TensorBase& tensor = iter.tensor_base(arg);
  check_owner(tensor, session);
  axl_operand operand{};
  operand.va = reinterpret_cast<uint64_t>(iter.data_ptr(arg));
  operand.dtype = static_cast<uint32_t>(dtype_code(iter.dtype(arg)));
  auto itemsize = static_cast<int64_t>(iter.element_size(arg));
  int at = kDims;
  for (int dim = 0; dim < iter.ndim(); ++dim) {
    if (iter.shape()[dim] != 1) {
      operand.strides[--at] = stride_of(iter.strides(arg)[dim] / itemsize);
    }
  }
  return operand;
}

int used_dims(const at::TensorIteratorBase& iter) {
  int used = 0;
  for (int64_t extent : iter.shape()) {
    used += extent != 1;
  }
  return used;
}

// More than eight dimensions: one command for each index of the outermost one.
template <typename Each>
void for_each_outer(at::TensorIteratorBase& iter, const Each& each) {
  int outer = iter.ndim() - 1;
  while (iter.shape()[outer] == 1) {
    --outer;
  }
  for (int64_t i = 0; i < iter.shape()[outer]; ++i) {
    at::TensorIterator part(iter);
    part.narrow(outer, i, 1);
    each(part);
  }
}

}  // namespace

int dtype_code(at::ScalarType dtype) {
  switch (dtype) {
    case at::kByte:
      return AXL_DTYPE_U8;
    case at::kChar:
      return AXL_DTYPE_I8;
    case at::kShort:
      return AXL_DTYPE_I16;
    case at::kInt:
      return AXL_DTYPE_I32;
    case at::kLong:
      return AXL_DTYPE_I64;
    case at::kHalf:
      return AXL_DTYPE_F16;
    case at::kBFloat16:
      return AXL_DTYPE_BF16;
    case at::kFloat:
      return AXL_DTYPE_F32;
    case at::kDouble:
      return AXL_DTYPE_F64;
    case at::kBool:
      return AXL_DTYPE_BOOL;
    default:
      return -1;
  }
}

int raw_dtype_code(size_t itemsize) {
  switch (itemsize) {
    case 1:
      return AXL_DTYPE_U8;
    case 2:
      return AXL_DTYPE_I16;
    case 4:
      return AXL_DTYPE_I32;
    case 8:
      return AXL_DTYPE_I64;
    default:
      return -1;
  }
}

Session& owner(const at::TensorBase& tensor) {
  TORCH_CHECK(tensor.device().type() == c10::DeviceType::PrivateUse1,
              "Expected all tensors to be on the same device, but found at least two devices, "
              "axl and ",
              tensor.device(), "!");
  Session& found = session(tensor.device().index());
  check_owner(tensor, found);
  return found;
}

Stream& stream_for(const at::TensorBase& tensor) {
  return owner(tensor).stream(current_stream_id(tensor.device().index()));
}

bool fits(at::IntArrayRef sizes) {
  return sizes.size() <= AXL_MAX_DIMS;
}

Shape shape_of(at::IntArrayRef sizes) {
  TORCH_CHECK(fits(sizes), "axl: ", sizes.size(), " dimensions where the device takes 8");
  Shape shape;
  int at = kDims;
  for (size_t dim = sizes.size(); dim-- > 0;) {
    TORCH_CHECK(sizes[dim] <= kMaxExtent, "axl: a dimension of ", sizes[dim],
                " elements is too long");
    shape.dims[--at] = static_cast<uint32_t>(sizes[dim]);
  }
  while (at > 0) {
    shape.dims[--at] = 1;
  }
  return shape;
}

axl_operand operand_strided(const at::TensorBase& tensor, at::IntArrayRef strides, int64_t offset) {
  axl_operand operand{};
  operand.va = address(tensor) + static_cast<uint64_t>(offset) * tensor.itemsize();
  operand.dtype = static_cast<uint32_t>(dtype_code(tensor.scalar_type()));
  int at = kDims;
  for (size_t dim = strides.size(); dim-- > 0;) {
    operand.strides[--at] = stride_of(strides[dim]);
  }
  return operand;
}

axl_operand operand(const at::TensorBase& tensor) {
  return operand_strided(tensor, tensor.strides());
}

axl_operand immediate(const at::Scalar& value, at::ScalarType compute) {
  // Exact: the device converts to the compute type as PyTorch would.
  if (at::isFloatingType(compute) || value.isFloatingPoint()) {
    return axl_operand_double(value.toDouble(), AXL_DTYPE_F64);
  }
  return axl_operand_int(value.toLong(), AXL_DTYPE_I64);
}

uint64_t parameter(const at::Scalar& value, at::ScalarType compute) {
  return at::isFloatingType(compute) ? axl_cmd_double_bits(value.toDouble())
                                     : static_cast<uint64_t>(value.toLong());
}

void launch(at::TensorIteratorBase& iter, uint32_t opcode, uint32_t op, at::ScalarType compute,
            uint64_t param, const char* what, at::ArrayRef<axl_operand> numbers) {
  if (iter.numel() == 0) {
    return;
  }
  if (used_dims(iter) > kDims) {
    for_each_outer(iter,
                   [&](auto& part) { launch(part, opcode, op, compute, param, what, numbers); });
    return;
  }
  const at::TensorBase& out = iter.tensor_base(0);
  Session& session = owner(out);
  axl_operand operands[AXL_MAX_COMMAND_SLOTS];
  size_t count = 0;
  for (int arg = 1; arg < iter.ntensors(); ++arg) {
    operands[count++] = iter.is_cpu_scalar(arg)
                            ? immediate(iter.tensor(arg).item(), iter.dtype(arg))
                            : iterator_operand(iter, arg, session);
  }
  for (const axl_operand& number : numbers) {
    operands[count++] = number;
  }
  operands[count++] = iterator_operand(iter, 0, session);
  Shape shape = iterator_shape(iter);
  axl_tensor tensor =
      axl_tensor_init(opcode, op, static_cast<uint32_t>(dtype_code(compute)), shape.dims);
  tensor.params[0] = param;
  axl_slot slots[AXL_CMD_SLOTS];
  size_t used = axl_cmd_tensor(slots, &tensor, operands, count);
  session.stream(current_stream_id(session.index())).append(slots, used, what);
}

Ticket launch(const at::TensorBase& where, uint32_t opcode, uint32_t op, at::ScalarType compute,
              const Shape& shape, at::ArrayRef<axl_operand> operands,
              std::array<uint64_t, 2> params, const char* what) {
  axl_tensor tensor =
      axl_tensor_init(opcode, op, static_cast<uint32_t>(dtype_code(compute)), shape.dims);
  tensor.params[0] = params[0];
  tensor.params[1] = params[1];
  axl_slot slots[AXL_CMD_SLOTS];
  size_t used = axl_cmd_tensor(slots, &tensor, operands.begin(), operands.size());
  return stream_for(where).append(slots, used, what);
}

void copy_bytes(c10::DeviceIndex index, const c10::DataPtr& dst, const c10::DataPtr& src,
                size_t bytes) {
  axl_slot slot;
  axl_cmd_copy(&slot, reinterpret_cast<uint64_t>(dst.get()), reinterpret_cast<uint64_t>(src.get()),
               bytes);
  current_stream(index).append(&slot, 1, "aten::resize_");
}

void copy_on_device(const at::Tensor& dst, const at::Tensor& src, const char* what) {
  auto iter = at::TensorIteratorConfig()
                  .add_output(dst)
                  .add_const_input(src)
                  .set_check_mem_overlap(true)
                  .check_all_same_dtype(false)
                  .resize_outputs(false)
                  .build();
  if (dst.scalar_type() == src.scalar_type()) {
    launch(iter, AXL_OPCODE_COPY_STRIDED, 0, src.scalar_type(), 0, what);
  } else {
    launch(iter, AXL_OPCODE_CAST, 0, src.scalar_type(), 0, what);
  }
}

}  // namespace axl
