# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""Colours. The first two can be told apart with every kind of colour blindness.

They are of the palette that M. Okabe and K. Ito made for that (blue, orange, vermilion,
bluish green); the third has no colours at all and uses bold and underline instead.
"""

from __future__ import annotations

from typing import Final

from textual.theme import Theme

STYLES: Final = {
    "dim-color": "#808890",
    "mark-color": "#385068",
    "warn-style": "none",
    "bad-style": "bold",
    "accent-style": "none",
}
"""What a theme that does not say so gets."""

DARK: Final = Theme(
    name="axl-dark",
    primary="#0072B2",
    secondary="#56B4E9",
    accent="#56B4E9",
    success="#009E73",
    warning="#E69F00",
    error="#D55E00",
    foreground="#D8DEE6",
    background="#10141A",
    surface="#161B22",
    panel="#1E252E",
    dark=True,
    variables={
        "text-success": "#2FC19A",
        "text-warning": "#F0B429",
        "text-error": "#FF7A3D",
        "text-accent": "#7CC7F2",
        "footer-key-foreground": "#7CC7F2",
        "dim-color": "#7D8894",
        "mark-color": "#1D3A52",
    },
)
LIGHT: Final = Theme(
    name="axl-light",
    primary="#0072B2",
    secondary="#56B4E9",
    accent="#0072B2",
    success="#007A59",
    warning="#A66A00",
    error="#B84300",
    foreground="#1A2027",
    background="#FFFFFF",
    surface="#F3F5F7",
    panel="#E6EAEE",
    dark=False,
    variables={
        "text-success": "#006B4E",
        "text-warning": "#8A5800",
        "text-error": "#A83C00",
        "text-accent": "#005E94",
        "dim-color": "#66707A",
        "mark-color": "#CFE4F3",
    },
)
MONO: Final = Theme(
    name="axl-mono",
    primary="#808080",
    secondary="#B0B0B0",
    accent="#E0E0E0",
    success="#D0D0D0",
    warning="#FFFFFF",
    error="#FFFFFF",
    foreground="#D0D0D0",
    background="#000000",
    surface="#101010",
    panel="#202020",
    dark=True,
    variables={
        "text-success": "#D0D0D0",
        "text-warning": "#FFFFFF",
        "text-error": "#FFFFFF",
        "text-accent": "#FFFFFF",
        "dim-color": "#909090",
        "mark-color": "#484848",
        "warn-style": "underline",
        "bad-style": "bold underline",
    },
)
THEMES: Final = (DARK, LIGHT, MONO)
