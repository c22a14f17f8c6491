// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
// One 64-bit word for each stream of the process, which commands raise and wait for.
#pragma once

#include <c10/core/Device.h>

#include <cstdint>

namespace axl {

class Session;
class Stream;

// Appends a command that raises the stream's word to the returned value.
uint64_t signal_word(Stream& stream);

// Appends a command that holds 'waiter' until the word of a stream of a device has the value.
void wait_word(Stream& waiter, c10::DeviceIndex device, int stream, uint64_t value);

// The device lost its session: nobody will signal any more, so whoever waits is let go.
void release_waiters(c10::DeviceIndex device) noexcept;

}  // namespace axl
