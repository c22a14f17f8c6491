# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""The step that derives cffi's declarations from axl.h."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest

import pyaccel
from pyaccel._build_axl import HEADER, HeaderError, declarations, make_ffi


def test_every_function_of_the_header_is_declared() -> None:
    """What AXL_API marks in axl.h is what cffi gets, no more and no less."""
    text = re.sub(r"/\*.*?\*/", "", HEADER.read_text(), flags=re.DOTALL)
    exported = set(re.findall(r"AXL_API[^;]*?\b(axl_\w+)\(", text))
    declared = set(re.findall(r"\b(axl_\w+)\(", declarations(HEADER.read_text())))

    assert len(exported) > 30
    assert declared == exported


def test_declarations_are_valid_for_cffi() -> None:
    """Cffi parses them; structs and constants are there."""
    names = make_ffi(None).list_types()[1]

    assert {"axl_result", "axl_telemetry", "axl_queue_attr", "axl_endpoint_info"} <= set(names)


def test_an_unknown_preprocessor_line_is_an_error() -> None:
    """Nothing of the header is left out silently."""
    with pytest.raises(HeaderError, match="AXL_LIMIT"):
        declarations("#define AXL_LIMIT (1 << 4)\nint axl_x(void);\n")


def test_constants_keep_their_value_without_suffix() -> None:
    """An unsigned suffix, which cffi does not know, is dropped."""
    assert declarations("#define AXL_ANY 0xffffffffu\n") == "#define AXL_ANY 0xffffffff\n"


def test_c_plus_plus_blocks_are_left_out() -> None:
    """What only a C++ compiler sees does not reach cffi."""
    text = '#ifdef __cplusplus\nextern "C" {\n#endif\nint axl_x(void);\n'

    assert declarations(text) == "int axl_x(void);\n"


@pytest.mark.parametrize("name", ["numpy", "pyaccel._axl", "cffi", "asyncio"])
def test_importing_the_package_loads_little(name: str) -> None:
    """`import pyaccel` and the generated tables load neither NumPy nor the extension."""
    code = f"import sys, pyaccel, pyaccel.spec.formats; print({name!r} in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)

    assert done.stdout.strip() == "False"


def test_a_missing_extension_says_how_to_build_it() -> None:
    """Without its compiled part, using the package names the command that builds it."""
    code = (
        "import sys; sys.modules['pyaccel._axl'] = None\n"
        "import pyaccel\n"
        "try: pyaccel.open()\n"
        "except pyaccel.NotBuiltError as error: print(error)"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)

    assert "pip install -e ." in done.stdout


def test_every_public_name_is_listed_for_type_checkers() -> None:
    """The table that serves names at run time and the imports for type checkers agree."""
    text = (HEADER.parents[2] / "pyaccel" / "__init__.py").read_text()
    typed = set(re.findall(r"import \w+ as (\w+)", text))

    assert typed == set(pyaccel.__all__)
