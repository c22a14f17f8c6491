# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""The views of accel-top, one a file."""
