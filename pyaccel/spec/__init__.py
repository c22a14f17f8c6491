# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""Tables generated from drivers/spec: registers, commands, completions, events."""
