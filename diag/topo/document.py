# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""A rack as a JSON document and back. docs/reference/topology.schema.json is its schema.

Addresses and serials are strings in hexadecimal, because 64-bit numbers do not survive
every JSON reader; everything else is a plain number with its unit in the name.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator
from typing import Any, Final

from diag.topo.findings import find
from diag.topo.model import Address, Aer, Bar, Endpoint, Link, Pci, Peer, Port, Rack

FORMAT: Final = "axl-topology"
VERSION: Final = 3
MAX_DEPTH: Final = 64
"""Ports above each other; as in the schema of an endpoint's path."""


class DocumentError(ValueError):
    """The text is no topology document; the message says where and why."""


def to_document(rack: Rack) -> dict[str, Any]:
    """The document, findings included."""
    return {
        "format": FORMAT,
        "version": VERSION,
        "name": rack.name,
        "source": rack.source,
        "generation": rack.generation,
        "live": rack.live,
        "live_reason": rack.live_reason,
        "ports": [_port(port) for port in rack.ports],
        "endpoints": [_endpoint(endpoint) for endpoint in rack.endpoints],
        "findings": [dataclasses.asdict(finding) for finding in find(rack)],
    }


def document_of(rack: Rack, member: Endpoint | Port) -> dict[str, Any]:
    """The same document with nothing but one endpoint or port, the ports above it, its findings."""
    above = {port.bdf for port in _upwards(rack, member.parent)}
    shown = above | {member.bdf}
    if isinstance(member, Endpoint) and member.card_name is not None:
        shown.add(member.card_name)
    document = to_document(rack)
    for kind in ("ports", "endpoints"):
        document[kind] = [item for item in document[kind] if item["bdf"] in shown]
    document["findings"] = [item for item in document["findings"] if item["subject"] in shown]
    return document


def _upwards(rack: Rack, bdf: str | None) -> Iterator[Port]:
    port = None if bdf is None else rack.port(bdf)
    while port is not None:
        yield port
        port = None if port.parent is None else rack.port(port.parent)


def from_document(text: str, source: str) -> Rack:
    """A rack from a document's text; `source` replaces what the document says it is from.

    Raises:
        DocumentError: no JSON, or it does not fit the schema.
    """
    # Both are slow to import and only snapshots need them.
    import jsonschema  # noqa: PLC0415

    from diag.topo.schema import SCHEMA  # noqa: PLC0415

    try:
        document = json.loads(text)
        _check_version(document)
        _validator(jsonschema.Draft202012Validator)(SCHEMA).validate(document)
    except (ValueError, RecursionError) as error:
        raise DocumentError(f"no valid JSON: {str(error)[:120]}") from None
    except jsonschema.ValidationError as error:
        raise DocumentError(f"{error.json_path}: {error.message[:200]}") from None
    rack = Rack(
        name=document["name"],
        source=source,
        generation=document["generation"],
        live=document["live"],
        live_reason=document["live_reason"],
        ports=tuple(_read_port(item) for item in document["ports"]),
        endpoints=tuple(_read_endpoint(item) for item in document["endpoints"]),
    )
    _check_tree(rack)
    return rack


def _check_version(document: Any) -> None:
    version = document.get("version") if isinstance(document, dict) else None
    if isinstance(version, int) and version < VERSION:
        raise DocumentError(f"version {version}, this tool reads {VERSION}: save it again")
    if isinstance(version, int) and version > VERSION:
        raise DocumentError(
            f"version {version} is newer than what this tool reads, {VERSION}: update accelstack"
        )


def _validator(base: Any) -> Any:
    """`base`, but 1.0 is no integer: JSON Schema takes it for one, and nothing below us does."""
    import jsonschema.validators as module  # noqa: PLC0415 - slow to import

    extend: Any = module.extend
    checker = base.TYPE_CHECKER.redefine("integer", lambda _, value: type(value) is int)
    return extend(base, type_checker=checker)


def _port(port: Port) -> dict[str, Any]:
    # asdict would deep-copy the mapping of reasons, which may be a read-only proxy.
    plain = dataclasses.asdict(dataclasses.replace(port, unavailable={}))
    return {
        **plain,
        "window_base": _hex(port.window_base),
        "window_limit": _hex(port.window_limit),
        "unavailable": dict(port.unavailable),
    }


def _endpoint(endpoint: Endpoint) -> dict[str, Any]:
    plain = dataclasses.asdict(dataclasses.replace(endpoint, unavailable={}))
    bars = [{**dataclasses.asdict(bar), "address": _hex(bar.address)} for bar in endpoint.bars]
    return {
        **plain,
        "path": list(endpoint.path),
        "identity": endpoint.identity,
        "serial": None if endpoint.serial is None else f"0x{endpoint.serial:016x}",
        "bars": bars,
        "peers": None if endpoint.peers is None else list(plain["peers"]),
        "unavailable": dict(endpoint.unavailable),
    }


def _read_port(item: dict[str, Any]) -> Port:
    return Port(
        **{
            **item,
            "link": Link(**item["link"]),
            "aer": Aer(**item["aer"]),
            "pci": Pci(**item["pci"]),
            "window_base": _unhex(item["window_base"]),
            "window_limit": _unhex(item["window_limit"]),
        }
    )


def _read_endpoint(item: dict[str, Any]) -> Endpoint:
    given = {key: value for key, value in item.items() if key != "identity"}
    address, peers = item["address"], item["peers"]
    return Endpoint(
        **{
            **given,
            "path": tuple(item["path"]),
            "serial": _unhex(item["serial"]),
            "link": Link(**item["link"]),
            "aer": Aer(**item["aer"]),
            "bars": tuple(Bar(**{**b, "address": _unhex(b["address"])}) for b in item["bars"]),
            "address": None if address is None else Address(**address),
            "pci": Pci(**item["pci"]),
            "peers": None if peers is None else tuple(Peer(**peer) for peer in peers),
        }
    )


def _check_tree(rack: Rack) -> None:
    depth: dict[str | None, int] = {None: 0}
    for port in rack.ports:
        if port.bdf in depth or port.parent not in depth:
            raise DocumentError(f"port {port.bdf}: listed twice, or its parent is not above it")
        depth[port.bdf] = depth[port.parent] + 1
        if depth[port.bdf] > MAX_DEPTH:
            raise DocumentError(f"port {port.bdf}: more than {MAX_DEPTH} ports above each other")
    for endpoint in rack.endpoints:
        if endpoint.parent not in depth:
            raise DocumentError(f"endpoint {endpoint.n}: there is no port {endpoint.parent}")


def _hex(value: int | None) -> str | None:
    return None if value is None else f"{value:#x}"


def _unhex(text: str | None) -> int | None:
    return None if text is None else int(text, 16)
