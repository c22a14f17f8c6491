# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""Version negotiation: the JSON that both sides send; no I/O."""

from __future__ import annotations

import errno
import json
from dataclasses import dataclass
from typing import Any

from diag.model.vfio_user.dma_map import MAX_MAPS, PAGE_BYTES
from diag.model.vfio_user.protocol import (
    MAX_DATA_BYTES,
    MAX_MESSAGE_FDS,
    MAX_VERSION_BYTES,
    VERSION,
    VERSION_MAJOR,
    VERSION_MINOR,
    RequestError,
)

SCM_MAX_FD = 253
"""Most descriptors that Linux passes in one message."""


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What the other side can do; the defaults are those of the specification."""

    max_msg_fds: int = 1
    max_data_xfer_size: int = MAX_DATA_BYTES
    max_dma_maps: int = MAX_MAPS
    pgsizes: int = PAGE_BYTES
    write_multiple: bool = False


def parse(payload: bytes) -> Capabilities:
    """Capabilities of a VERSION request; RequestError says what is wrong with it."""
    if not VERSION.size <= len(payload) <= MAX_VERSION_BYTES:
        raise RequestError(errno.EINVAL, f"VERSION payload of {len(payload)} bytes")
    major, minor = VERSION.unpack_from(payload)
    if major != VERSION_MAJOR:
        raise RequestError(errno.EINVAL, f"version {major}.{minor}; this server speaks 0.0")
    text = payload[VERSION.size :]
    if not text:
        return Capabilities()
    if text[-1] != 0 or 0 in text[:-1]:
        raise RequestError(errno.EINVAL, "version data is not one NUL-terminated string")
    return _capabilities(_load(text[:-1]))


def encode(capabilities: Capabilities) -> bytes:
    """Payload of a VERSION request or reply, version 0.0."""
    names = ("max_msg_fds", "max_data_xfer_size", "max_dma_maps", "pgsizes", "write_multiple")
    values = {name: getattr(capabilities, name) for name in names}
    text = json.dumps({"capabilities": values}).encode()
    return VERSION.pack(VERSION_MAJOR, VERSION_MINOR) + text + b"\0"


def answer(client: Capabilities) -> Capabilities:
    """What this server offers such a client."""
    return Capabilities(
        max_msg_fds=MAX_MESSAGE_FDS,
        max_data_xfer_size=min(MAX_DATA_BYTES, client.max_data_xfer_size),
        max_dma_maps=MAX_MAPS,
        pgsizes=PAGE_BYTES,
        write_multiple=client.write_multiple,
    )


def _load(text: bytes) -> dict[str, Any]:
    try:
        document = json.loads(text.decode())
    except (ValueError, RecursionError):
        raise RequestError(errno.EINVAL, "version data is not JSON") from None
    if not isinstance(document, dict):
        raise RequestError(errno.EINVAL, "version data is not a JSON object")
    found = document.get("capabilities", {})
    if not isinstance(found, dict):
        raise RequestError(errno.EINVAL, "capabilities are not a JSON object")
    return found


def _capabilities(found: dict[str, Any]) -> Capabilities:
    default = Capabilities()
    multiple = found.get("write_multiple", default.write_multiple)
    if not isinstance(multiple, bool):
        raise RequestError(errno.EINVAL, "write_multiple is not a boolean")
    sizes = _number(found, "pgsizes", default.pgsizes, (1 << 64) - 1)
    if not sizes & PAGE_BYTES:
        raise RequestError(errno.EINVAL, f"pgsizes {sizes:#x} do not have 4096")
    return Capabilities(
        max_msg_fds=_number(found, "max_msg_fds", default.max_msg_fds, SCM_MAX_FD, least=0),
        max_data_xfer_size=_number(
            found, "max_data_xfer_size", default.max_data_xfer_size, (1 << 32) - 1
        ),
        max_dma_maps=_number(found, "max_dma_maps", default.max_dma_maps, (1 << 32) - 1),
        pgsizes=sizes,
        write_multiple=multiple,
    )


def _number(found: dict[str, Any], name: str, default: int, most: int, least: int = 1) -> int:
    value = found.get(name, default)
    if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
        raise RequestError(errno.EINVAL, f"{name} is not a number from {least} to {most}")
    return value
