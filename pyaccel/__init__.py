# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""Python runtime for AXL accelerators."""
