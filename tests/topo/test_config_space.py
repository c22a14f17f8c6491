# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""What bytes of configuration spaces say, and that no bytes can lead astray."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from diag.topo.config_space import ConfigSpace
from diag.topo.model import Bar, Link
from tests.build.config_bytes import ACS_AT, EXPRESS_AT, function


def test_a_port_says_what_it_is() -> None:
    """Kind, buses, slot, link, window."""
    window = (0x40_0000_0000, 0x41_FFFF_FFFF)
    config = ConfigSpace(
        function("downstream", buses=(2, 5, 9), now=(3, 8), slot=12, acs=0, window=window)
    )
    assert (config.is_bridge, config.port_kind, config.class_code) == (True, "downstream", 0x060400)
    assert (config.buses, config.slot, config.link()) == ((5, 9), 12, Link(3, 8, 4, 16))
    assert config.window == window
    assert config.bars == ()


def test_an_endpoint_says_what_it_is() -> None:
    """No port; its serial number and its BARs, one of 64 bits."""
    config = ConfigSpace(function("endpoint", serial=0x00A0_C000_0000_0001, bar=0x40_0000_0000))
    assert (config.is_bridge, config.port_kind, config.slot) == (False, None, None)
    assert config.serial == 0x00A0_C000_0000_0001
    assert config.bars == (Bar(2, 0x40_0000_0000, None),)


@pytest.mark.parametrize(
    ("control", "redirects"),
    [(0x00, False), (0x04, True), (0x08, True), (0x1D, True), (0x11, False)],
)
def test_what_acs_does_to_peers(control: int, redirects: bool) -> None:
    """Request and completion redirect, and egress control; source validation does nothing."""
    assert ConfigSpace(function("downstream", acs=control)).redirects_peers is redirects


def test_what_cannot_be_read_is_not_known() -> None:
    """A function without the capability redirects nothing; one that was not shown, who knows."""
    assert ConfigSpace(function("downstream")).redirects_peers is False
    assert ConfigSpace(function("downstream", acs=4, length=256)).redirects_peers is None
    short = ConfigSpace(function("downstream", length=64))
    assert (short.link(), short.slot, short.port_kind) == (None, None, "bridge")


def test_an_empty_port_has_no_width() -> None:
    """0 lanes are no link."""
    assert ConfigSpace(function("root", now=(1, 0))).link() == Link(1, None, 4, 16)


def test_slot_0_is_soldered_on() -> None:
    """It is no number of a slot."""
    assert ConfigSpace(function("root", slot=0)).slot is None


@pytest.mark.parametrize("following", [EXPRESS_AT, 0x10, 0xFE])
def test_lists_that_run_in_circles_end(following: int) -> None:
    """What is not found in them is not there."""
    data = bytearray(function("endpoint"))
    data[EXPRESS_AT], data[EXPRESS_AT + 1] = 0x01, following
    data[ACS_AT : ACS_AT + 4] = (0x0001 | 1 << 16 | ACS_AT << 20).to_bytes(4, "little")
    config = ConfigSpace(bytes(data))
    assert config.link() is None
    assert config.serial is None


def test_a_function_that_gives_no_answer_is_none() -> None:
    """All-ones."""
    config = ConfigSpace(b"\xff" * 4096)
    assert not config.is_answer
    assert config.serial is None


@given(st.binary(max_size=512))
def test_any_bytes_are_read_without_an_error(data: bytes) -> None:
    """Every question has an answer or none."""
    config = ConfigSpace(data)
    link, (base, limit) = config.link(), config.window
    assert link is None or (link.max_width or 0) < 64
    assert base is None or (limit is not None and base <= limit)
    assert all(bar.number < 6 for bar in config.bars)
    assert (config.port_kind is None) == (not config.is_bridge)
    assert config.redirects_peers in {None, True, False}
    assert config.serial is None or config.serial < 1 << 64
    assert (config.slot or 1) < 8192
