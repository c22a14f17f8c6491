# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""Rack files and rack trees for tests, and a runtime directory of their own."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from hypothesis import strategies as st

from diag.model.rack.spec import (
    CardSpec,
    EndpointSpec,
    PortSpec,
    RackSpec,
    SwitchSpec,
)
from diag.model.rack.words import LinkSpec

MINIMAL = """\
axl-rack: 1
name: test
root-ports:
  - slot: 1
    card: {serial: 0x11, endpoints: 1}
"""


@contextmanager
def runtime_directory() -> Iterator[Path]:
    """A base directory with a short path: socket paths have 107 bytes."""
    folder = Path(tempfile.mkdtemp(prefix="axl-t"))
    try:
        yield folder
    finally:
        shutil.rmtree(folder)


links = st.builds(LinkSpec)


def endpoints() -> st.SearchStrategy[EndpointSpec]:
    """Endpoints of any size, some of them missing."""
    return st.builds(
        EndpointSpec,
        memory_bytes=st.integers(20, 34).map(lambda shift: 1 << shift),
        irq=st.sampled_from(("msix", "msi")),
        link=links,
        present=st.sampled_from((True, True, True, False)),
    )


def cards() -> st.SearchStrategy[CardSpec]:
    """Cards with and without a switch of their own."""
    single = st.builds(CardSpec, st.just(0), st.just(value=False), st.tuples(endpoints()))
    several = st.builds(
        CardSpec,
        st.just(0),
        st.just(value=True),
        st.lists(endpoints(), min_size=1, max_size=4).map(tuple),
    )
    return single | several


def ports() -> st.SearchStrategy[PortSpec]:
    """Ports with switches below each other, cards at the leaves, some empty."""
    leaf = st.builds(PortSpec, links, st.none() | st.integers(0, 8191), st.none() | cards())
    return st.recursive(
        leaf,
        lambda inner: st.builds(
            PortSpec,
            links,
            st.none(),
            st.lists(inner, min_size=1, max_size=4).map(lambda below: SwitchSpec(tuple(below))),
        ),
        max_leaves=12,
    )


def racks() -> st.SearchStrategy[RackSpec]:
    """Racks of any shape; serials are not unique, enumeration does not care."""
    return st.lists(ports(), min_size=1, max_size=4).map(
        lambda roots: RackSpec("random", "", tuple(roots))
    )
