# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""Rules that hold for every file of the repository."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SOURCE_SUFFIXES = {
    ".py",
    ".c",
    ".cpp",
    ".h",
    ".sh",
    ".rdl",
    ".yaml",
    ".yml",
    ".toml",
    ".j2",
    ".3",
    ".build",
}
MAX_COMMITTED_BYTES = 2 << 20


def tracked() -> list[Path]:
    """All files that git knows or would add."""
    out = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT, check=True, capture_output=True, text=True,
    ).stdout  # fmt: skip
    return [ROOT / line for line in out.splitlines() if (ROOT / line).is_file()]


def test_source_files_name_their_licence() -> None:
    """Every source file has an SPDX line among its first five lines."""
    missing = [
        str(path.relative_to(ROOT))
        for path in tracked()
        if path.suffix in SOURCE_SUFFIXES
        and path.stat().st_size > 0
        and "SPDX-License-Identifier:" not in "\n".join(path.read_text().splitlines()[:5])
    ]

    assert missing == []


def test_no_file_holds_a_path_or_package_host_of_one_machine() -> None:
    """No tracked text names a home folder, a build machine's folder or a package mirror."""
    pattern = re.compile(
        r"/(?:home|root|Users)/[a-z]|/" + r"work/(?:main|shared)|(?:deb|pypi|files|registry)"
        r"\.(?:debian|python" + r"hosted|npmjs)\.org",
    )
    hits = []
    for path in tracked():
        if path.suffix in {".png", ".svg", ".axt", ".txt"} or path == Path(__file__):
            continue
        for number, line in enumerate(path.read_text(errors="replace").splitlines(), 1):
            if pattern.search(line):
                hits.append(f"{path.relative_to(ROOT)}:{number}: {line.strip()[:80]}")

    assert hits == []


def test_no_large_file_is_committed() -> None:
    """Tracked files stay below two megabytes."""
    large = [str(path) for path in tracked() if path.stat().st_size > MAX_COMMITTED_BYTES]

    assert large == []


def links(path: Path) -> list[str]:
    """Relative link targets of a Markdown file."""
    text = re.sub(r"```.*?```", "", path.read_text(), flags=re.DOTALL)
    found = re.findall(r"\]\(([^)#\s]+)[^)]*\)", text)
    return [target for target in found if not re.match(r"[a-z]+:", target)]


@pytest.mark.parametrize(
    "path", [p for p in tracked() if p.suffix == ".md"], ids=lambda p: str(p.relative_to(ROOT))
)
def test_links_in_documents_lead_somewhere(path: Path) -> None:
    """Every relative link of a Markdown file names a file that exists."""
    broken = [target for target in links(path) if not (path.parent / target).exists()]

    assert broken == []
