// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
// Layouts and kinds of types that the device does not have: what to do instead.
#include <torch/library.h>

namespace axl {
namespace {

void refuse(const c10::OperatorHandle& op, torch::jit::Stack*) {
  TORCH_CHECK_NOT_IMPLEMENTED(
      false, op.schema().name(),
      ": axl has no sparse and no quantized tensors: keep such a tensor on the CPU, or call "
      "to_dense() or dequantize() there before it is moved to axl");
}

TORCH_LIBRARY_IMPL(_, SparsePrivateUse1, m) {
  m.fallback(torch::CppFunction::makeFromBoxedFunction<&refuse>());
}
TORCH_LIBRARY_IMPL(_, SparseCsrPrivateUse1, m) {
  m.fallback(torch::CppFunction::makeFromBoxedFunction<&refuse>());
}
TORCH_LIBRARY_IMPL(_, QuantizedPrivateUse1, m) {
  m.fallback(torch::CppFunction::makeFromBoxedFunction<&refuse>());
}

}  // namespace
}  // namespace axl
