// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
// Precompiled: what most files of this folder include. A change here compiles everything again.
#pragma once

#include <ATen/core/Tensor.h>
#include <ATen/Functions.h>
#include <ATen/Operators.h>
#include <ATen/TensorIterator.h>
#include <c10/core/Allocator.h>
#include <c10/core/DeviceGuard.h>
#include <c10/core/Stream.h>
#include <c10/util/Exception.h>
#include <torch/library.h>

#include <atomic>
#include <memory>
#include <mutex>
#include <string>
#include <vector>
