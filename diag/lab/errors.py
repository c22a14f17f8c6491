# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""Errors of the lab. Each text says what failed, where, and what to do next."""

from __future__ import annotations


class LabError(Exception):
    """The lab cannot do what was asked."""


class LabUsageError(LabError):
    """The request itself is wrong: exit status 2."""


class CannotInstallError(LabError):
    """A package that the lab needs cannot be had on this machine (tests skip on it)."""


class GuestDiedError(LabError):
    """QEMU ended or the kernel stopped answering."""
