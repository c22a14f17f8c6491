# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""Arithmetic of the reference device: NumPy arrays in, NumPy arrays out, no device state."""
