# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""Settings of the whole test run."""

from __future__ import annotations

import hypothesis

# An example takes as long as the machine is busy: no test asserts wall time.
hypothesis.settings.register_profile("axl", deadline=None)
hypothesis.settings.load_profile("axl")
