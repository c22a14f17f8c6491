// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
// _copy_from: between host and endpoint, within an endpoint, and between endpoints.
#include <ATen/core/CachingHostAllocator.h>
#include <ATen/native/Resize.h>
#include <ATen/ops/_copy_from.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_strided.h>
#include <ATen/ops/real.h>
#include <ATen/ops/view_as_real.h>

#include "device/allocator.h"
#include "device/current.h"
#include "device/event.h"
#include "ops/launch.h"
#include "ops/storage.h"
#include "runtime/host_memory.h"
#include "runtime/staging.h"

namespace axl {
namespace {

constexpr const char* kWhat = "aten::copy_";

bool is_axl(const at::Tensor& tensor) {
  return tensor.device().type() == c10::DeviceType::PrivateUse1;
}

uint64_t va_of(const at::Tensor& tensor) {
  return reinterpret_cast<uint64_t>(tensor.const_data_ptr());
}

// Both have the same strides, and their elements fill one range of memory.
bool same_dense_layout(const at::Tensor& a, const at::Tensor& b) {
  return a.scalar_type() == b.scalar_type() && a.strides() == b.strides() &&
         a.is_non_overlapping_and_dense();
}

// A tensor of the same layout if it is dense, else a contiguous one; on any device.
at::Tensor dense_like(const at::Tensor& shape, at::ScalarType dtype, at::Device device) {
  auto options = at::TensorOptions().dtype(dtype).device(device);
  return shape.is_non_overlapping_and_dense()
             ? at::empty_strided(shape.sizes(), shape.strides(), options)
             : at::empty(shape.sizes(), options);
}

// The pinned memory that holds a host tensor is in use by the stream until now.
void keep_pinned(const at::Tensor& host, Stream& stream) {
  const c10::DataPtr& data = host.storage().data_ptr();
  c10::Stream used(c10::Stream::UNSAFE,
                   c10::Device(c10::DeviceType::PrivateUse1, stream.session().index()),
                   stream.id());
  at::getHostAllocator(c10::DeviceType::PrivateUse1)
      ->record_event(host.mutable_data_ptr(), data.get_context(), used);
}

void upload(const at::Tensor& dst, const at::Tensor& src, bool non_blocking) {
  Stream& stream = stream_for(dst);
  uint64_t pinned = host_va(stream.session(), src.const_data_ptr(), src.nbytes());
  if (pinned == 0) {
    stream.staging().upload(va_of(dst), src.const_data_ptr(), src.nbytes(), kWhat);
    return;
  }
  axl_slot slot;
  axl_cmd_copy(&slot, va_of(dst), pinned, src.nbytes());
  Ticket ticket = stream.append(&slot, 1, kWhat);
  if (non_blocking) {
    keep_pinned(src, stream);
  } else {
    stream.wait(ticket);
  }
}

void download(const at::Tensor& dst, const at::Tensor& src, bool non_blocking) {
  Stream& stream = stream_for(src);
  uint64_t pinned = host_va(stream.session(), dst.const_data_ptr(), dst.nbytes());
  if (pinned == 0) {
    stream.staging().download(dst.mutable_data_ptr(), va_of(src), src.nbytes(), kWhat);
    return;
  }
  axl_slot slot;
  axl_cmd_copy(&slot, pinned, va_of(src), src.nbytes());
  Ticket ticket = stream.append(&slot, 1, kWhat);
  if (non_blocking) {
    keep_pinned(dst, stream);
  } else {
    stream.wait(ticket);
  }
}

void host_to_device(const at::Tensor& dst, const at::Tensor& src, bool non_blocking) {
  if (same_dense_layout(dst, src)) {
    upload(dst, src, non_blocking);
    return;
  }
  // What the device cannot convert, and what is smaller afterwards, the CPU converts.
  at::Tensor host = dense_like(dst, dst.scalar_type(), at::kCPU);
  host.copy_(src);
  if (same_dense_layout(dst, host)) {
    upload(dst, host, false);
    return;
  }
  at::Tensor staged = dense_like(host, dst.scalar_type(), dst.device());
  upload(staged, host, false);
  dst.copy_(staged);
}

void device_to_host(const at::Tensor& dst, const at::Tensor& src, bool non_blocking) {
  if (same_dense_layout(dst, src)) {
    download(dst, src, non_blocking);
    return;
  }
  at::Tensor dense = src.is_non_overlapping_and_dense() ? src : src.contiguous();
  at::Tensor host = dense_like(dense, src.scalar_type(), at::kCPU);
  download(host, dense, false);
  dst.copy_(host);
}

// A type of the same size that the device has, or none: to move bits without looking at them.
std::optional<at::ScalarType> same_bits(at::ScalarType type) {
  switch (type) {
    case at::kUInt16:
      return at::kShort;
    case at::kUInt32:
      return at::kInt;
    case at::kUInt64:
      return at::kLong;
    case at::kFloat8_e4m3fn:
    case at::kFloat8_e4m3fnuz:
    case at::kFloat8_e5m2:
    case at::kFloat8_e5m2fnuz:
    case at::kFloat8_e8m0fnu:
      return at::kByte;
    default:
      return std::nullopt;
  }
}

// Of one type that the device does not have. Complex numbers move as pairs.
void move_unknown(const at::Tensor& dst, const at::Tensor& src) {
  if (std::optional<at::ScalarType> type = same_bits(src.scalar_type())) {
    copy_on_device(dst.view(*type), src.view(*type), kWhat);
    return;
  }
  TORCH_CHECK(src.is_complex(), "axl has no ", src.scalar_type(),
              " tensors that are not contiguous: keep them on the CPU");
  copy_on_device(at::view_as_real(dst), at::view_as_real(src), kWhat);
}

void within_device(const at::Tensor& dst, const at::Tensor& src) {
  if (src.scalar_type() == dst.scalar_type() && !has_dtype(src.scalar_type())) {
    move_unknown(dst, src);
    return;
  }
  if (has_dtype(src.scalar_type()) && has_dtype(dst.scalar_type())) {
    copy_on_device(dst, src, kWhat);
    return;
  }
  dst.copy_(src.to(at::kCPU));
}

// Within one rack the target fetches from its peer's memory; else through the host.
void between_devices(const at::Tensor& dst, const at::Tensor& src) {
  at::Tensor from = src.scalar_type() == dst.scalar_type() && src.is_contiguous()
                        ? src
                        : src.to(dst.scalar_type()).contiguous();
  at::Tensor to = dst.is_contiguous() ? dst : at::empty(dst.sizes(), dst.options());
  Stream& source = stream_for(from);
  Stream& target = stream_for(to);
  Block* block = block_of(from.storage().data_ptr());
  uint64_t base =
      block == nullptr ? 0 : block->session->memory().peer_va(block->segment, target.session());
  if (base == 0) {
    to.copy_(from.to(at::kCPU));
  } else {
    Event written(false), read(false);
    written.record(source);
    written.block(target);
    axl_slot slot;
    axl_cmd_copy(&slot, va_of(to), base + (va_of(from) - block->segment->va), from.nbytes());
    target.append(&slot, 1, kWhat);
    // The source's memory may be used for something else only after that.
    read.record(target);
    read.block(source);
  }
  if (!to.is_same(dst)) {
    dst.copy_(to);
  }
}

// Without lazy conjugation and negation: the memory as it is.
at::Tensor plain(const at::Tensor& tensor) {
  at::Tensor bits = tensor.is_conj() ? tensor.conj() : tensor;
  return bits.is_neg() ? bits._neg_view() : bits;
}

at::Tensor copy_from(const at::Tensor& given, const at::Tensor& dst, bool non_blocking) {
  if (dst.numel() == 0) {
    return dst;
  }
  if (given._is_zerotensor()) {
    dst.zero_();
    return dst;
  }
  at::Tensor src = plain(given).expand_as(dst);
  at::Tensor target = plain(dst);
  if (!is_axl(src)) {
    host_to_device(target, src, non_blocking);
  } else if (!is_axl(target)) {
    device_to_host(target, src, non_blocking);
  } else if (src.device() == target.device()) {
    within_device(target, src);
  } else {
    between_devices(target, src);
  }
  if (given.is_neg() != dst.is_neg()) {
    target.neg_();
  }
  if (given.is_conj() != dst.is_conj() && target.is_complex()) {
    at::view_as_real(target).select(-1, 1).neg_();
  }
  return dst;
}

at::Tensor copy_from_and_resize(const at::Tensor& src, const at::Tensor& dst) {
  at::native::resize_output(dst, src.sizes());
  return copy_from(src, dst, false);
}

at::Scalar local_scalar_dense(const at::Tensor& self) {
  at::Tensor host = at::empty({}, self.options().device(at::kCPU));
  download(host, self, false);
  return host.item();
}

TORCH_LIBRARY_IMPL(aten, PrivateUse1, m) {
  m.impl("_copy_from", &copy_from);
  m.impl("_copy_from_and_resize", &copy_from_and_resize);
  m.impl("_local_scalar_dense", &local_scalar_dense);
}

// Their own kernels would copy first, which leads here again, without end.
#define AXL_COPY_RESOLVES(key)                                              \
  TORCH_LIBRARY_IMPL(aten, key, m) {                                        \
    m.impl("_copy_from", torch::CppFunction::makeFallthrough());            \
    m.impl("_copy_from_and_resize", torch::CppFunction::makeFallthrough()); \
  }
AXL_COPY_RESOLVES(Conjugate)
AXL_COPY_RESOLVES(Negative)
AXL_COPY_RESOLVES(ZeroTensor)

}  // namespace
}  // namespace axl
