// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
// Cumulative sums and products. Each step combines with what is 1, 2, 4, .. places before: a
// logarithm of the length in commands, and pairs, whose rounding grows no faster than that.
#include "ops/structured.h"

#include <ATen/ops/cumprod_meta.h>
#include <ATen/ops/cumsum_meta.h>
#include <ATen/WrapDimUtils.h>

#include "ops/commands.h"

namespace axl {
namespace {

// Along the second of three dimensions.
at::Tensor combined(const Commands& on, uint32_t code, at::Tensor have) {
  int64_t count = have.size(1);
  for (int64_t step = 1; step < count; step *= 2) {
    at::Tensor next = make_like(have);
    int64_t more = count - step;
    on.copy(next.narrow(1, 0, step), have.narrow(1, 0, step));
    on.binary(next.narrow(1, step, more), code, have.narrow(1, step, more),
              have.narrow(1, 0, more));
    have = next;
  }
  return have;
}

template <uint32_t Code>
struct Cumulative {
  template <typename Op>
  static void run(Op& op, const at::Tensor& self, int64_t dim, std::optional<at::ScalarType>) {
    const at::Tensor& out = op.outputs[0];
    if (out.numel() == 0) {
      return;
    }
    at::IntArrayRef sizes = out.sizes();
    dim = at::maybe_wrap_dim(dim, out.dim());
    int64_t before = c10::multiply_integers(sizes.slice(0, out.dim() == 0 ? 0 : dim));
    int64_t count = out.dim() == 0 ? 1 : sizes[dim];
    at::ScalarType compute = working_type(out.scalar_type());
    at::Tensor have = make_like(out, {before, count, out.numel() / (before * count)}, compute);
    have.view(sizes).copy_(self);
    out.copy_(combined(Commands{op.what, compute}, Code, have).view(sizes));
  }
};

TORCH_LIBRARY_IMPL(aten, PrivateUse1, m) {
  add_all<at::_ops::cumsum, at::_ops::cumsum_out, at::_ops::cumsum_, at::meta::structured_cumsum,
          Cumulative<AXL_BINARY_ADD>>(m);
  add_all<at::_ops::cumprod, at::_ops::cumprod_out, at::_ops::cumprod_,
          at::meta::structured_cumprod, Cumulative<AXL_BINARY_MUL>>(m);
}

}  // namespace
}  // namespace axl
