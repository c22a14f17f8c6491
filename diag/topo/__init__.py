# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""Discovery of the PCI tree and its state."""
