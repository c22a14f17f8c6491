// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
#include "runtime/status.h"

#include <axl.h>
#include <c10/util/Exception.h>

namespace axl {

void fail(int status, const std::string& what) {
  throw c10::AcceleratorError({__func__, __FILE__, static_cast<uint32_t>(__LINE__)}, -status,
                              what + ": " + axl_last_error());
}

}  // namespace axl
