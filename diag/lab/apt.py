# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""Debian packages unpacked into a private folder, the system's own packages untouched.

Mirror, keyring and proxy come from the machine's apt configuration; only the suite is
chosen here. A private apt root (own lists, own empty package status) resolves the whole
dependency closure, so that the unpacked tree runs through its own dynamic linker.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from diag.lab.cache import cache_dir, locked
from diag.lab.errors import CannotInstallError

Kind = Literal["deb", "deb-src"]

_DOWNLOAD_TIMEOUT_S = 900
_STABLE_NAMES = {"stable", "oldstable", "oldoldstable"}
_DEBIAN_KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")


@dataclass(frozen=True, slots=True)
class Mirror:
    """A Debian archive as the machine's own configuration names it."""

    uri: str
    keyring: Path | None


@dataclass(frozen=True, slots=True)
class Package:
    """One candidate: name, version and the names that it depends on."""

    name: str
    version: str
    depends: tuple[str, ...]


def os_release() -> dict[str, str]:
    """Fields of /etc/os-release; empty when there is none."""
    try:
        text = Path("/etc/os-release").read_text()
    except OSError:
        return {}
    pairs = (line.split("=", 1) for line in text.splitlines() if "=" in line)
    return {key: value.strip('"') for key, value in pairs}


def parse_mirror(index_targets: str, codename: str) -> tuple[str, str] | None:
    """The (archive, sources file) of the release itself, from `apt-get indextargets`.

    Lines are URI|RELEASE|COMPONENT|SOURCESENTRY; updates and security have other releases.
    """
    for line in index_targets.splitlines():
        fields = line.split("|")
        if len(fields) != 4 or fields[2] != "main":
            continue
        if fields[1] == codename or fields[1] in _STABLE_NAMES:
            return fields[0], fields[3].rpartition(":")[0]
    return None


def parse_keyring(sources: str) -> Path | None:
    """The key file that a sources file (one-line or deb822 style) names first."""
    found = re.search(r"signed-by\s*[:=]\s*(/[^\s\],]+)", sources, re.IGNORECASE)
    return Path(found[1]) if found else None


def system_mirror() -> Mirror:
    """The machine's Debian archive; CannotInstallError where there is none."""
    release = os_release()
    if release.get("ID") != "debian":
        raise CannotInstallError(
            f"the lab can fetch packages on Debian only, this is {release.get('ID', 'unknown')}: "
            "install QEMU >= 10.1 with vfio-user-pci and name it in AXL_QEMU"
        )
    template = "$(REPO_URI)|$(RELEASE)|$(COMPONENT)|$(SOURCESENTRY)"
    command = ["apt-get", "indextargets", "--format", template, "Created-By: Packages"]
    found = parse_mirror(_output(command, os.environ.copy()), release.get("VERSION_CODENAME", ""))
    if found is None:
        raise CannotInstallError(
            "apt has no Debian archive configured (apt-get indextargets shows none for "
            f"{release.get('VERSION_CODENAME')}): add one to /etc/apt/sources.list"
        )
    return Mirror(found[0], _keyring_of(Path(found[1])))


def _keyring_of(sources: Path) -> Path | None:
    try:
        keyring = parse_keyring(sources.read_text())
    except OSError:
        keyring = None
    # The archive's whole keyring also knows the suites newer than the machine's own.
    return _DEBIAN_KEYRING if _DEBIAN_KEYRING.exists() else keyring


def _output(command: Sequence[str], env: dict[str, str]) -> str:
    try:
        done = subprocess.run(
            command,
            env=env,
            check=False,
            capture_output=True,
            text=True,
            timeout=_DOWNLOAD_TIMEOUT_S,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise CannotInstallError(f"{' '.join(command)}: {error}") from error
    if done.returncode:
        shown = "\n".join(done.stderr.strip().splitlines()[-5:])
        prefix = f"APT_CONFIG={env['APT_CONFIG']} " if "APT_CONFIG" in env else ""
        raise CannotInstallError(
            f"cannot get Debian packages; to see it again run: {prefix}{' '.join(command)}\n{shown}"
        )
    return done.stdout


def private_config(root: Path, acquire: str) -> str:
    """Text of an apt.conf that keeps everything under `root`.

    Only the machine's `Acquire::` settings (proxy, retries) are taken over: its hooks would
    act on the system's caches.
    """
    settings = {
        "Dir::Etc::main": "/dev/null",
        "Dir::Etc::parts": "/dev/null",
        "Dir::Etc::sourcelist": f"{root}/sources.list",
        "Dir::Etc::sourceparts": "/dev/null",
        "Dir::Etc::preferences": "/dev/null",
        "Dir::Etc::preferencesparts": "/dev/null",
        "Dir::State": f"{root}/state",
        "Dir::State::status": f"{root}/status",
        "Dir::Cache": str(root),
        "APT::Sandbox::User": "root",
        "APT::Install-Recommends": "false",
    }
    kept = [line for line in acquire.splitlines() if line.startswith("Acquire::")]
    return "\n".join([*kept, *(f'{key} "{value}";' for key, value in settings.items())]) + "\n"


@contextmanager
def archive_of(suites: Sequence[str], kind: Kind = "deb") -> Iterator[Archive]:
    """Packages of some suites of the machine's mirror, for one process at a time.

    `kind` chooses between binary packages and the sources that they are made of.
    Package lists and downloads are removed at the end of a successful use; after a failure
    they stay, so that the next try goes on from there.
    """
    root = cache_dir() / "apt" / "+".join([*suites, *([] if kind == "deb" else [kind])])
    with locked(root.parent / f".{root.name}.lock"):
        archive = Archive(suites, root, kind)
        archive.update()
        yield archive
        shutil.rmtree(root)


class Archive:
    """A private apt root with the package lists of `suites`; see `archive_of`."""

    def __init__(self, suites: Sequence[str], root: Path, kind: Kind = "deb") -> None:
        self.suites = tuple(suites)
        self.root = root
        self.kind = kind

    def update(self) -> None:
        """Make the root and fetch the package lists."""
        self._write_root(system_mirror())
        self._run(["apt-get", "-qq", "update"])

    def closure(self, packages: Sequence[str], *, release: str | None = None) -> list[Path]:
        """Download `packages` and all that they depend on; the .deb files."""
        target = ["-t", release] if release else []
        install = ["apt-get", "-y", "-qq", *target, "install", *packages]
        # What is already downloaded is not listed, so the list is made against an empty folder.
        empty = ["-o", f"Dir::Cache::archives={self.root}/listing", "--print-uris"]
        listed = self._run([*install[:3], *empty, *install[3:]])
        self._run([*install[:3], "--download-only", *install[3:]])
        return self._files(listed)

    def exactly(self, packages: Sequence[Package]) -> list[Path]:
        """Download only `packages`, without what they depend on; the .deb files."""
        names = [f"{package.name}={package.version}" for package in packages]
        command = ["apt-get", "-qq", "download", *names]
        listed = self._run([*command[:2], "--print-uris", *command[2:]], cwd=self.root / "listing")
        self._run(command, cwd=self.root / "archives")
        return self._files(listed)

    def source(self, package: str) -> list[Path]:
        """Download the files of a source package (`kind` is "deb-src"), not unpacked."""
        command = ["apt-get", "-qq", "source", "--only-source", "--download-only", package]
        listed = self._run([*command, "--print-uris"], cwd=self.root / "listing")
        self._run(command, cwd=self.root / "archives")
        return self._files(listed)

    def _files(self, listed: str) -> list[Path]:
        """The files of packages that a `--print-uris` listing names."""
        names = re.findall(r"^'\S+' (\S+\.(?:deb|dsc|tar\.\w+)) ", listed, re.MULTILINE)
        files = [self.root / "archives" / name for name in names]
        missing = [str(path) for path in files if not path.is_file()]
        if missing or not files:
            raise CannotInstallError(
                f"apt downloaded nothing for {missing or 'the packages'}: remove {self.root} "
                "and run the command again"
            )
        return files

    def candidates(self, package: str) -> list[Package]:
        """All versions of `package`, newest first; empty when there is none."""
        text = self._run(["apt-cache", "show", package], missing_ok=True)
        return [_parse_package(record) for record in text.split("\n\n") if record.strip()]

    def with_parts(self, names: Sequence[str], wanted: re.Pattern[str]) -> list[Package]:
        """The newest version of `names` and of what they depend on, where a name is `wanted`."""
        waiting, found = list(names), dict[str, Package]()
        while waiting:
            name = waiting.pop(0)
            if name in found or not wanted.match(name):
                continue
            candidates = self.candidates(name)
            if not candidates:
                raise CannotInstallError(f"package {name} is not in the archive")
            found[name] = candidates[0]
            waiting.extend(candidates[0].depends)
        return list(found.values())

    def _run(self, command: list[str], *, cwd: Path | None = None, missing_ok: bool = False) -> str:
        env = {**os.environ, "APT_CONFIG": f"{self.root}/apt.conf", "LC_ALL": "C"}
        env["DEBIAN_FRONTEND"] = "noninteractive"
        if cwd is not None:
            command = ["env", "-C", str(cwd), *command]
        try:
            return _output(command, env)
        except CannotInstallError:
            if missing_ok:
                return ""
            raise

    def _write_root(self, mirror: Mirror) -> None:
        for folder in ("archives/partial", "listing/partial", "state/lists/partial"):
            (self.root / folder).mkdir(parents=True, exist_ok=True)
        (self.root / "status").touch()
        signed = f"[signed-by={mirror.keyring}] " if mirror.keyring else ""
        lines = [f"{self.kind} {signed}{mirror.uri} {suite} main\n" for suite in self.suites]
        (self.root / "sources.list").write_text("".join(lines))
        machine = _output(["apt-config", "dump"], os.environ.copy())
        (self.root / "apt.conf").write_text(private_config(self.root, machine))


def _parse_package(record: str) -> Package:
    fields = dict(re.findall(r"^(Package|Version|Depends): (.*)$", record, re.MULTILINE))
    depends = [part.strip().split(" ")[0] for part in fields.get("Depends", "").split(",")]
    return Package(fields["Package"], fields["Version"], tuple(filter(None, depends)))


def unpack(debs: Sequence[Path], folder: Path) -> None:
    """Unpack every .deb file into `folder` (no maintainer script runs)."""
    # Newer suites hold everything below /usr and leave these links to one base package.
    for name in ("bin", "lib", "lib64", "sbin"):
        (folder / "usr" / name).mkdir(parents=True, exist_ok=True)
        if not (folder / name).exists():
            (folder / name).symlink_to(f"usr/{name}")
    with ThreadPoolExecutor(max_workers=os.cpu_count() or 1) as pool:
        commands = [["dpkg-deb", "-x", str(deb), str(folder)] for deb in debs]
        list(pool.map(lambda command: _output(command, os.environ.copy()), commands))
