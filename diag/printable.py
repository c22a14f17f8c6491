# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""Text from devices, files and peers, made safe for whatever shows it. Pure."""

from __future__ import annotations


def printable(text: str, most: int = 200) -> str:
    """At most that many characters, with everything escaped that could drive a terminal."""
    if len(text) <= most and text.isprintable():
        return text
    safe = "".join(c if c.isprintable() else f"\\x{ord(c):02x}" for c in text[:most])
    return safe if len(text) <= most else f"{safe}..."
