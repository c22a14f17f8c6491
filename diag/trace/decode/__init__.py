# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""Decoders without I/O: bytes in, values out. They open, read and time nothing."""
