// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
// Tensors on endpoints: making and resizing them.
#pragma once

#include <ATen/core/Tensor.h>

namespace axl {

at::Tensor empty(at::IntArrayRef sizes, at::ScalarType dtype, c10::DeviceIndex index);
at::Tensor empty_strided(at::IntArrayRef sizes, at::IntArrayRef strides, at::ScalarType dtype,
                         c10::DeviceIndex index);
// On the device of 'like'.
inline at::Tensor make_like(const at::Tensor& like, at::IntArrayRef sizes, at::ScalarType dtype) {
  return empty(sizes, dtype, like.device().index());
}
inline at::Tensor make_like(const at::Tensor& like, at::IntArrayRef sizes) {
  return empty(sizes, like.scalar_type(), like.device().index());
}
inline at::Tensor make_like(const at::Tensor& like) {
  return make_like(like, like.sizes());
}

// Keeps what fits.
void resize_storage(const c10::Storage& storage, size_t bytes);

// Makes 'out' of this shape if it is not, with the strides or the order of dimensions if given.
void resize_output(const at::Tensor& out, at::IntArrayRef sizes, at::IntArrayRef strides = {},
                   std::optional<at::MemoryFormat> format = std::nullopt);

}  // namespace axl
