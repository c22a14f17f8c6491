# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""Recordings of samples: small, readable up to the last whole record, safe to open."""
