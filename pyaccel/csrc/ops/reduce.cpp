// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
// Sums, means, products, extremes, norms, variances.
#include "ops/structured.h"

#include <ATen/ops/all_meta.h>
#include <ATen/ops/amax_meta.h>
#include <ATen/ops/amin_meta.h>
#include <ATen/ops/any_meta.h>
#include <ATen/ops/argmax_meta.h>
#include <ATen/ops/argmin_meta.h>
#include <ATen/ops/linalg_vector_norm_meta.h>
#include <ATen/ops/max_meta.h>
#include <ATen/ops/mean_meta.h>
#include <ATen/ops/min_meta.h>
#include <ATen/ops/prod_meta.h>
#include <ATen/ops/sum_meta.h>

#include <ATen/WrapDimUtils.h>

#include <cmath>
#include <limits>

#include "ops/commands.h"

namespace axl {
namespace {

using Dims = at::DimVector;

// The dimensions named, or all.
Dims dims_of(at::OptionalIntArrayRef named, int64_t ndim) {
  Dims dims;
  if (!named.has_value() || named->empty()) {
    for (int64_t dim = 0; dim < ndim; ++dim) {
      dims.push_back(dim);
    }
    return dims;
  }
  for (int64_t dim : *named) {
    dims.push_back(at::maybe_wrap_dim(dim, ndim));
  }
  if (ndim == 0) {
    dims.clear();
  }
  return dims;
}

// Truth values are counted as integers.
at::ScalarType sum_type(at::ScalarType out) {
  return out == at::kBool ? at::kLong : out;
}

template <uint32_t Code>
struct Sum {
  template <typename Op>
  static void run(Op& op, const at::Tensor& self, at::OptionalIntArrayRef dim, bool,
                  std::optional<at::ScalarType>) {
    const at::Tensor& out = op.outputs[0];
    Commands{op.what, sum_type(out.scalar_type())}.reduce(out, Code, self,
                                                          dims_of(dim, self.dim()));
  }
};

struct Prod {
  template <typename Op>
  static void run(Op& op, const at::Tensor& self, int64_t dim, bool,
                  std::optional<at::ScalarType>) {
    const at::Tensor& out = op.outputs[0];
    Commands{op.what, sum_type(out.scalar_type())}.reduce(out, AXL_REDUCE_PROD, self,
                                                          dims_of(dim, self.dim()));
  }
};

template <uint32_t Code>
struct Extreme {
  template <typename Op>
  static void run(Op& op, const at::Tensor& self, at::IntArrayRef dim, bool) {
    Commands{op.what, self.scalar_type()}.reduce(op.outputs[0], Code, self,
                                                 dims_of(dim, self.dim()));
  }
};

template <uint32_t Code>
struct ArgExtreme {
  template <typename Op>
  static void run(Op& op, const at::Tensor& self, std::optional<int64_t> dim, bool) {
    Dims dims = dim.has_value() ? dims_of(*dim, self.dim()) : dims_of(std::nullopt, self.dim());
    Commands{op.what, self.scalar_type()}.reduce(op.outputs[0], Code, self, dims);
  }
};

// any and all: over one dimension, several, or every one.
template <uint32_t Code>
struct Truth {
  template <typename Op>
  static void run(Op& op, const at::Tensor& self, int64_t dim, bool) {
    into(op, self, dims_of(dim, self.dim()));
  }
  template <typename Op>
  static void run(Op& op, const at::Tensor& self) {
    into(op, self, dims_of(std::nullopt, self.dim()));
  }

 private:
  template <typename Op>
  static void into(Op& op, const at::Tensor& self, const Dims& dims) {
    Commands{op.what, self.scalar_type()}.reduce(op.outputs[0], Code, self, dims);
  }
};

struct VectorNorm {
  template <typename Op>
  static void run(Op& op, const at::Tensor& self, const at::Scalar& ord,
                  at::OptionalIntArrayRef dim, bool, std::optional<at::ScalarType>) {
    const at::Tensor& out = op.outputs[0];
    Dims dims = dims_of(dim, self.dim());
    Commands on{op.what, out.scalar_type()};
    double power = ord.toDouble();
    if (power == 2) {
      on.reduce(out, AXL_REDUCE_SUM_SQUARES, self, dims);
      on.unary(out, AXL_UNARY_SQRT, out);
      return;
    }
    at::Tensor terms = make_like(self, self.sizes(), out.scalar_type());
    if (power == 0) {
      on.binary(terms, AXL_BINARY_NE, self, 0.0);
      on.reduce(out, AXL_REDUCE_SUM, terms, dims);
      return;
    }
    on.unary(terms, AXL_UNARY_ABS, self);
    if (std::isinf(power)) {
      on.reduce(out, power > 0 ? AXL_REDUCE_MAX : AXL_REDUCE_MIN, terms, dims);
      return;
    }
    if (power != 1) {
      on.binary(terms, AXL_BINARY_POW, terms, power);
    }
    on.reduce(out, AXL_REDUCE_SUM, terms, dims);
    if (power != 1) {
      on.binary(out, AXL_BINARY_POW, out, 1 / power);
    }
  }
};

template <uint32_t Value, uint32_t Index, typename Meta, typename Op>
std::tuple<at::Tensor&, at::Tensor&> extreme_out(const at::Tensor& self, int64_t dim, bool keepdim,
                                                 at::Tensor& values, at::Tensor& indices) {
  if (!takes(self)) {
    return call_fallback<Op>(self, dim, keepdim, values, indices);
  }
  Structured<Meta> op(Op::name);
  op.outputs[0] = values;
  op.outputs[1] = indices;
  op.meta(self, dim, keepdim);
  Dims dims = dims_of(dim, self.dim());
  Commands on{Op::name, self.scalar_type()};
  on.reduce(values, Value, self, dims);
  on.reduce(indices, Index, self, dims);
  return {values, indices};
}

template <uint32_t Code, typename Op>
at::Tensor extreme_of_all(const at::Tensor& self) {
  if (!takes(self)) {
    return call_fallback<Op>(self);
  }
  TORCH_CHECK(self.numel() > 0, Op::name + 6,
              "(): Expected reduction dim to be specified for input.numel() == 0. Specify the "
              "reduction dim with the 'dim' argument.");
  at::Tensor out = make_like(self, {});
  Commands{Op::name, self.scalar_type()}.reduce(out, Code, self, dims_of(std::nullopt, self.dim()));
  return out;
}

at::Tensor prod(const at::Tensor& self, std::optional<at::ScalarType> dtype) {
  if (!takes(self) || !native(dtype)) {
    return call_fallback<at::_ops::prod>(self, dtype);
  }
  bool whole = at::isIntegralType(self.scalar_type(), true);
  at::ScalarType type = dtype.value_or(whole ? at::kLong : self.scalar_type());
  at::Tensor out = make_like(self, {}, type);
  Commands{"aten::prod", sum_type(type)}.reduce(out, AXL_REDUCE_PROD, self,
                                                dims_of(std::nullopt, self.dim()));
  return out;
}

int64_t reduced_count(const at::Tensor& self, const Dims& dims) {
  int64_t count = 1;
  for (int64_t dim : dims) {
    count *= self.size(dim);
  }
  return count;
}

// The mean, and the squares' sum around it divided by what is left of the count.
std::tuple<at::Tensor, at::Tensor> variance(const at::Tensor& self, const Dims& dims,
                                            const std::optional<at::Scalar>& correction,
                                            const char* what) {
  Dims kept = kept_sizes(self.sizes(), dims);
  at::Tensor mean = scratch(self, kept);
  at::Tensor centered = scratch(self);
  at::Tensor var = scratch(self, kept);
  Commands on{what, mean.scalar_type()};
  on.reduce(mean, AXL_REDUCE_MEAN, self, dims);
  on.binary(centered, AXL_BINARY_SUB, self, mean);
  on.reduce(var, AXL_REDUCE_SUM_SQUARES, centered, dims);
  double left = static_cast<double>(reduced_count(self, dims)) -
                (correction.has_value() ? correction->toDouble() : 1.0);
  on.binary(var, AXL_BINARY_DIV, var, std::max(left, 0.0));
  return {var, mean};
}

// Without the reduced dimensions unless they are kept, in the input's type.
at::Tensor shaped(const at::Tensor& result, const at::Tensor& self, const Dims& dims,
                  bool keepdim) {
  at::Tensor typed = result.to(self.scalar_type());
  if (keepdim) {
    return typed;
  }
  std::vector<bool> gone(self.dim(), false);
  for (int64_t dim : dims) {
    gone[dim] = true;
  }
  Dims sizes;
  for (int64_t dim = 0; dim < self.dim(); ++dim) {
    if (!gone[dim]) {
      sizes.push_back(self.size(dim));
    }
  }
  return typed.view(sizes);
}

// The variance, or its root.
template <typename Op, bool Root>
at::Tensor spread(const at::Tensor& self, at::OptionalIntArrayRef dim,
                  const std::optional<at::Scalar>& correction, bool keepdim) {
  if (!takes_floats(self)) {
    return call_fallback<Op>(self, dim, correction, keepdim);
  }
  Dims dims = dims_of(dim, self.dim());
  at::Tensor found = std::get<0>(variance(self, dims, correction, Op::name));
  if constexpr (Root) {
    Commands{Op::name, found.scalar_type()}.unary(found, AXL_UNARY_SQRT, found);
  }
  return shaped(found, self, dims, keepdim);
}

// Where the output has another type, that is the type to compute in.
template <typename OutOp, typename Op, bool Root>
at::Tensor& spread_out(const at::Tensor& self, at::OptionalIntArrayRef dim,
                       const std::optional<at::Scalar>& correction, bool keepdim, at::Tensor& out) {
  if (!takes_floats(self) || out.scalar_type() != self.scalar_type() ||
      out.device() != self.device()) {
    return call_fallback<OutOp>(self, dim, correction, keepdim, out);
  }
  at::Tensor found = spread<Op, Root>(self, dim, correction, keepdim);
  resize_output(out, found.sizes());
  return out.copy_(found);
}

std::tuple<at::Tensor, at::Tensor> var_mean(const at::Tensor& self, at::OptionalIntArrayRef dim,
                                            const std::optional<at::Scalar>& correction,
                                            bool keepdim) {
  if (!takes_floats(self)) {
    return call_fallback<at::_ops::var_mean_correction>(self, dim, correction, keepdim);
  }
  Dims dims = dims_of(dim, self.dim());
  auto [var, mean] = variance(self, dims, correction, "aten::var_mean");
  return {shaped(var, self, dims, keepdim), shaped(mean, self, dims, keepdim)};
}

TORCH_LIBRARY_IMPL(aten, PrivateUse1, m) {
  add_out<at::_ops::sum_dim_IntList, at::_ops::sum_IntList_out,
          at::meta::structured_sum_dim_IntList, Sum<AXL_REDUCE_SUM>>(m);
  add_out<at::_ops::mean_dim, at::_ops::mean_out, at::meta::structured_mean_dim,
          Sum<AXL_REDUCE_MEAN>>(m);
  add_out<at::_ops::prod_dim_int, at::_ops::prod_int_out, at::meta::structured_prod_dim_int, Prod>(
      m);
  add_out<at::_ops::amax, at::_ops::amax_out, at::meta::structured_amax, Extreme<AXL_REDUCE_MAX>>(
      m);
  add_out<at::_ops::amin, at::_ops::amin_out, at::meta::structured_amin, Extreme<AXL_REDUCE_MIN>>(
      m);
  add_out<at::_ops::argmax, at::_ops::argmax_out, at::meta::structured_argmax,
          ArgExtreme<AXL_REDUCE_ARGMAX>>(m);
  add_out<at::_ops::argmin, at::_ops::argmin_out, at::meta::structured_argmin,
          ArgExtreme<AXL_REDUCE_ARGMIN>>(m);
  add_out<at::_ops::any_dim, at::_ops::any_out, at::meta::structured_any_dim,
          Truth<AXL_REDUCE_ANY>>(m);
  add_out<at::_ops::all_dim, at::_ops::all_out, at::meta::structured_all_dim,
          Truth<AXL_REDUCE_ALL>>(m);
  add_out<at::_ops::any, at::_ops::any_all_out, at::meta::structured_any, Truth<AXL_REDUCE_ANY>>(m);
  add_out<at::_ops::all, at::_ops::all_all_out, at::meta::structured_all, Truth<AXL_REDUCE_ALL>>(m);
  add_out<at::_ops::linalg_vector_norm, at::_ops::linalg_vector_norm_out,
          at::meta::structured_linalg_vector_norm, VectorNorm>(m);
  m.impl("max.dim_max", &extreme_out<AXL_REDUCE_MAX, AXL_REDUCE_ARGMAX,
                                     at::meta::structured_max_dim, at::_ops::max_dim_max>);
  m.impl("min.dim_min", &extreme_out<AXL_REDUCE_MIN, AXL_REDUCE_ARGMIN,
                                     at::meta::structured_min_dim, at::_ops::min_dim_min>);
  m.impl("max", &extreme_of_all<AXL_REDUCE_MAX, at::_ops::max>);
  m.impl("min", &extreme_of_all<AXL_REDUCE_MIN, at::_ops::min>);
  m.impl("prod", &prod);
  m.impl("var.correction", &spread<at::_ops::var_correction, false>);
  m.impl("var.correction_out",
         &spread_out<at::_ops::var_correction_out, at::_ops::var_correction, false>);
  m.impl("std.correction", &spread<at::_ops::std_correction, true>);
  m.impl("std.correction_out",
         &spread_out<at::_ops::std_correction_out, at::_ops::std_correction, true>);
  m.impl("var_mean.correction", &var_mean);
}

}  // namespace
}  // namespace axl
