// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
// From tensors to commands.
#pragma once

#include <ATen/core/Tensor.h>
#include <ATen/TensorIterator.h>
#include <axl_cmd.h>

#include <array>

#include "runtime/session.h"

namespace axl {

// The device's code for an element type, or -1: it has no such type.
int dtype_code(at::ScalarType dtype);
inline bool has_dtype(at::ScalarType dtype) {
  return dtype_code(dtype) >= 0;
}

// Element type of the same size, for commands that move elements unchanged; -1 for 16 bytes.
int raw_dtype_code(size_t itemsize);

// The session of a tensor's device; throws if the tensor was lost in a reset, or is elsewhere.
Session& owner(const at::TensorBase& tensor);
// The current stream there.
Stream& stream_for(const at::TensorBase& tensor);

struct Shape {
  uint32_t dims[AXL_MAX_DIMS];
};

// An iteration space of at most eight dimensions; throws for more.
Shape shape_of(at::IntArrayRef sizes);
bool fits(at::IntArrayRef sizes);

// A tensor as an operand over 'sizes' of its own dimensions, which may be broadcast.
axl_operand operand(const at::TensorBase& tensor);
axl_operand operand_strided(const at::TensorBase& tensor, at::IntArrayRef strides,
                            int64_t offset = 0);
// A number in the compute type: exact for integers, as double for floating types.
axl_operand immediate(const at::Scalar& value, at::ScalarType compute);

// 'scale' and the like as a command's parameter.
uint64_t parameter(const at::Scalar& value, at::ScalarType compute);

// One elementwise command over an iterator: inputs, then the numbers given, then its output.
void launch(at::TensorIteratorBase& iter, uint32_t opcode, uint32_t op, at::ScalarType compute,
            uint64_t param, const char* what, at::ArrayRef<axl_operand> numbers = {});

// Any tensor command.
Ticket launch(const at::TensorBase& where, uint32_t opcode, uint32_t op, at::ScalarType compute,
              const Shape& shape, at::ArrayRef<axl_operand> operands,
              std::array<uint64_t, 2> params, const char* what);

// Linear copy within an endpoint, on its current stream.
void copy_bytes(c10::DeviceIndex index, const c10::DataPtr& dst, const c10::DataPtr& src,
                size_t bytes);

// Strided copy and conversion between tensors of one shape on one endpoint.
void copy_on_device(const at::Tensor& dst, const at::Tensor& src, const char* what);

}  // namespace axl
