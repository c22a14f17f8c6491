# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""Reference device, vfio-user server and embedded rack."""
