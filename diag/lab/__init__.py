# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""A rack as real PCIe: QEMU guest, switches, kernel, endpoints over vfio-user."""
