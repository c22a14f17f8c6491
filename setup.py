# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""Build glue: libaxl through meson, the extension modules of pyaccel, the PyTorch backend.

`pip install -e .` on a clean checkout compiles libaxl into build/c, copies it to
pyaccel/_lib and links pyaccel._axl against that copy (rpath $ORIGIN/_lib). Everything
is incremental: meson rebuilds what changed, and a new libaxl is copied only if it differs.
The library of the PyTorch backend is compiled likewise where PyTorch is installed.
"""

from __future__ import annotations

import fcntl
import filecmp
import importlib.metadata
import importlib.util
import logging
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext

log = logging.getLogger(__name__)
ROOT = Path(__file__).resolve().parent
BUILD = ROOT / "build" / "c"
BUILD_TORCH = ROOT / "build" / "torch"
LIBRARY_DIR = ROOT / "pyaccel" / "_lib"
COMPILERS = "2"  # files of the PyTorch backend at once: one takes up to a gigabyte


def meson(*arguments: str) -> None:
    """Run meson of this environment, or the one on PATH."""
    scripts = Path(sys.executable).parent
    found = shutil.which("meson", path=f"{scripts}{os.pathsep}{os.environ.get('PATH', '')}")
    if found is None:
        sys.exit("meson is missing: pip install meson ninja")
    environment = os.environ | {"PATH": f"{scripts}{os.pathsep}{os.environ.get('PATH', '')}"}
    subprocess.run([found, *arguments], check=True, cwd=ROOT, env=environment)


@contextmanager
def build_lock() -> Iterator[None]:
    """Nobody else compiles in BUILD meanwhile: neither another setup.py nor a test run."""
    BUILD.parent.mkdir(exist_ok=True)
    with BUILD.with_name(f"{BUILD.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def compile_library() -> Path:
    """Compile libaxl; the shared object, which is named as its soname."""
    if not (BUILD / "build.ninja").exists():
        meson("setup", str(BUILD), "--buildtype=release")
    meson("compile", "-C", str(BUILD), "axl:shared_library")
    links = sorted(BUILD.glob("**/libaxl.so"))
    if len(links) != 1:
        sys.exit(f"expected one libaxl.so under {BUILD}, found {len(links)}: delete the folder")
    # meson links libaxl.so -> soname (libaxl.so.0) -> libaxl.so.0.1.0
    return links[0].with_name(links[0].readlink().name) if links[0].is_symlink() else links[0]


def install_library(built: Path) -> Path:
    """Copy libaxl beside the extension unless it is there already."""
    target = LIBRARY_DIR / built.name
    LIBRARY_DIR.mkdir(exist_ok=True)
    if not target.exists() or not filecmp.cmp(built, target, shallow=False):
        temporary = target.with_suffix(".new")
        shutil.copy2(built, temporary)
        temporary.replace(target)  # a process that runs the old one keeps it
    return target


def torch_package() -> tuple[Path, str] | None:
    """Folder and version of the installed PyTorch, without importing it; None without one."""
    found = importlib.util.find_spec("torch")
    if found is None or found.origin is None:
        return None
    try:
        return Path(found.origin).parent, importlib.metadata.version("torch")
    except importlib.metadata.PackageNotFoundError:
        return None


def compile_torch_backend(library: Path, folder: Path, version: str) -> Path:
    """Compile the PyTorch backend; its shared object. Again from nothing for another PyTorch."""
    stamp = BUILD_TORCH / "compiled-for"
    wanted = f"{version} {folder} {library}"
    if not stamp.exists() or stamp.read_text() != wanted:
        shutil.rmtree(BUILD_TORCH, ignore_errors=True)
        settings = (f"-Dtorch={folder}", f"-Dlibaxl={library}")
        meson("setup", str(BUILD_TORCH), str(ROOT / "pyaccel" / "csrc"), *settings)
        stamp.write_text(wanted)
    meson("compile", "-C", str(BUILD_TORCH), "-j", COMPILERS)
    return BUILD_TORCH / "libaxl_torch.so"


def build_torch_backend(library: Path) -> list[Path]:
    """The files of the PyTorch backend, in place; none without PyTorch."""
    package = torch_package()
    if package is None:
        log.info("PyTorch is not installed: its device axl is not built")
        return []
    built = install_library(compile_torch_backend(library, *package))
    note = built.with_suffix(".torch")
    note.write_text(f"{package[1]}\n")
    return [built, note]


class BuildExtensions(build_ext):
    """build_ext with libaxl compiled first."""

    def run(self) -> None:
        """Compile and place libaxl, then build the extensions against it."""
        with build_lock():
            self._run()

    def _run(self) -> None:
        """The same while nobody else builds: pyaccel/_lib and build/temp.* are shared, too."""
        library = install_library(compile_library())
        for extension in self.extensions:
            if extension.name == "pyaccel._axl":
                extension.extra_link_args = [str(library), "-Wl,-rpath,$ORIGIN/_lib"]
                extension.depends = [str(library), str(ROOT / "userlib" / "include" / "axl.h")]
        super().run()
        libraries = [library, *build_torch_backend(library)]
        if not self.inplace:  # a wheel carries them inside the package
            packaged = Path(self.build_lib) / "pyaccel" / "_lib"
            packaged.mkdir(parents=True, exist_ok=True)
            for each in libraries:
                shutil.copy2(each, packaged / each.name)


setup(
    cffi_modules=["pyaccel/_build_axl.py:builder"],
    ext_modules=[
        Extension(
            "pyaccel._export",
            ["pyaccel/_export.c"],
            py_limited_api=True,
            extra_compile_args=["-std=c11", "-Wall", "-Wextra"],
        )
    ],
    cmdclass={"build_ext": BuildExtensions},
)
