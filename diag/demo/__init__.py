# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""`make demo`: the main job on an embedded rack, told in one HTML report."""
