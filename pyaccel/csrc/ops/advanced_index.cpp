// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
// Indexing by tensors: t[i], t[:, i, j], t[mask], and assignment to them.
//
// A command follows one index along one dimension, and walks every other dimension by strides. So
// the dimensions that are indexed become one, whose elements are all that the indices can reach,
// and the indices a vector; of several of them it holds offsets.
#include <ATen/ATen.h>
#include <ATen/ExpandUtils.h>
#include <ATen/MemoryOverlap.h>
#include <ATen/native/IndexingUtils.h>
#include <ATen/native/TensorAdvancedIndexingUtils.h>
#include <torch/library.h>

#include <algorithm>
#include <numeric>

#include "ops/commands.h"
#include "ops/fallback.h"

namespace axl {
namespace {

using Dims = at::DimVector;
using Indices = c10::List<std::optional<at::Tensor>>;

// The tensor with its indexed dimensions beside each other, and one index or none for each.
struct Subject {
  at::Tensor self;
  std::vector<at::Tensor> indices;
};

// What to give a command: view[.., index[i], ..] with 'index' in place of dimension 'dim'.
struct Places {
  at::Tensor view;
  at::Tensor index;  // broadcasts to 'flat'
  int64_t dim;
  Dims flat;   // the result's sizes with those of the indices as one
  Dims sizes;  // the result's
};

int64_t indexed_dims(const Subject& subject) {
  return std::count_if(subject.indices.begin(), subject.indices.end(),
                       [](const at::Tensor& index) { return index.defined(); });
}

void check_indices(const at::Tensor& self, const Indices& indices) {
  for (const std::optional<at::Tensor>& index : indices) {
    if (!index.has_value() || !index->defined()) {
      continue;
    }
    at::ScalarType type = index->scalar_type();
    TORCH_CHECK_INDEX(
        type == at::kLong || type == at::kInt || type == at::kByte || type == at::kBool,
        "tensors used as indices must be long, int, byte or bool tensors");
    TORCH_CHECK(index->is_cpu() || index->device() == self.device(),
                "indices should be either on cpu or on the same device as the indexed tensor (",
                self.device(), "), not on ", index->device());
  }
}

std::vector<at::Tensor> broadcast(const std::vector<at::Tensor>& indices) {
  try {
    return at::expand_outplace(indices);
  } catch (const c10::Error&) {
    std::string shapes;
    for (const at::Tensor& index : indices) {
      shapes += index.defined() ? c10::str(" ", index.sizes()) : "";
    }
    TORCH_CHECK_INDEX(false,
                      "shape mismatch: indexing tensors could not be broadcast together with "
                      "shapes",
                      shapes);
  }
}

// Masks become the indices of what they select; all indices get one shape.
Subject subject_of(const at::Tensor& self, const Indices& given) {
  Subject subject{self, broadcast(at::native::expandTensors(self, given, true))};
  TORCH_CHECK_INDEX(static_cast<int64_t>(subject.indices.size()) <= self.dim(),
                    "too many indices for tensor of dimension ", self.dim(), " (got ",
                    subject.indices.size(), ")");
  subject.indices.resize(self.dim());
  if (!at::native::hasContiguousSubspace(subject.indices)) {
    std::tie(subject.self, subject.indices) =
        at::native::transposeToFront(subject.self, subject.indices);
  }
  return subject;
}

// Indices from the end count from the start.
at::Tensor from_start(const Commands& on, const at::Tensor& index, int64_t size) {
  at::Tensor negative = make_like(index, index.sizes(), at::kBool);
  at::Tensor out = make_like(index, index.sizes(), at::kLong);
  on.binary(negative, AXL_BINARY_LT, index, 0.0);
  on.binary(out, AXL_BINARY_ADD, index, negative, static_cast<double>(size));
  return out;
}

// Several indices as one offset; -1, which the device refuses, where one of them is outside: added
// up it could point to another element.
class Offset {
 public:
  Offset(const Commands& on, const at::Tensor& like)
      : on_(on),
        sum_(make_like(like, like.sizes(), at::kLong).zero_()),
        outside_(make_like(like, like.sizes(), at::kBool).zero_()) {}

  void add(const at::Tensor& index, int64_t size, int64_t stride) {
    at::Tensor times = make_like(sum_);
    on_.binary(times, AXL_BINARY_FLOOR_DIV, index, static_cast<double>(size));
    on_.binary(outside_, AXL_BINARY_LOGICAL_OR, outside_, times);
    on_.binary(sum_, AXL_BINARY_ADD, sum_, index, static_cast<double>(stride));
  }

  at::Tensor result() const {
    at::Tensor out = make_like(sum_);
    on_.ternary(out, AXL_TERNARY_WHERE, outside_, -1.0, sum_);
    return out;
  }

 private:
  const Commands& on_;
  at::Tensor sum_, outside_;
};

// The one dimension that stands for those that are indexed.
struct Line {
  at::Tensor index;
  int64_t length, stride;
};

Line line_of(const Commands& on, const Subject& subject, at::IntArrayRef dims) {
  const at::Tensor& self = subject.self;
  if (dims.size() == 1) {
    int64_t size = self.size(dims[0]);
    return {from_start(on, subject.indices[dims[0]], size), size, self.stride(dims[0])};
  }
  int64_t step = 0, last = 0;
  for (int64_t dim : dims) {
    step = std::gcd(step, self.stride(dim));
    last += (self.size(dim) - 1) * self.stride(dim);
  }
  step = std::max<int64_t>(step, 1);  // all of them are broadcast
  Offset offset(on, subject.indices[dims[0]]);
  for (int64_t dim : dims) {
    int64_t size = self.size(dim);
    offset.add(from_start(on, subject.indices[dim], size), size, self.stride(dim) / step);
  }
  return {offset.result(), last / step + 1, step};
}

// Sizes and indexed dimensions only; nothing is computed yet.
Places outline_of(const Subject& subject, Dims& indexed) {
  const at::Tensor& self = subject.self;
  Places places{};
  for (int64_t dim = 0; dim < self.dim(); ++dim) {
    const at::Tensor& index = subject.indices[dim];
    if (!index.defined()) {
      places.sizes.push_back(self.size(dim));
      places.flat.push_back(self.size(dim));
      continue;
    }
    TORCH_CHECK_INDEX(self.size(dim) > 0 || index.numel() == 0,
                      "index is out of bounds for dimension with size 0");
    if (indexed.empty()) {
      places.dim = dim;
      places.sizes.append(index.sizes().begin(), index.sizes().end());
      places.flat.push_back(index.numel());
    }
    indexed.push_back(dim);
  }
  return places;
}

Places places_of(const Subject& subject, const char* what) {
  Dims indexed;
  Places places = outline_of(subject, indexed);
  if (c10::multiply_integers(places.flat) == 0) {
    return places;
  }
  const at::Tensor& self = subject.self;
  Line line = line_of(Commands{what, at::kLong}, subject, indexed);
  Dims sizes(places.flat), strides;
  sizes[places.dim] = line.length;
  for (int64_t dim = 0; dim < self.dim(); ++dim) {
    if (!subject.indices[dim].defined()) {
      strides.push_back(self.stride(dim));
    } else if (dim == places.dim) {
      strides.push_back(line.stride);
    }
  }
  places.view = self.as_strided(sizes, strides);
  Dims vector(places.flat.size() - places.dim, 1);
  vector[0] = places.flat[places.dim];
  places.index = line.index.view(vector);
  return places;
}

// The device moves elements of this type, and there is something to index by.
bool takes_indices(const at::Tensor& self, const Indices& indices) {
  bool any = false;
  for (const std::optional<at::Tensor>& index : indices) {
    any = any || (index.has_value() && index->defined());
  }
  return any && self.device().is_privateuseone() && has_dtype(self.scalar_type());
}

// As many dimensions as a command has are left when those that are indexed are one.
bool takes(const Subject& subject) {
  return subject.self.dim() - indexed_dims(subject) < AXL_MAX_DIMS;
}

at::Tensor index_tensor(const at::Tensor& self, const Indices& indices) {
  check_indices(self, indices);
  if (!takes_indices(self, indices)) {
    return call_fallback<at::_ops::index_Tensor>(self, indices);
  }
  Subject subject = subject_of(self, indices);
  if (!takes(subject)) {
    return call_fallback<at::_ops::index_Tensor>(self, indices);
  }
  const char* what = "aten::index";
  Places places = places_of(subject, what);
  at::Tensor out = make_like(self, places.sizes);
  if (out.numel() > 0) {
    Commands{what, self.scalar_type()}.gather(out.view(places.flat), places.view, places.index,
                                              places.dim);
  }
  return out;
}

// A mask and one value need no list of places. PyTorch's own test for that wants the value on the
// CPU, where CUDA can read it.
bool filled_by_mask(at::Tensor& self, const Indices& indices, const at::Tensor& value) {
  if (value.numel() != 1 || value.scalar_type() != self.scalar_type()) {
    return false;
  }
  auto [is_mask, mask] = at::native::canDispatchToMaskedFill(self, indices, at::scalar_tensor(0));
  if (is_mask) {
    self.masked_fill_(mask, value.reshape({}));
  }
  return is_mask;
}

void check_put(const at::Tensor& self, const Indices& indices, const at::Tensor& values) {
  TORCH_CHECK(at::has_internal_overlap(self) != at::MemOverlap::Yes,
              "index_put_(): several elements of the tensor share a place in memory; clone() it "
              "first");
  at::assert_no_overlap(self, values);
  for (const std::optional<at::Tensor>& index : indices) {
    if (index.has_value() && index->defined()) {
      at::assert_no_overlap(self, *index);
    }
  }
}

void put(const Subject& subject, const at::Tensor& values, uint32_t op) {
  const char* what = "aten::index_put_";
  Places places = places_of(subject, what);
  TORCH_CHECK(at::is_expandable_to(values.sizes(), places.sizes),
              "shape mismatch: value tensor of shape ", values.sizes(),
              " cannot be broadcast to indexing result of shape ", at::IntArrayRef(places.sizes));
  TORCH_CHECK(subject.self.scalar_type() == values.scalar_type(),
              "Index put requires the source and destination dtypes match, got ",
              subject.self.scalar_type(), " for the destination and ", values.scalar_type(),
              " for the source.");
  if (c10::multiply_integers(places.flat) > 0) {
    Commands{what, subject.self.scalar_type()}.scatter(
        places.view, op, values.expand(places.sizes).reshape(places.flat), places.index, places.dim,
        places.flat);
  }
}

// Where other dimensions lie between those that are indexed, what the indices can reach overlaps;
// one that is written must not. They lie side by side in a copy.
bool apart(const Subject& subject) {
  return indexed_dims(subject) > 1 && !subject.self.is_contiguous();
}

at::Tensor& index_put(at::Tensor& self, const Indices& indices, const at::Tensor& values,
                      bool accumulate, bool unsafe) {
  check_indices(self, indices);
  bool number = values.dim() == 0 && values.is_cpu();
  if (!takes_indices(self, indices) || (values.device() != self.device() && !number) ||
      (accumulate && self.scalar_type() == at::kBool)) {
    return call_fallback<at::_ops::_index_put_impl_>(self, indices, values, accumulate, unsafe);
  }
  check_put(self, indices, values);
  if (!accumulate && filled_by_mask(self, indices, values)) {
    return self;
  }
  Subject subject = subject_of(self, indices);
  if (!takes(subject)) {
    return call_fallback<at::_ops::_index_put_impl_>(self, indices, values, accumulate, unsafe);
  }
  at::Tensor target = subject.self;
  bool copied = apart(subject);
  if (copied) {
    subject.self = target.contiguous();
  }
  put(subject, values.to(self.device()), accumulate ? AXL_SCATTER_ADD : AXL_SCATTER_SET);
  if (copied) {
    target.copy_(subject.self);
  }
  return self;
}

TORCH_LIBRARY_IMPL(aten, PrivateUse1, m) {
  m.impl("index.Tensor", &index_tensor);
  m.impl("_index_put_impl_", &index_put);
}

}  // namespace
}  // namespace axl
