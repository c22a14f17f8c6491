# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""accel-top: the live rack in a terminal."""
