# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""Configuration space as pciutils decodes it: a check that does not share our tables."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from diag.model import pci_caps as caps
from diag.model.config_space import ConfigSpace
from diag.model.pci_caps import ConfigOptions

pytestmark = pytest.mark.skipif(
    shutil.which("lspci") is None, reason="needs lspci (Debian: pciutils)"
)


def lspci(config: ConfigSpace, folder: Path) -> str:
    """What `lspci -vvv` says about the space, white space folded."""
    data = config.read(0, 4096)
    rows = [f"{at:03x}: {data[at : at + 16].hex(' ')}" for at in range(0, len(data), 16)]
    dump = folder / "dump"
    dump.write_text("05:00.0 device\n" + "\n".join(rows) + "\n")
    done = subprocess.run(
        ["lspci", "-F", str(dump), "-vvv", "-n"], capture_output=True, text=True, check=True
    )
    return re.sub(r"\s+", " ", done.stdout)


def powered_on(**options: int) -> ConfigSpace:
    """An endpoint as firmware leaves it."""
    values = {"serial": 0x00A0C00000000001, "memory_bytes": 1 << 28} | options
    config = ConfigSpace(ConfigOptions(**values))
    for bar, address in ((0, 0x4000000000), (2, 0x4010000000), (4, 0x4020000000)):
        config.assign_bar(bar, address)
    config.enable()
    return config


def test_lspci_reads_identity_and_bars(tmp_path: Path) -> None:
    """The tool lspci sees the class, the ids, three 64-bit BARs and no interrupt pin."""
    text = lspci(powered_on(), tmp_path)
    for line in (
        "05:00.0 1200: 1af4:10f0 (rev 01)",
        "Subsystem: 1af4:a301",
        "Mem+ BusMaster+",
        "Region 0: Memory at 4000000000 (64-bit, non-prefetchable)",
        "Region 2: Memory at 4010000000 (64-bit, prefetchable)",
        "Region 4: Memory at 4020000000 (64-bit, non-prefetchable)",
        "Capabilities: [40] Power Management version 3",
        "Status: D0 NoSoftRst+",
    ):
        assert line in text
    assert "Interrupt: pin" not in text


def test_lspci_reads_msix(tmp_path: Path) -> None:
    """The tool lspci sees 17 MSI-X vectors in BAR 4, disabled."""
    text = lspci(powered_on(), tmp_path)
    assert "MSI-X: Enable- Count=17 Masked-" in text
    assert "Vector table: BAR=4 offset=00000000 PBA: BAR=4 offset=00000800" in text
    assert "MSI: " not in text


@pytest.mark.parametrize("vectors", [1, 2, 4, 8, 16, 32])
def test_lspci_reads_msi(tmp_path: Path, vectors: int) -> None:
    """The tool lspci sees maskable 64-bit MSI with the configured vectors, and no MSI-X."""
    text = lspci(powered_on(msi_vectors=vectors), tmp_path)
    assert f"MSI: Enable- Count=1/{vectors} Maskable+ 64bit+" in text
    assert "MSI-X" not in text


def test_lspci_reads_express_capability(tmp_path: Path) -> None:
    """The tool lspci sees an endpoint with FLR, the link and completion timeout ranges."""
    text = lspci(powered_on(link_speed=3, link_width=8), tmp_path)
    for line in (
        "Express (v2) Endpoint, MSI 00",
        "MaxPayload 512 bytes",
        "ExtTag+",
        "FLReset+",
        "MaxPayload 128 bytes, MaxReadReq 512 bytes",
        "LnkCap: Port #0, Speed 16GT/s, Width x16",
        "LnkSta: Speed 8GT/s",
        "Width x8",
        "Completion Timeout: Range ABCD, TimeoutDis+",
        "Supported Link Speeds: 2.5-16GT/s",
        "Target Link Speed: 16GT/s",
    ):
        assert line in text


def test_lspci_reads_errors_and_serial(tmp_path: Path) -> None:
    """The tool lspci sees the AER defaults, a recorded error and the serial number."""
    config = powered_on()
    config.record_uncorrectable(14, (0x11111111, 0x22222222, 0x33333333, 0x44444444))
    config.record_correctable(6)
    text = lspci(config, tmp_path)
    for line in (
        "[100 v2] Advanced Error Reporting",
        "UESta: DLP- SDES- TLP- FCP- CmpltTO+ CmpltAbrt-",
        "UESvrt: DLP+ SDES- TLP- FCP+ CmpltTO- CmpltAbrt- UnxCmplt- RxOF+ MalfTLP+",
        "CESta: RxErr- BadTLP+",
        "CEMsk: RxErr- BadTLP- BadDLLP- Rollover- Timeout- AdvNonFatalErr+",
        "First Error Pointer: 0e",
        "HeaderLog: 11111111 22222222 33333333 44444444",
        "[150 v1] Device Serial Number 00-a0-c0-00-00-00-00-01",
    ):
        assert line in text
    assert "<chain" not in text


def test_lspci_sees_what_software_sets(tmp_path: Path) -> None:
    """Values written through the space mean to lspci what they mean to the model."""
    config = powered_on()
    config.write(caps.EXPRESS_OFFSET + 8, (2 << 5 | 5 << 12 | 1 << 8).to_bytes(2, "little"))
    config.write(caps.MSI_OFFSET + 2, (0x8000).to_bytes(2, "little"))
    text = lspci(config, tmp_path)
    assert config.max_payload_bytes == 512
    assert f"MaxPayload 512 bytes, MaxReadReq {config.max_read_request_bytes} bytes" in text
    assert "MSI-X: Enable+" in text
