// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
// Errors of libaxl as exceptions of PyTorch.
#pragma once

#include <string>

namespace axl {

// Throws c10::AcceleratorError with libaxl's sentence for this thread.
[[noreturn]] void fail(int status, const std::string& what);

inline void check(int status, const char* what) {
  if (status < 0) {
    fail(status, what);
  }
}

}  // namespace axl
