# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""The header of the interface, without a kernel."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from tests.linux.uapi import HEADER, Interface, declarations, numbers

STUB = Path(__file__).with_name("stub")
SIZES = {
    "get_info": 192,
    "telemetry": 104,
    "error": 64,
    "context_create": 8,
    "context_destroy": 8,
    "context_state": 16,
    "bo_create": 40,
    "bo_map": 24,
    "bo_unmap": 16,
    "queue_create": 48,
    "queue_destroy": 8,
    "submit": 48,
    "wait": 48,
    "reset": 16,
    "queue_reset": 8,
    "queue_stats": 96,
    "notify": 8,
}
SHARED = {"results": 64, "result": 64}
"""Structures in memory that user space maps, not of an ioctl."""


@pytest.mark.parametrize("word", ["-m64", "-m32"])
@pytest.mark.parametrize("language", ["c", "c++"])
def test_no_structure_has_hidden_padding(tmp_path, language, word):
    """Both languages and both word sizes lay every structure out without a gap."""
    source = tmp_path / "one.c"
    source.write_text('#include "axl_accel.h"\nint axl_unused;\n')
    flags = ["-Wall", "-Wextra", "-Wpadded", "-Werror", "-fsyntax-only", "-x", language, word]
    command = ["clang", *flags, f"-I{STUB}", f"-I{HEADER.parent}", str(source)]
    assert subprocess.run(command, check=False, capture_output=True, text=True).stderr == ""


def test_every_ioctl_has_its_number_and_structure():
    """Numbers count up from 0 without a gap, and each structure exists once."""
    assert sorted(numbers().values()) == list(range(len(numbers())))
    assert set(numbers()) == set(SIZES)


@pytest.mark.parametrize(("name", "size"), (SIZES | SHARED).items())
def test_sizes_stay_as_they_were_published(name, size):
    """A structure of version 1.0 is as long as it was: it may grow at its end only."""
    assert Interface(declarations()).size(name) == size


def test_fields_have_fixed_widths():
    """No int, long, size_t, bool, union or bit-field in any structure."""
    text = re.sub(r"/\*.*?\*/", "", HEADER.read_text(), flags=re.DOTALL)
    bodies = re.findall(r"struct drm_axl_\w+ \{(.*?)\};", text, re.DOTALL)
    fields = [line.strip() for body in bodies for line in body.splitlines() if line.strip()]
    assert len(bodies) == len(SIZES | SHARED)
    assert [f for f in fields if not re.fullmatch(r"__[us](32|64) \w+(\[\w+\])?;", f)] == []
