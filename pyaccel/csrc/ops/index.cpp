// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
// Picking and placing elements by index.
#include "ops/structured.h"

#include <ATen/ops/cat_meta.h>
#include <ATen/ops/gather_meta.h>
#include <ATen/ops/scatter_add_meta.h>
#include <ATen/ops/scatter_meta.h>
#include <ATen/ops/tril_meta.h>
#include <ATen/ops/triu_meta.h>

#include <ATen/ExpandUtils.h>
#include <ATen/MemoryOverlap.h>
#include <ATen/WrapDimUtils.h>
#include <ATen/WrapDimUtilsMulti.h>

#include <cmath>

#include "ops/commands.h"

namespace axl {
namespace {

using Dims = at::DimVector;

bool takes_index(const at::Tensor& index) {
  return takes(index) && at::isIntegralType(index.scalar_type(), false);
}

// A number is a vector of one element here.
at::Tensor at_least_1d(const at::Tensor& tensor) {
  return tensor.dim() == 0 ? tensor.unsqueeze(0) : tensor;
}

struct Gather {
  template <typename Op>
  static void run(Op& op, const at::Tensor& self, int64_t dim, const at::Tensor& index, bool) {
    at::Tensor out = at_least_1d(op.outputs[0]);
    if (index.numel() == 0) {
      return;  // of any number of dimensions
    }
    Commands{op.what, self.scalar_type()}.gather(out, at_least_1d(self), at_least_1d(index),
                                                 at::maybe_wrap_dim(dim, out.dim()));
  }
};

// 'out' starts as a copy of 'self' unless it is the same.
void start_from(const at::Tensor& out, const at::Tensor& self) {
  if (!out.is_same(self)) {
    out.copy_(self);
  }
}

template <uint32_t Code>
struct ScatterTensor {
  template <typename Op>
  static void run(Op& op, const at::Tensor& self, int64_t dim, const at::Tensor& index,
                  const at::Tensor& src) {
    start_from(op.outputs[0], self);
    if (index.numel() == 0) {
      return;  // of any number of dimensions
    }
    at::Tensor out = at_least_1d(op.outputs[0]), places = at_least_1d(index);
    at::Tensor part = at_least_1d(src);
    for (int64_t each = 0; each < part.dim(); ++each) {
      part = part.narrow(each, 0, places.size(each));
    }
    Commands{op.what, self.scalar_type()}.scatter(
        out, Code, part, places, at::maybe_wrap_dim(dim, out.dim()), places.sizes());
  }
};

struct ScatterNumber {
  template <typename Op>
  static void run(Op& op, const at::Tensor& self, int64_t dim, const at::Tensor& index,
                  const at::Scalar& value) {
    start_from(op.outputs[0], self);
    if (index.numel() == 0) {
      return;  // of any number of dimensions
    }
    at::Tensor out = at_least_1d(op.outputs[0]), places = at_least_1d(index);
    Commands{op.what, self.scalar_type()}.scatter(out, AXL_SCATTER_SET, value.toDouble(), places,
                                                  at::maybe_wrap_dim(dim, out.dim()),
                                                  places.sizes());
  }
};

// A vector of indices along 'dim', shaped to broadcast over 'ndim' dimensions.
at::Tensor along(const at::Tensor& index, int64_t dim, int64_t ndim) {
  Dims sizes(ndim, 1);
  sizes[dim] = index.numel();
  return index.reshape(sizes);
}

at::Tensor index_select(const at::Tensor& self, int64_t dim, const at::Tensor& index) {
  if (!takes(self) || !takes_index(index) || self.dim() == 0) {
    return call_fallback<at::_ops::index_select>(self, dim, index);
  }
  TORCH_CHECK_INDEX(index.dim() <= 1, "index_select(): Index is supposed to be a vector");
  dim = at::maybe_wrap_dim(dim, self.dim());
  Dims sizes(self.sizes().begin(), self.sizes().end());
  sizes[dim] = index.numel();
  at::Tensor out = make_like(self, sizes);
  TORCH_CHECK_INDEX(out.numel() == 0 || self.size(dim) > 0,
                    "index_select(): nothing to select from in dimension ", dim);
  Commands{"aten::index_select", self.scalar_type()}.gather(out, self,
                                                            along(index, dim, self.dim()), dim);
  return out;
}

// Rows of 'grad' added up by what they were looked up with; the padding row gets nothing.
at::Tensor embedding_backward(const at::Tensor& grad, const at::Tensor& indices, int64_t rows,
                              int64_t padding, bool by_frequency) {
  if (!takes_floats(grad) || !takes_index(indices) || by_frequency) {
    return call_fallback<at::_ops::embedding_dense_backward>(grad, indices, rows, padding,
                                                             by_frequency);
  }
  int64_t width = grad.size(-1);
  at::Tensor values = grad.reshape({-1, width});
  at::Tensor index = indices.reshape({-1, 1});
  at::Tensor out = make_like(grad, {rows, width}).zero_();
  Commands on{"aten::embedding_dense_backward", grad.scalar_type()};
  on.scatter(out, AXL_SCATTER_ADD, values, index, 0, values.sizes());
  if (padding >= 0) {
    out.select(0, padding).zero_();
  }
  return out;
}

bool takes_masked_fill(const at::Tensor& self, const at::Tensor& mask) {
  return has_dtype(self.scalar_type()) && mask.scalar_type() == at::kBool;
}

at::Tensor& masked_fill(at::Tensor& self, const at::Tensor& mask, const at::Scalar& value) {
  if (!takes_masked_fill(self, mask) || value.isComplex()) {
    return call_fallback<at::_ops::masked_fill__Scalar>(self, mask, value);
  }
  TORCH_CHECK(at::is_expandable_to(mask.sizes(), self.sizes()), "the mask of ", mask.sizes(),
              " does not broadcast to ", self.sizes());
  at::assert_no_internal_overlap(self);
  at::assert_no_partial_overlap(self, mask);
  // An element stays where the opposite of the mask is set.
  at::Tensor stays = at::logical_not(mask);
  auto whole = at::TensorIteratorConfig()
                   .set_check_mem_overlap(false)
                   .check_all_same_dtype(false)
                   .resize_outputs(false)
                   .add_output(self)
                   .add_const_input(stays)
                   .add_const_input(self)
                   .build();
  launch(whole, AXL_OPCODE_TERNARY, AXL_TERNARY_WHERE, self.scalar_type(), 0, "aten::masked_fill_",
         {immediate(value, self.scalar_type())});
  return self;
}

at::Tensor& masked_fill_tensor(at::Tensor& self, const at::Tensor& mask, const at::Tensor& value) {
  TORCH_CHECK(value.dim() == 0,
              "masked_fill_ only supports a 0-dimensional value tensor, but got "
              "tensor with ",
              value.dim(), " dimension(s).");
  if (!takes_masked_fill(self, mask) || !native(value)) {
    return call_fallback<at::_ops::masked_fill__Tensor>(self, mask, value);
  }
  return self.copy_(at::where(mask, value.to(self.scalar_type()), self));
}

// The inputs one after the other; each is a strided copy.
at::Tensor& cat_into(const at::ITensorListRef& tensors, int64_t dim, at::Tensor& out) {
  int64_t from = 0;
  for (const at::Tensor& tensor : tensors) {
    if (tensor.dim() == 1 && tensor.numel() == 0) {
      continue;
    }
    TORCH_CHECK(tensor.device() == out.device(),
                "Expected all tensors to be on the same device, but found at least two devices, ",
                out.device(), " and ", tensor.device(), "!");
    out.narrow(dim, from, tensor.size(dim)).copy_(tensor);
    from += tensor.size(dim);
  }
  return out;
}

at::Tensor& cat_out(const at::ITensorListRef& tensors, int64_t dim, at::Tensor& out) {
  Structured<at::meta::structured_cat> op("aten::cat");
  op.outputs[0] = out;
  auto precomputed = op.meta(tensors, dim);
  return out.numel() == 0 ? out : cat_into(tensors, precomputed.dim, out);
}

at::Tensor flip(const at::Tensor& self, at::IntArrayRef dims) {
  if (!takes(self)) {
    return call_fallback<at::_ops::flip>(self, dims);
  }
  at::Tensor out = make_like(self);
  if (self.numel() == 0) {
    return out;
  }
  Dims strides(self.strides().begin(), self.strides().end());
  int64_t offset = 0;
  auto flipped = at::dim_list_to_bitset(dims, self.dim());
  for (int64_t dim = 0; dim < self.dim(); ++dim) {
    if (flipped[dim]) {
      offset += strides[dim] * (self.size(dim) - 1);
      strides[dim] = -strides[dim];
    }
  }
  launch(out, AXL_OPCODE_COPY_STRIDED, 0, self.scalar_type(), shape_of(self.sizes()),
         {operand_strided(self, strides, offset), operand(out)}, {0, 0}, "aten::flip");
  return out;
}

// 0, 1, 2, ..: what is there is copied behind itself with its length added, until it is full.
at::Tensor counting(c10::DeviceIndex device, int64_t count) {
  at::Tensor out = empty({count}, at::kLong, device);
  Commands on{"aten::arange", at::kLong};
  out.narrow(0, 0, 1).zero_();
  for (int64_t have = 1; have < count; have *= 2) {
    int64_t more = std::min(have, count - have);
    on.binary(out.narrow(0, have, more), AXL_BINARY_ADD, out.narrow(0, 0, more),
              static_cast<double>(have));
  }
  return out;
}

// As a double, so that no sum overflows. 2^63 is no int64_t any more.
void check_length(double first, double last, double by) {
  double length = std::ceil((last - first) / by);
  TORCH_CHECK(length >= 0 && length < 0x1p63, "invalid size, possible overflow?");
}

int64_t length_of(const at::Scalar& start, const at::Scalar& end, const at::Scalar& step,
                  bool integers) {
  if (integers) {
    int64_t first = start.toLong(), last = end.toLong(), by = step.toLong();
    TORCH_CHECK(by != 0, "step must be nonzero");
    TORCH_CHECK((by > 0) == (last >= first) || last == first,
                "upper bound and larger bound inconsistent with step sign");
    check_length(static_cast<double>(first), static_cast<double>(last), static_cast<double>(by));
    return (last - first + by - (by > 0 ? 1 : -1)) / by;
  }
  double by = step.toDouble();
  TORCH_CHECK(by != 0, "step must be nonzero");
  TORCH_CHECK(
      (by > 0) == (end.toDouble() >= start.toDouble()) || end.toDouble() == start.toDouble(),
      "upper bound and larger bound inconsistent with step sign");
  check_length(start.toDouble(), end.toDouble(), by);
  return static_cast<int64_t>(std::ceil((end.toDouble() - start.toDouble()) / by));
}

at::Tensor& arange_out(const at::Scalar& start, const at::Scalar& end, const at::Scalar& step,
                       at::Tensor& out) {
  if (!native(start) || !native(end) || !native(step) || !takes(out) ||
      !std::isfinite(start.toDouble()) || !std::isfinite(end.toDouble())) {
    return call_fallback<at::_ops::arange_start_out>(start, end, step, out);
  }
  bool integers = at::isIntegralType(out.scalar_type(), true);
  int64_t count = length_of(start, end, step, integers);
  if (out.numel() != count) {
    if (out.numel() > 0) {
      TORCH_WARN("The number of elements in the out tensor of shape ", out.sizes(), " is ",
                 out.numel(), " and the computed number of elements is ", count,
                 ". The out tensor will be resized to a tensor of shape (", count, ",).");
    }
    out.resize_({count});
  }
  if (count == 0) {
    return out;
  }
  at::Tensor steps = counting(out.device().index(), count);
  at::ScalarType compute = integers ? at::kLong : at::kDouble;
  bool in_place = out.dim() == 1 || out.is_contiguous();
  at::Tensor target =
      in_place ? out.view({count}) : empty({count}, out.scalar_type(), out.device().index());
  launch(target, AXL_OPCODE_BINARY, AXL_BINARY_ADD, compute, shape_of(target.sizes()),
         {immediate(start, compute), operand(steps), operand(target)},
         {parameter(step, compute), 0}, "aten::arange");
  if (!in_place) {
    out.copy_(target.view(out.sizes()));
  }
  return out;
}

// Keeps what is on or below (tril), or on or above (triu), a diagonal.
template <uint32_t Code>
struct Triangle {
  template <typename Op>
  static void run(Op& op, const at::Tensor& self, int64_t diagonal) {
    const at::Tensor& out = op.outputs[0];
    if (self.numel() == 0) {
      return;
    }
    c10::DeviceIndex device = self.device().index();
    int64_t rows = self.size(-2), columns = self.size(-1);
    at::Tensor keep = empty({rows, columns}, at::kBool, device);
    at::Tensor limit = empty({rows, 1}, at::kLong, device);
    Commands whole{op.what, at::kLong};
    whole.binary(limit, AXL_BINARY_ADD, counting(device, rows).unsqueeze(1),
                 static_cast<double>(diagonal));
    whole.binary(keep, Code, counting(device, columns), limit);
    Commands{op.what, self.scalar_type()}.ternary(out, AXL_TERNARY_WHERE, keep, self, 0.0);
  }
};

TORCH_LIBRARY_IMPL(aten, PrivateUse1, m) {
  add_out<at::_ops::gather, at::_ops::gather_out, at::meta::structured_gather, Gather>(m);
  add_all<at::_ops::scatter_src, at::_ops::scatter_src_out, at::_ops::scatter__src,
          at::meta::structured_scatter_src, ScatterTensor<AXL_SCATTER_SET>>(m);
  add_all<at::_ops::scatter_value, at::_ops::scatter_value_out, at::_ops::scatter__value,
          at::meta::structured_scatter_value, ScatterNumber>(m);
  add_all<at::_ops::scatter_add, at::_ops::scatter_add_out, at::_ops::scatter_add_,
          at::meta::structured_scatter_add, ScatterTensor<AXL_SCATTER_ADD>>(m);
  add_all<at::_ops::tril, at::_ops::tril_out, at::_ops::tril_, at::meta::structured_tril,
          Triangle<AXL_BINARY_LE>>(m);
  add_all<at::_ops::triu, at::_ops::triu_out, at::_ops::triu_, at::meta::structured_triu,
          Triangle<AXL_BINARY_GE>>(m);
  m.impl("index_select", &index_select);
  m.impl("embedding_dense_backward", &embedding_backward);
  m.impl("masked_fill_.Scalar", &masked_fill);
  m.impl("masked_fill_.Tensor", &masked_fill_tensor);
  m.impl("cat.out", &cat_out);
  m.impl("flip", &flip);
  m.impl("arange.start_out", &arange_out);
}

}  // namespace
}  // namespace axl
