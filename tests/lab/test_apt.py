# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""Reading the machine's apt configuration; no network."""

from __future__ import annotations

from pathlib import Path

import pytest

from diag.lab import apt
from diag.lab.apt import parse_keyring, parse_mirror, private_config
from diag.lab.errors import CannotInstallError

TARGETS = """\
http://mirror.example/debian-security/|bookworm-security|main|/etc/apt/sources.list.d/d.sources:7
http://vendor.example/apt/|nodistro|main|/etc/apt/sources.list.d/v.sources:1
http://mirror.example/debian/|bookworm|contrib|/etc/apt/sources.list.d/d.sources:1
http://mirror.example/debian/|bookworm|main|/etc/apt/sources.list.d/d.sources:1
"""


def test_the_mirror_is_the_one_of_the_release_itself() -> None:
    """Security, updates and other vendors' archives are passed over."""
    found = parse_mirror(TARGETS, "bookworm")

    assert found == ("http://mirror.example/debian/", "/etc/apt/sources.list.d/d.sources")


def test_a_mirror_by_suite_name_is_found() -> None:
    """Sources may say stable instead of the code name."""
    line = "http://mirror.example/debian/|stable|main|/etc/apt/sources.list:3\n"

    assert parse_mirror(line, "trixie") == (
        "http://mirror.example/debian/",
        "/etc/apt/sources.list",
    )


def test_no_mirror_is_none() -> None:
    """Without a Debian archive there is nothing to choose."""
    assert parse_mirror(TARGETS, "noble") is None


@pytest.mark.parametrize(
    "text",
    [
        "Types: deb\nSigned-By: /usr/share/keyrings/k.gpg\n",
        "deb [arch=amd64 signed-by=/usr/share/keyrings/k.gpg] http://x y main\n",
    ],
)
def test_the_keyring_is_read_in_both_styles(text: str) -> None:
    """One-line and deb822 sources name the key file differently."""
    assert parse_keyring(text) == Path("/usr/share/keyrings/k.gpg")


def test_the_private_configuration_keeps_proxies_and_no_hooks() -> None:
    """Acquire settings are taken over; hooks would act on the system's caches."""
    dump = (
        'Acquire::http::Proxy "http://proxy:3128";\n'
        'APT::Update::Post-Invoke:: "rm -f /var/cache/apt/*";\n'
        'Dir::State "/var/lib/apt";\n'
    )
    text = private_config(Path("/cache/root"), dump)

    assert 'Acquire::http::Proxy "http://proxy:3128";' in text
    assert "Post-Invoke" not in text
    assert "/var/" not in text


def test_another_distribution_is_told_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where packages cannot be fetched the error says which QEMU to install and how to name it."""
    monkeypatch.setattr(apt, "os_release", lambda: {"ID": "fedora"})

    with pytest.raises(
        CannotInstallError, match=r"this is fedora: install QEMU >= 10\.1 .*AXL_QEMU"
    ):
        apt.system_mirror()


def test_a_failing_apt_command_can_be_repeated(tmp_path: Path) -> None:
    """The error holds the exact command with its environment, and apt's own words."""
    archive = apt.Archive(["trixie"], tmp_path)
    (tmp_path / "apt.conf").touch()

    with pytest.raises(CannotInstallError, match=r"run: APT_CONFIG=\S+/apt\.conf apt-get -qq frob"):
        archive._run(["apt-get", "-qq", "frobnicate"])


def test_alternatives_and_versions_are_left_out_of_dependencies() -> None:
    """A dependency is its first name."""
    record = "Package: a\nVersion: 1:2-3\nDepends: b (= 2), c | d, e\nDescription: x\n"
    package = apt._parse_package(record)

    assert (package.name, package.version, package.depends) == ("a", "1:2-3", ("b", "c", "e"))
