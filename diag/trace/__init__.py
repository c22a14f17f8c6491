# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""Capture, analysis and plots of command and DMA latency."""
