// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
// torch.autocast("axl"): PyTorch's own lists say which operators run in the lower precision,
// which in float32, and which in the widest type of their arguments.
#include <ATen/autocast_mode.h>
#include <torch/library.h>

namespace axl {
namespace {

// The lists name their types without a namespace.
using namespace at;            // NOLINT(google-build-using-namespace)
using namespace at::autocast;  // NOLINT(google-build-using-namespace)

TORCH_LIBRARY_IMPL(_, AutocastPrivateUse1, m) {
  m.fallback(torch::CppFunction::makeFallthrough());
}

#define AXL_LOWER_PRECISION(...) KERNEL_PRIVATEUSEONE(__VA_ARGS__, lower_precision_fp)
#define AXL_FP32(...) KERNEL_PRIVATEUSEONE(__VA_ARGS__, fp32)
#define AXL_FP32_OPT_DTYPE(...) KERNEL_PRIVATEUSEONE(__VA_ARGS__, fp32_set_opt_dtype)
#define AXL_PROMOTE(...) KERNEL_PRIVATEUSEONE(__VA_ARGS__, promote)

TORCH_LIBRARY_IMPL(aten, AutocastPrivateUse1, m) {
  AT_FORALL_LOWER_PRECISION_FP(AXL_LOWER_PRECISION)
  AT_FORALL_FP32(AXL_FP32)
  AT_FORALL_FP32_SET_OPT_DTYPE(AXL_FP32_OPT_DTYPE)
  AT_FORALL_DIFFERENT_REDISPATCH_SIGNATURE(KERNEL_DIFFERENT_REDISPATCH_SIGNATURE_PRIVATEUSEONE)
  AT_FORALL_PROMOTE(AXL_PROMOTE)
}

// The device multiplies bfloat16 with float32 sums; float16 has to be asked for.
const bool registered = [] {
  at::autocast::set_autocast_dtype(c10::DeviceType::PrivateUse1, at::kBFloat16);
  return true;
}();

}  // namespace
}  // namespace axl
