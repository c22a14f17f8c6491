# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""How a program reaches an endpoint: asked of libaxl, as the program itself would."""

from __future__ import annotations

import os

import pyaccel
from diag.topo.model import Endpoint


def opens_as(source: str, endpoint: Endpoint) -> str:
    """The URI that opens the endpoint, or why libaxl does not list it ("— (reason)")."""
    if source.startswith("file:"):
        return "— (a recording cannot be opened)"
    try:
        listed = pyaccel.devices(source)
    except (pyaccel.AxlError, ImportError) as error:
        return f"— ({error})"
    for found in listed:
        if (found.board_serial, found.endpoint_index) == (endpoint.serial, endpoint.index):
            return found.uri
    visible = os.environ.get("AXL_VISIBLE_DEVICES")
    if visible:
        return f"— (hidden by AXL_VISIBLE_DEVICES={visible})"
    return "— (libaxl does not list it)"
