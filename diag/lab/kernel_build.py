# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""A kernel that finds a driver's errors: KASAN, lockdep, kmemleak and more.

It is built from the distribution's source package with the options in `kernel_config/` and
nothing else, so that two processors need well under an hour. An interrupted build goes on
where it ended.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path

from diag.lab.cache import cache_dir, locked, published
from diag.lab.errors import CannotInstallError, LabError
from diag.lab.kernel import DEBUG_TREE, Kernel, depmod, kernel_in
from diag.lab.kernel_source import unpack_source

FRAGMENTS = Path(__file__).parent / "kernel_config"
_PROGRAMS = {"gcc": "gcc", "make": "make", "flex": "flex", "bison": "bison", "bc": "bc"}
_LIBRARIES = {"libelf.h": "libelf-dev"}
_NICE = 19
# KASAN and UBSAN look at what modules do: axl.ko and DRM. Checks at every access of the core
# as well double the build, and an emulated guest becomes too slow for the tests' deadlines.
# Allocation, freeing and lockdep are watched everywhere.
_CORE_IS_NOT_INSTRUMENTED = ("KASAN_SANITIZE=n", "UBSAN_SANITIZE=n")

Progress = Callable[[str], object]


def build_debug_kernel(progress: Progress = lambda _: None, jobs: int | None = None) -> Kernel:
    """The debug kernel of this configuration, built when it is not in the cache.

    Raises:
        CannotInstallError: the source or a program that builds it is missing.
        LabError: the kernel does not take an option, or does not compile.
    """
    options = wanted_options()
    digest = hashlib.sha256("\n".join(options).encode()).hexdigest()[:8]
    tree = next((cache_dir() / "trees").glob(f"{DEBUG_TREE}*-debug{digest}"), None)
    if tree is not None:
        return kernel_in(tree)
    _check_programs()
    work = cache_dir() / "kernel-build"
    with locked(work.with_name(".kernel-build.lock")):
        build = Build(work, f"-debug{digest}", jobs or os.cpu_count() or 1)
        build.unpack(progress)
        build.configure(options)
        progress(f"building in {work}, with low priority; output in {build.log}")
        build.compile()
        tree = cache_dir() / "trees" / f"{DEBUG_TREE}{build.release()}"
        kernel = kernel_in(published(tree, build.install))
        shutil.rmtree(work)
    return kernel


def wanted_options() -> list[str]:
    """The options of all fragments, such as CONFIG_KASAN=y."""
    texts = [path.read_text() for path in sorted(FRAGMENTS.glob("*.config"))]
    return [line for text in texts for line in text.splitlines() if line.startswith("CONFIG_")]


def refused_options(options: Sequence[str], config: str) -> list[str]:
    """Options that a .config does not have: unknown, or their dependencies are off."""
    have = set(config.splitlines())
    return [option for option in options if option not in have]


class Build:
    """One build: `source/` and `out/` in a folder."""

    def __init__(self, work: Path, local_version: str, jobs: int) -> None:
        self.log = work / "build.log"
        self._source = work / "source"
        self._out = work / "out"
        self._command = [
            *("make", "-C", str(self._source), f"O={self._out}", f"-j{jobs}"),
            *(f"LOCALVERSION={local_version}", "KBUILD_BUILD_USER=axl", "KBUILD_BUILD_HOST=lab"),
        ]

    def unpack(self, progress: Progress) -> None:
        """Have the source."""
        if not (self._source / "Makefile").is_file():
            progress("fetching the kernel's source package")
            partial = self._source.with_name("source.partial")
            shutil.rmtree(partial, ignore_errors=True)
            partial.mkdir(parents=True)
            unpack_source(partial)
            partial.rename(self._source)

    def configure(self, options: Sequence[str]) -> None:
        """Write .config: `options`, what they need, and nothing else."""
        self._out.mkdir(exist_ok=True)
        wanted = self._out / "wanted.config"
        wanted.write_text("\n".join(options) + "\n")
        self._make("allnoconfig", f"KCONFIG_ALLCONFIG={wanted}")
        refused = refused_options(options, (self._out / ".config").read_text())
        if refused:
            raise LabError(f"the kernel does not take {', '.join(refused)}: see {FRAGMENTS}")

    def compile(self) -> None:
        """Build image and modules."""
        self._make("bzImage", *_CORE_IS_NOT_INSTRUMENTED)
        self._make("modules")

    def release(self) -> str:
        """The kernel's release, as in uname -r."""
        return (self._out / "include/config/kernel.release").read_text().strip()

    def install(self, folder: Path) -> None:
        """Put image, modules and what modules are built against below `folder`."""
        release = self.release()
        boot, headers = folder / "boot", folder / "usr/src" / f"linux-headers-{release}"
        boot.mkdir()
        shutil.copy(self._out / "arch/x86/boot/bzImage", boot / f"vmlinuz-{release}")
        shutil.copy(self._out / ".config", boot / f"config-{release}")
        self._make("modules_install", f"INSTALL_MOD_PATH={folder}", "DEPMOD=true")
        for link in ("build", "source"):
            (folder / "lib/modules" / release / link).unlink(missing_ok=True)
        script = f"{self._source}/scripts/package/install-extmod-build {headers}"
        self._make("run-command", f"KBUILD_RUN_COMMAND=sh {script}")
        shutil.copy(self._out / ".config", headers / ".config")
        depmod(folder, release)

    def _make(self, *targets: str) -> None:
        command = ["nice", "-n", str(_NICE), *self._command, *targets]
        with self.log.open("ab") as log:
            done = subprocess.run(
                command, env=_environment(), check=False, stdout=log, stderr=subprocess.STDOUT
            )
        if done.returncode:
            raise LabError(f"{' '.join(command)} failed; see {self.log}{_errors(self.log)}")


def _environment() -> dict[str, str]:
    """The environment without flags of a make that calls this."""
    return {key: value for key, value in os.environ.items() if not key.startswith("MAKE")}


def _errors(log: Path) -> str:
    """The last complaints of a build log, for an error text."""
    lines = log.read_text(errors="replace").splitlines()
    found = [line for line in lines if re.search(r"error:|\*\*\*", line)]
    return "".join(f"\n{line}" for line in found[-5:])


def _check_programs() -> None:
    missing = [package for program, package in _PROGRAMS.items() if not shutil.which(program)]
    missing += [
        package
        for header, package in _LIBRARIES.items()
        if not Path("/usr/include", header).exists()
    ]
    if missing:
        raise CannotInstallError(
            f"building a kernel needs more packages: apt-get install {' '.join(missing)}"
        )
