// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
#include "ops/storage.h"

#include <ATen/Context.h>
#include <ATen/EmptyTensor.h>
#include <ATen/native/Resize.h>
#include <ATen/native/ResizeCommon.h>
#include <ATen/ops/as_strided_native.h>
#include <ATen/ops/is_set_to_native.h>
#include <ATen/ops/set_native.h>
#include <ATen/ops/unfold_native.h>
#include <ATen/ops/view_as_complex_native.h>
#include <ATen/ops/view_as_real_native.h>
#include <ATen/ops/view_native.h>

#include <limits>

#include "device/allocator.h"
#include "device/current.h"
#include "ops/launch.h"

namespace axl {
namespace {

constexpr c10::DispatchKeySet kKeys(c10::DispatchKey::PrivateUse1);

bool must_fill() {
  return at::globalContext().deterministicAlgorithms() &&
         at::globalContext().deterministicFillUninitializedMemory();
}

// Deterministic mode: what was never written is NaN, or the largest number.
at::Tensor filled(at::Tensor tensor) {
  return must_fill() ? at::native::fill_empty_deterministic_(tensor) : tensor;
}

c10::DeviceIndex checked_index(std::optional<at::Layout> layout, std::optional<at::Device> device,
                               std::optional<bool> pin_memory) {
  TORCH_CHECK(!pin_memory.value_or(false), "axl: only tensors on the CPU can be pinned");
  TORCH_CHECK(layout.value_or(at::kStrided) == at::kStrided, "axl has strided tensors only, not ",
              *layout, ": keep it on the CPU, or call to_dense() first");
  return device.has_value() && device->has_index() ? device->index() : current_device();
}

at::Tensor empty_memory_format(at::IntArrayRef sizes, std::optional<at::ScalarType> dtype,
                               std::optional<at::Layout> layout, std::optional<at::Device> device,
                               std::optional<bool> pin_memory,
                               std::optional<at::MemoryFormat> format) {
  c10::DeviceIndex index = checked_index(layout, device, pin_memory);
  c10::OptionalDeviceGuard guard(c10::Device(c10::DeviceType::PrivateUse1, index));
  return filled(at::Tensor(
      at::detail::empty_generic(sizes, &allocator(), kKeys, c10::dtype_or_default(dtype), format)));
}

at::Tensor empty_strided_op(at::IntArrayRef sizes, at::IntArrayRef strides,
                            std::optional<at::ScalarType> dtype, std::optional<at::Layout> layout,
                            std::optional<at::Device> device, std::optional<bool> pin_memory) {
  return filled(empty_strided(sizes, strides, c10::dtype_or_default(dtype),
                              checked_index(layout, device, pin_memory)));
}

const at::Tensor& resize_op(const at::Tensor& self, at::IntArrayRef sizes,
                            std::optional<at::MemoryFormat> format) {
  auto* impl = self.unsafeGetTensorImpl();
  if (self.sizes() != sizes) {
    impl->set_sizes_contiguous(sizes);
  }
  size_t needed =
      at::detail::computeStorageNbytesContiguous(sizes, self.itemsize(), self.storage_offset());
  size_t before = self.storage().nbytes();
  if (self.numel() != 0 && needed > before) {
    resize_storage(self.storage(), needed);
    if (must_fill()) {
      at::native::fill_resize_deterministic_(self, static_cast<int64_t>(before));
    }
  }
  if (format.has_value()) {
    TORCH_CHECK(*format != at::MemoryFormat::Preserve, "Unsupported memory format", *format);
    impl->empty_tensor_restride(*format);
  }
  return self;
}

at::Tensor reshape_alias(const at::Tensor& self, at::IntArrayRef sizes, at::IntArrayRef strides) {
  return at::native::_reshape_alias(self, sizes, strides);
}

at::Tensor& set_source(at::Tensor& self, at::Tensor const& source) {
  return at::native::set_tensor_(self, source);
}

at::Tensor& set_storage(at::Tensor& self, at::Storage source) {
  auto count = static_cast<int64_t>(source.nbytes() / self.dtype().itemsize());
  return self.set_(std::move(source), 0, count, {});
}

at::Tensor& set_storage_offset(at::Tensor& self, at::Storage source, int64_t offset,
                               at::IntArrayRef sizes, at::IntArrayRef strides) {
  at::native::checkSetStorage(self, source, offset, sizes, strides);
  auto* impl = self.unsafeGetTensorImpl();
  impl->set_storage_offset(offset);
  if (strides.data() == nullptr) {
    return const_cast<at::Tensor&>(resize_op(self, sizes, std::nullopt));
  }
  impl->set_sizes_and_strides(sizes, strides);
  size_t needed = at::detail::computeStorageNbytes(sizes, strides, self.itemsize(), offset);
  if (self.numel() != 0 && needed > self.storage().nbytes()) {
    resize_storage(self.storage(), needed);
  }
  return self;
}

at::Tensor& set_empty(at::Tensor& self) {
  at::Storage storage(at::Storage::use_byte_size_t(), 0, allocator().allocate(0), &allocator(),
                      true);
  return self.set_(std::move(storage), 0, {0}, {});
}

TORCH_LIBRARY_IMPL(aten, PrivateUse1, m) {
  m.impl("empty.memory_format", &empty_memory_format);
  m.impl("empty_strided", &empty_strided_op);
  m.impl("resize_", &resize_op);
  m.impl("as_strided", &at::native::as_strided_tensorimpl);
  m.impl("view", &at::native::view);
  m.impl("view_as_real", &at::native::view_as_real);
  m.impl("view_as_complex", &at::native::view_as_complex);
  m.impl("unfold", &at::native::unfold);
  m.impl("_reshape_alias", &reshape_alias);
  m.impl("set_.source_Tensor", &set_source);
  m.impl("set_.source_Storage", &set_storage);
  m.impl("set_.source_Storage_storage_offset", &set_storage_offset);
  m.impl("set_", &set_empty);
  m.impl("is_set_to", &at::native::is_set_to);
}

}  // namespace

at::Tensor empty(at::IntArrayRef sizes, at::ScalarType dtype, c10::DeviceIndex index) {
  c10::OptionalDeviceGuard guard;
  if (index != current_device()) {
    guard.reset_device(c10::Device(c10::DeviceType::PrivateUse1, index));
  }
  return at::Tensor(at::detail::empty_generic(sizes, &allocator(), kKeys, dtype, std::nullopt));
}

at::Tensor empty_strided(at::IntArrayRef sizes, at::IntArrayRef strides, at::ScalarType dtype,
                         c10::DeviceIndex index) {
  c10::OptionalDeviceGuard guard;
  if (index != current_device()) {
    guard.reset_device(c10::Device(c10::DeviceType::PrivateUse1, index));
  }
  return at::Tensor(at::detail::empty_strided_generic(sizes, strides, &allocator(), kKeys, dtype));
}

void resize_storage(const c10::Storage& storage, size_t bytes) {
  TORCH_CHECK(storage.resizable(), "axl: trying to resize a storage that is not resizable");
  c10::DeviceIndex index = storage.device().index();
  c10::DeviceGuard guard(storage.device());
  c10::DataPtr fresh = allocator().allocate(bytes);
  size_t kept = std::min<size_t>(bytes, storage.nbytes());
  if (kept != 0) {
    copy_bytes(index, fresh, storage.data_ptr(), kept);
  }
  storage.set_data_ptr_noswap(std::move(fresh));
  storage.set_nbytes(bytes);
}

void resize_output(const at::Tensor& out, at::IntArrayRef sizes, at::IntArrayRef strides,
                   std::optional<at::MemoryFormat> format) {
  if (!at::native::resize_output(out, sizes)) {
    return;
  }
  if (!strides.empty()) {
    out.unsafeGetTensorImpl()->set_sizes_and_strides(sizes, strides);
  } else if (format.has_value()) {
    out.unsafeGetTensorImpl()->empty_tensor_restride(*format);
  }
}

}  // namespace axl
