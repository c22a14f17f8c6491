# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""Configuration space: masks, BARs, capabilities, errors and resets."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from diag.model import pci_caps as caps
from diag.model.bus import CONFIG_BYTES, ResetKind
from diag.model.config_space import (
    UNSUPPORTED_REQUEST,
    ConfigSpace,
    ErrorMessage,
    PowerState,
)
from diag.model.pci_caps import ConfigOptions

SERIAL = 0x00A0C00000000001
MEMORY = 1 << 28
DEVCTL = caps.EXPRESS_OFFSET + 8
COMPLETION_TIMEOUT = 14
HEADER = (0x40000001, 0x0500010F, 0xFEE00000, 0)
STATUS = caps.AER_OFFSET + 0x04
MASK = caps.AER_OFFSET + 0x08
SEVERITY = caps.AER_OFFSET + 0x0C
CORRECTABLE = caps.AER_OFFSET + 0x10
CORRECTABLE_MASK = caps.AER_OFFSET + 0x14
CONTROL = caps.AER_OFFSET + 0x18
LOG = caps.AER_OFFSET + 0x1C


@pytest.fixture
def config() -> ConfigSpace:
    """An MSI-X endpoint after power-on."""
    return ConfigSpace(ConfigOptions(serial=SERIAL, memory_bytes=MEMORY))


@pytest.fixture
def msi() -> ConfigSpace:
    """An endpoint with 16 MSI vectors."""
    return ConfigSpace(ConfigOptions(serial=SERIAL, memory_bytes=MEMORY, msi_vectors=16))


def get(config: ConfigSpace, offset: int, size: int = 4) -> int:
    """A register as software reads it."""
    return int.from_bytes(config.read(offset, size), "little")


def put(config: ConfigSpace, offset: int, value: int, size: int = 4) -> None:
    """Write a register as software does."""
    config.write(offset, value.to_bytes(size, "little"))


@pytest.mark.parametrize(
    ("bar", "size", "flags"), [(0, 0x20000, 0x4), (2, MEMORY, 0xC), (4, 0x1000, 0x4)]
)
def test_bar_sizing_by_writing_ones(config: ConfigSpace, bar: int, size: int, flags: int) -> None:
    """All ones written to a BAR read back as its size mask and type, and decode nothing."""
    config.enable()
    put(config, 0x10 + 4 * bar, (1 << 64) - 1, 8)
    assert get(config, 0x10 + 4 * bar, 8) == (1 << 64) - size | flags
    assert config.bar_address(bar) is None


def test_bar_decodes_only_with_memory_space_on(config: ConfigSpace) -> None:
    """An assigned BAR decodes when memory space is enabled, not before and not in D3hot."""
    config.assign_bar(2, 0x40_0000_0000)
    assert config.bar_address(2) is None
    config.enable()
    assert config.bar_address(2) == 0x40_0000_0000
    assert config.bar_address(0) is None
    put(config, caps.PM_OFFSET + 4, 3, 2)
    assert config.power_state is PowerState.D3HOT
    assert config.bar_address(2) is None
    assert not config.bus_master


def test_bar_change_is_told_once_per_change(config: ConfigSpace) -> None:
    """on_bar_change runs for a change of what decodes and for nothing else."""
    calls: list[int | None] = []
    config.on_bar_change = lambda: calls.append(config.bar_address(0))
    config.assign_bar(0, 0x40_0000_0000)
    config.enable()
    config.enable()
    put(config, 0x3C, 5, 1)
    assert calls == [0x40_0000_0000]


@pytest.mark.parametrize(("bar", "address"), [(0, 0x1000), (0, 0), (1, 0x20000), (0, 1 << 64)])
def test_impossible_bar_assignment_is_refused(config: ConfigSpace, bar: int, address: int) -> None:
    """A misaligned, zero, out-of-range or non-existent BAR is refused."""
    with pytest.raises(ValueError, match="cannot be at"):
        config.assign_bar(bar, address)


@pytest.mark.parametrize(("offset", "length"), [(4096, 1), (4095, 2), (-1, 1), (0, 4097)])
def test_access_outside_is_refused(config: ConfigSpace, offset: int, length: int) -> None:
    """Nothing outside the 4096 bytes can be read or written."""
    with pytest.raises(ValueError, match="outside"):
        config.read(offset, length)
    with pytest.raises(ValueError, match="outside"):
        config.write(offset, bytes(length))


def test_power_states_that_do_not_exist_are_ignored(config: ConfigSpace) -> None:
    """Writing D1 or D2 leaves the power state as it was."""
    for state in (1, 2):
        put(config, caps.PM_OFFSET + 4, state, 2)
        assert config.power_state is PowerState.D0


def test_sizes_follow_device_control(config: ConfigSpace) -> None:
    """Max payload, max read request and tags follow device control, limited to what is possible."""
    assert (config.max_payload_bytes, config.max_read_request_bytes, config.tag_count) == (
        128,
        512,
        32,
    )
    put(config, DEVCTL, 1 << 5 | 5 << 12 | 1 << 8, 2)
    assert (config.max_payload_bytes, config.max_read_request_bytes, config.tag_count) == (
        256,
        4096,
        256,
    )
    put(config, DEVCTL, 7 << 5 | 7 << 12, 2)
    assert (config.max_payload_bytes, config.max_read_request_bytes) == (512, 4096)


def test_flr_bit_calls_back_and_reads_zero(config: ConfigSpace) -> None:
    """Initiate Function Level Reset calls on_flr once and never reads as one."""
    calls: list[str] = []
    config.on_flr = lambda: calls.append("flr")
    put(config, DEVCTL, 0x8000, 2)
    put(config, DEVCTL, 0x0000, 2)
    assert calls == ["flr"]
    assert get(config, DEVCTL, 2) == 0


def test_reset_keeps_serial_and_sticky_errors(config: ConfigSpace) -> None:
    """A hot reset loses BARs and enables but keeps serial number and logged errors."""
    config.assign_bar(0, 0x40_0000_0000)
    config.enable()
    put(config, MASK, 0x1000)
    config.record_uncorrectable(COMPLETION_TIMEOUT, HEADER)
    config.reset(ResetKind.SECONDARY_BUS)
    assert config.bar_address(0) is None
    assert not config.bus_master
    assert config.serial == SERIAL
    assert get(config, STATUS) == 1 << COMPLETION_TIMEOUT
    assert get(config, MASK) == 0x1000
    assert get(config, LOG) == HEADER[0]


def test_function_level_reset_keeps_max_payload(config: ConfigSpace) -> None:
    """Max_Payload_Size survives a function-level reset, not a hot reset."""
    put(config, DEVCTL, 1 << 5, 2)
    config.reset(ResetKind.FUNCTION)
    assert config.max_payload_bytes == 256
    assert config.max_read_request_bytes == 512
    config.reset(ResetKind.SECONDARY_BUS)
    assert config.max_payload_bytes == 128


def test_trained_link_survives_resets(config: ConfigSpace) -> None:
    """Speed and width of the trained link are hardware's and survive both resets."""
    config.set_link(2, 8)
    for kind in ResetKind:
        config.reset(kind)
        assert (config.link_speed, config.link_width) == (2, 8)


@pytest.mark.parametrize(("speed", "width"), [(0, 1), (5, 1), (1, 0), (1, 32)])
def test_impossible_link_is_refused(config: ConfigSpace, speed: int, width: int) -> None:
    """A link beyond the link capabilities cannot be set."""
    with pytest.raises(ValueError, match="link"):
        config.set_link(speed, width)


def test_msi_folds_to_granted_vectors(msi: ConfigSpace) -> None:
    """The message of a vector carries its number modulo the vectors granted."""
    assert msi.msi_message(5) is None
    base = caps.MSI_OFFSET
    put(msi, base + 4, 0xFEE00000, 8)
    put(msi, base + 12, 0x4020, 2)
    put(msi, base + 2, 1 | 2 << 4, 2)
    assert msi.msi_enabled
    assert msi.msi_vectors_granted == 4
    assert msi.msi_message(5) == (0xFEE00000, 0x4021)
    put(msi, base + 2, 1 | 7 << 4, 2)
    assert msi.msi_vectors_granted == 16


def test_msi_pending_is_hardware_owned(msi: ConfigSpace) -> None:
    """Pending bits change by hardware only; mask bits exist for every vector."""
    msi.set_msi_pending(3, pending=True)
    put(msi, caps.MSI_OFFSET + 20, 0)
    put(msi, caps.MSI_OFFSET + 16, 0xFFFFFFFF)
    assert (msi.msi_pending, msi.msi_mask) == (8, 0xFFFF)
    msi.set_msi_pending(3, pending=False)
    assert msi.msi_pending == 0
    with pytest.raises(ValueError, match="vector 16"):
        msi.set_msi_pending(16, pending=True)


def test_interrupt_change_is_told(config: ConfigSpace) -> None:
    """Enabling or masking MSI-X calls on_interrupt_change."""
    seen: list[tuple[bool, bool]] = []
    config.on_interrupt_change = lambda: seen.append(
        (config.msix_enabled, config.msix_function_masked)
    )
    put(config, caps.MSI_OFFSET + 2, 0x8000, 2)
    put(config, caps.MSI_OFFSET + 2, 0x8000, 2)
    put(config, caps.MSI_OFFSET + 2, 0xC000, 2)
    assert seen == [(True, False), (True, True)]


def test_error_is_logged_and_sent_by_severity(config: ConfigSpace) -> None:
    """An unmasked error sets status, First Error Pointer and header log and sends its message."""
    put(config, DEVCTL, 0x7, 2)
    assert config.record_uncorrectable(COMPLETION_TIMEOUT, HEADER) is ErrorMessage.ERR_NONFATAL
    assert get(config, STATUS) == 1 << COMPLETION_TIMEOUT
    assert get(config, CONTROL) & 0x1F == COMPLETION_TIMEOUT
    assert tuple(get(config, LOG + 4 * dw) for dw in range(4)) == HEADER
    put(config, SEVERITY, 1 << UNSUPPORTED_REQUEST)
    assert config.record_uncorrectable(UNSUPPORTED_REQUEST, HEADER) is ErrorMessage.ERR_FATAL


def test_error_message_needs_an_enable(config: ConfigSpace) -> None:
    """Without device control enables or SERR# an error is recorded but no message is sent."""
    assert config.record_uncorrectable(COMPLETION_TIMEOUT, HEADER) is ErrorMessage.NONE
    assert get(config, STATUS) == 1 << COMPLETION_TIMEOUT
    assert config.record_correctable(0) is ErrorMessage.NONE
    put(config, 0x04, 0x0100, 2)
    assert config.record_uncorrectable(COMPLETION_TIMEOUT, HEADER) is ErrorMessage.ERR_NONFATAL
    assert get(config, 0x06, 2) & 0x4000


def test_masked_error_sets_status_only(config: ConfigSpace) -> None:
    """A masked error is visible in the status register and nowhere else."""
    put(config, DEVCTL, 0x7, 2)
    put(config, MASK, 1 << COMPLETION_TIMEOUT)
    assert config.record_uncorrectable(COMPLETION_TIMEOUT, HEADER) is ErrorMessage.NONE
    assert get(config, STATUS) == 1 << COMPLETION_TIMEOUT
    assert get(config, CONTROL) & 0x1F == 0
    assert get(config, LOG) == 0


def test_first_error_stays_logged_until_cleared(config: ConfigSpace) -> None:
    """A second error does not overwrite the log of the first; clearing makes room."""
    other = (1, 2, 3, 4)
    config.record_uncorrectable(COMPLETION_TIMEOUT, HEADER)
    config.record_uncorrectable(UNSUPPORTED_REQUEST, other)
    assert get(config, LOG) == HEADER[0]
    put(config, STATUS, 1 << COMPLETION_TIMEOUT)
    assert get(config, STATUS) == 1 << UNSUPPORTED_REQUEST
    config.record_uncorrectable(UNSUPPORTED_REQUEST, other)
    assert get(config, LOG) == 1
    assert get(config, CONTROL) & 0x1F == UNSUPPORTED_REQUEST


def test_correctable_error_respects_mask(config: ConfigSpace) -> None:
    """A correctable error sends ERR_COR unless masked, and clears by writing one."""
    put(config, DEVCTL, 0x1, 2)
    assert config.record_correctable(6) is ErrorMessage.ERR_COR
    assert config.record_correctable(13) is ErrorMessage.NONE
    assert get(config, CORRECTABLE) == 1 << 6 | 1 << 13
    put(config, CORRECTABLE, 1 << 6)
    assert get(config, CORRECTABLE) == 1 << 13
    put(config, CORRECTABLE_MASK, 0)
    assert config.record_correctable(13) is ErrorMessage.ERR_COR


@pytest.mark.parametrize("bit", [-1, 0, 5, 21, 32])
def test_unknown_error_bits_are_refused(config: ConfigSpace, bit: int) -> None:
    """Only errors that the endpoint implements can be recorded."""
    with pytest.raises(ValueError, match="error bit"):
        config.record_uncorrectable(bit, HEADER)


@pytest.mark.parametrize(
    "change",
    [
        {"serial": -1},
        {"serial": 1 << 64},
        {"memory_bytes": 3 << 20},
        {"memory_bytes": 2048},
        {"link_speed": 5},
        {"max_link_speed": 7},
        {"link_width": 3},
        {"max_link_width": 12},
        {"msi_vectors": 3},
        {"msi_vectors": 64},
    ],
)
def test_impossible_options_are_refused(change: dict[str, int]) -> None:
    """Options that no endpoint could have are refused with the field's name."""
    values = {"serial": SERIAL, "memory_bytes": MEMORY} | change
    with pytest.raises(ValueError, match=next(iter(change))):
        ConfigOptions(**values)


@given(
    st.lists(
        st.tuples(st.integers(0, CONFIG_BYTES - 16), st.binary(min_size=1, max_size=16)),
        max_size=30,
    ),
    st.sampled_from([0, 1, 8, 32]),
)
def test_writes_change_only_what_the_table_allows(
    writes: list[tuple[int, bytes]], vectors: int
) -> None:
    """Whatever software writes, read-only bits keep their reset value."""
    options = ConfigOptions(serial=SERIAL, memory_bytes=MEMORY, msi_vectors=vectors)
    config = ConfigSpace(options)
    for offset, data in writes:
        config.write(offset, data)
    for row in caps.endpoint_registers(options).values():
        frozen = ~(row.rw | row.w1c)
        assert get(config, row.offset, row.size) & frozen == row.reset & frozen, row.name
