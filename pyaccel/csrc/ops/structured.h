// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
// An operator's three forms (functional, out=, in place) from PyTorch's own shape function
// (at::meta::structured_NAME: checks, broadcasting, result type) and one function that
// appends the commands.
//
//   struct Sqrt { static void run(Structured<at::meta::structured_sqrt>& op, const Tensor& self);
//   }; add_all<at::_ops::sqrt, at::_ops::sqrt_out, at::_ops::sqrt_, at::meta::structured_sqrt,
//   Sqrt>(m);
//
// What the device has no type for goes to the CPU (call_fallback).
#pragma once

#include <ATen/ATen.h>
#include <ATen/native/Resize.h>
#include <torch/library.h>

#include <array>
#include <type_traits>

#include "ops/fallback.h"
#include "ops/launch.h"
#include "ops/storage.h"

namespace axl {

inline bool native(const at::Tensor& tensor) {
  return !tensor.defined() || (has_dtype(tensor.scalar_type()) && !tensor.is_conj());
}
inline bool native(const std::optional<at::Tensor>& tensor) {
  return !tensor.has_value() || native(*tensor);
}
inline bool native(const at::Scalar& value) {
  return !value.isComplex();
}
inline bool native(const std::optional<at::Scalar>& value) {
  return !value.has_value() || native(*value);
}
inline bool native(const std::optional<at::ScalarType>& dtype) {
  return !dtype.has_value() || has_dtype(*dtype);
}
template <typename T>
bool native(const T&) {
  return true;
}

// Arguments as shape functions take them.
inline at::OptionalScalarRef meta_argument(const std::optional<at::Scalar>& value) {
  return value.has_value() ? at::OptionalScalarRef(&*value) : at::OptionalScalarRef();
}
inline at::OptionalTensorRef meta_argument(const std::optional<at::Tensor>& tensor) {
  return tensor.has_value() && tensor->defined() ? at::OptionalTensorRef(*tensor)
                                                 : at::OptionalTensorRef();
}
template <typename T>
const T& meta_argument(const T& value) {
  return value;
}

template <typename Meta>
class Structured final : public Meta {
 public:
  static constexpr bool kIterator = std::is_base_of_v<at::TensorIteratorBase, Meta>;

  explicit Structured(const char* what, bool in_place = false) : what(what), in_place_(in_place) {}

  void set_output_raw_strided(int64_t index, at::IntArrayRef sizes, at::IntArrayRef strides,
                              at::TensorOptions options) override {
    place(outputs[index], sizes, strides, options);
    if constexpr (kIterator) {
      Meta::set_output_raw_strided(index, sizes, strides, options);
    }
  }
  void set_output_strided(int64_t index, at::IntArrayRef sizes, at::IntArrayRef strides,
                          at::TensorOptions options) override {
    set_output_raw_strided(index, sizes, strides, options);
  }
  const at::Tensor& maybe_get_output(int64_t index) override { return outputs[index]; }

  // The type to compute in: what the inputs are promoted to.
  at::ScalarType compute() const {
    return this->common_dtype_ != at::ScalarType::Undefined ? this->common_dtype_
                                                            : this->input_dtype(0);
  }

  const char* const what;             // the operator's name, for the command
  std::array<at::Tensor, 3> outputs;  // those that are given; the others are made

 private:
  void place(at::Tensor& out, at::IntArrayRef sizes, at::IntArrayRef strides,
             const at::TensorOptions& options) const {
    if (!out.defined()) {
      out = make(sizes, strides, options);
      return;
    }
    TORCH_CHECK(options.dtype() == out.dtype(), "Expected out tensor to have dtype ",
                options.dtype(), ", but got ", out.dtype(), " instead");
    TORCH_CHECK(options.device() == out.device(), "Expected out tensor to have device ",
                options.device(), ", but got ", out.device(), " instead");
    if (in_place_) {
      TORCH_CHECK(out.sizes().equals(sizes), "output with shape ", out.sizes(),
                  " doesn't match the broadcast shape ", sizes);
    } else {
      resize_output(out, sizes, strides, options.memory_format_opt());
    }
  }

  static at::Tensor make(at::IntArrayRef sizes, at::IntArrayRef strides,
                         const at::TensorOptions& options) {
    auto dtype = c10::typeMetaToScalarType(options.dtype());
    c10::DeviceIndex index = options.device().index();
    if (!strides.empty()) {
      return empty_strided(sizes, strides, dtype, index);
    }
    at::Tensor out = empty(sizes, dtype, index);
    if (options.memory_format_opt().has_value()) {
      out.unsafeGetTensorImpl()->empty_tensor_restride(*options.memory_format_opt());
    }
    return out;
  }

  const bool in_place_;
};

// For operators that have no shape function of their own: any of the iterator's build functions.
using Iterator = Structured<at::TensorIteratorBase>;

// Runs the shape function, then the commands.
template <typename Meta, typename Kernel, typename... Args>
void run_structured(Structured<Meta>& op, const Args&... args) {
  if constexpr (std::is_void_v<decltype(op.meta(meta_argument(args)...))>) {
    op.meta(meta_argument(args)...);
    Kernel::run(op, args...);
  } else {
    auto precomputed = op.meta(meta_argument(args)...);
    Kernel::run(op, precomputed, args...);
  }
}

// Kernels take numbers, never symbols.
template <typename T>
using plain = std::conditional_t<std::is_same_v<T, c10::SymInt>, int64_t, T>;

template <typename Op, typename Meta, typename Kernel, typename Schema = typename Op::schema>
struct Functional;
template <typename Op, typename Meta, typename Kernel, typename... Args>
struct Functional<Op, Meta, Kernel, at::Tensor(Args...)> {
  static at::Tensor call(plain<Args>... args) {
    if (!(native(args) && ...)) {
      return call_fallback<Op>(args...);
    }
    Structured<Meta> op(Op::name);
    run_structured<Meta, Kernel>(op, args...);
    return std::move(op.outputs[0]);
  }

  template <typename OutOp>
  static at::Tensor& out(plain<Args>... args, at::Tensor& result) {
    if (!((native(args) && ...) && native(result))) {
      return call_fallback<OutOp>(args..., result);
    }
    Structured<Meta> op(Op::name);
    op.outputs[0] = result;
    run_structured<Meta, Kernel>(op, args...);
    return result;
  }
};

template <typename Op, typename Meta, typename Kernel, typename Schema = typename Op::schema>
struct InPlace;
template <typename Op, typename Meta, typename Kernel, typename... Args>
struct InPlace<Op, Meta, Kernel, at::Tensor&(at::Tensor&, Args...)> {
  static at::Tensor& call(at::Tensor& self, plain<Args>... args) {
    if (!(native(self) && (native(args) && ...))) {
      return call_fallback<Op>(self, args...);
    }
    Structured<Meta> op(Op::name, true);
    op.outputs[0] = self;
    run_structured<Meta, Kernel>(op, self, args...);
    return self;
  }
};

template <typename Op>
std::string qualified() {
  std::string name = Op::name;
  return *Op::overload_name == '\0' ? name : name + "." + Op::overload_name;
}

template <typename Op, typename Meta, typename Kernel>
void add_functional(torch::Library& m) {
  m.impl(qualified<Op>().c_str(), &Functional<Op, Meta, Kernel>::call);
}
template <typename Op, typename OutOp, typename Meta, typename Kernel>
void add_out(torch::Library& m) {
  add_functional<Op, Meta, Kernel>(m);
  m.impl(qualified<OutOp>().c_str(), &Functional<Op, Meta, Kernel>::template out<OutOp>);
}
template <typename Op, typename OutOp, typename InOp, typename Meta, typename Kernel>
void add_all(torch::Library& m) {
  add_out<Op, OutOp, Meta, Kernel>(m);
  m.impl(qualified<InOp>().c_str(), &InPlace<InOp, Meta, Kernel>::call);
}

// Arithmetic on truth values happens in uint8 where the device has no arithmetic for them.
inline at::ScalarType arithmetic(at::ScalarType dtype) {
  return dtype == at::kBool ? at::kByte : dtype;
}

}  // namespace axl
