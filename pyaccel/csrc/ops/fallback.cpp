// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
#include "ops/fallback.h"

#include <ATen/MemoryOverlap.h>
#include <ATen/native/Resize.h>

#include <algorithm>
#include <mutex>
#include <unordered_map>
#include <unordered_set>

#include "device/current.h"
#include "device/generator.h"

namespace axl {
namespace {

struct Counter {
  std::mutex lock;  // guards counts
  std::unordered_map<std::string, int64_t> counts;
};

Counter& counter() {
  static auto* only = new Counter;
  return *only;
}

void count(const c10::OperatorName& name) {
  std::string text = name.overload_name.empty() ? name.name : name.name + "." + name.overload_name;
  std::lock_guard<std::mutex> guard(counter().lock);
  ++counter().counts[text];
}

bool is_axl(const at::Tensor& tensor) {
  return tensor.defined() && tensor.device().type() == c10::DeviceType::PrivateUse1;
}

// Operators that take a tensor of the CPU beside those of the device, by their own contract.
bool takes_cpu_tensors(const std::string& name) {
  static const auto* names = new std::unordered_set<std::string>{
      "aten::index",
      "aten::index_put_",
      "aten::_index_put_impl_",
      "aten::index_fill_",
      "aten::index_put",
      "aten::_pack_padded_sequence",
      "aten::index.out",
      "aten::_pad_packed_sequence",
      "aten::embedding_bag",
      "aten::_copy_from",
  };
  return names->count(name) != 0;
}

// The arguments of one call: what stands in for them on the CPU.
class Call {
 public:
  explicit Call(const c10::OperatorHandle& op) : schema_(op.schema()) {}

  void take(torch::jit::Stack& stack) {
    const auto& formal = schema_.arguments();
    size_t first = stack.size() - formal.size();
    for (size_t i = 0; i < formal.size(); ++i) {
      find_device(stack[first + i]);
      check_overlap(stack, first, i);
    }
    for (size_t i = 0; i < formal.size(); ++i) {
      check_device(stack[first + i], formal[i]);
      stack[first + i] = convert(stack[first + i], formal[i]);
    }
  }

  void give(torch::jit::Stack& stack) {
    write_back();
    const auto& formal = schema_.returns();
    size_t first = stack.size() - formal.size();
    for (size_t i = 0; i < formal.size(); ++i) {
      stack[first + i] = restore(stack[first + i], formal[i]);
    }
  }

 private:
  struct Pair {
    at::Tensor original;
    at::Tensor on_cpu;
    bool written = false;
  };

  void find_device(const c10::IValue& value) {
    auto note = [this](const at::Tensor& tensor) {
      if (!device_.has_value() && is_axl(tensor)) {
        device_ = tensor.device();
      }
    };
    if (value.isTensor()) {
      note(value.toTensor());
    } else if (value.isTensorList()) {
      for (const at::Tensor& tensor : value.toTensorVector()) {
        note(tensor);
      }
    } else if (value.isDevice() && !device_.has_value() &&
               value.toDevice().type() == c10::DeviceType::PrivateUse1) {
      c10::Device named = value.toDevice();
      device_ = c10::Device(named.type(), named.has_index() ? named.index() : current_device());
    } else if (value.isList()) {
      for (const c10::IValue& element : value.toListRef()) {
        find_device(element);
      }
    }
  }

  // Copies of tensors that share memory do not: what the CPU would refuse is refused here.
  void check_overlap(const torch::jit::Stack& stack, size_t first, size_t written) const {
    const auto& formal = schema_.arguments();
    const c10::IValue& value = stack[first + written];
    bool writes =
        formal[written].alias_info() != nullptr && formal[written].alias_info()->isWrite();
    if (!writes || !value.isTensor() || !is_axl(value.toTensor())) {
      return;
    }
    at::assert_no_internal_overlap(value.toTensor());
    for (size_t i = 0; i < formal.size(); ++i) {
      const c10::IValue& other = stack[first + i];
      if (i != written && other.isTensor() && is_axl(other.toTensor())) {
        at::assert_no_partial_overlap(value.toTensor(), other.toTensor());
      }
    }
  }

  // A number may come from the CPU; a tensor, and what is written, may not.
  void check_device(const c10::IValue& value, const c10::Argument& formal) const {
    if (!value.isTensor() || !value.toTensor().defined() || takes_cpu_tensors(schema_.name())) {
      return;
    }
    const at::Tensor& tensor = value.toTensor();
    bool is_number =
        tensor.device().is_cpu() && tensor.dim() == 0 && formal.alias_info() == nullptr;
    TORCH_CHECK(!device_.has_value() || tensor.device() == *device_ || is_number,
                "Expected all tensors to be on the same device, but found at least two devices, ",
                *device_, " and ", tensor.device(), "! (argument '", formal.name(), "' of ",
                schema_.name(), ")");
  }

  at::Tensor to_cpu(const at::Tensor& tensor, bool written) {
    if (!is_axl(tensor)) {
      return tensor;
    }
    auto [found, fresh] = pairs_.try_emplace(tensor.unsafeGetTensorImpl());
    if (fresh) {
      found->second = {tensor, tensor.to(at::kCPU), false};
    }
    found->second.written = found->second.written || written;
    return found->second.on_cpu;
  }

  c10::IValue convert(const c10::IValue& value, const c10::Argument& formal) {
    bool written = formal.alias_info() != nullptr && formal.alias_info()->isWrite();
    if (value.isTensor()) {
      return to_cpu(value.toTensor(), written);
    }
    if (value.isTensorList()) {
      std::vector<at::Tensor> all = value.toTensorVector();
      for (at::Tensor& tensor : all) {
        tensor = to_cpu(tensor, written);
      }
      return c10::List<at::Tensor>(all);
    }
    if (value.isOptionalTensorList()) {
      c10::List<std::optional<at::Tensor>> all;
      for (const std::optional<at::Tensor>& tensor : value.toOptionalTensorVector()) {
        all.push_back(tensor.has_value() ? std::make_optional(to_cpu(*tensor, written)) : tensor);
      }
      return all;
    }
    if (value.isDevice() && value.toDevice().type() == c10::DeviceType::PrivateUse1) {
      return c10::Device(c10::DeviceType::CPU);
    }
    return convert_generator(value, formal);
  }

  // Also where none was given: the numbers follow the device's generator, not the CPU's.
  c10::IValue convert_generator(const c10::IValue& value, const c10::Argument& formal) {
    bool takes_generator =
        formal.type()->str() == "Generator?" || formal.type()->str() == "Generator";
    if (!takes_generator || !device_.has_value()) {
      return value;
    }
    std::optional<at::Generator> given;
    if (value.isGenerator()) {
      given = value.toGenerator();
    }
    return cpu_generator(generator_of(given, device_->index()));
  }

  void write_back() {
    for (auto& [impl, pair] : pairs_) {
      if (!pair.written) {
        continue;
      }
      if (pair.original.sizes() != pair.on_cpu.sizes()) {
        pair.original.resize_(pair.on_cpu.sizes());
      }
      pair.original.copy_(pair.on_cpu);
    }
  }

  at::Tensor to_device(const at::Tensor& tensor, const c10::Argument& formal) {
    if (!tensor.defined() || !device_.has_value() || !tensor.device().is_cpu()) {
      return tensor;
    }
    for (auto& [impl, pair] : pairs_) {
      if (pair.on_cpu.is_same(tensor)) {
        return pair.original;
      }
    }
    TORCH_CHECK(formal.alias_info() == nullptr, schema_.name(),
                " returns a view, which the CPU cannot make of memory on axl: call contiguous() "
                "first, or report that this view is missing");
    return tensor.to(*device_);
  }

  c10::IValue restore(const c10::IValue& value, const c10::Argument& formal) {
    if (value.isTensor()) {
      return to_device(value.toTensor(), formal);
    }
    if (value.isTensorList()) {
      std::vector<at::Tensor> all = value.toTensorVector();
      for (at::Tensor& tensor : all) {
        tensor = to_device(tensor, formal);
      }
      return c10::List<at::Tensor>(all);
    }
    return value;
  }

  const c10::FunctionSchema& schema_;
  std::optional<c10::Device> device_;
  std::unordered_map<at::TensorImpl*, Pair> pairs_;
};

TORCH_LIBRARY_IMPL(_, PrivateUse1, m) {
  m.fallback(torch::CppFunction::makeFromBoxedFunction<&fallback>());
}

}  // namespace

void fallback(const c10::OperatorHandle& op, torch::jit::Stack* stack) {
  count(op.operator_name());
  Call call(op);
  call.take(*stack);
  op.redispatchBoxed(c10::DispatchKeySet(c10::DispatchKey::CPU), stack);
  call.give(*stack);
}

std::vector<std::pair<std::string, int64_t>> fallbacks() {
  std::lock_guard<std::mutex> guard(counter().lock);
  return {counter().counts.begin(), counter().counts.end()};
}

void reset_fallbacks() {
  std::lock_guard<std::mutex> guard(counter().lock);
  counter().counts.clear();
}

}  // namespace axl
