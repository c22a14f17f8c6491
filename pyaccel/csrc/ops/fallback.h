// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
// Operators that the device does not have run on the CPU, and their results come back.
#pragma once

#include <ATen/native/CPUFallback.h>

#include <string>
#include <utility>
#include <vector>

namespace axl {

void fallback(const c10::OperatorHandle& op, torch::jit::Stack* stack);

// How often each operator fell back, since the start or reset_fallbacks().
std::vector<std::pair<std::string, int64_t>> fallbacks();
void reset_fallbacks();

// From a kernel that does not take these types after all.
template <typename Op, typename... Args>
decltype(auto) call_fallback(Args&&... args) {
  return at::native::call_fallback_fn<&fallback, Op>::call(std::forward<Args>(args)...);
}

}  // namespace axl
