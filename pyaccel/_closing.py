# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""Objects that are closed at the end of a `with` block."""

from __future__ import annotations

from types import TracebackType
from typing import Self


class Closing:
    """Context manager that closes itself, whatever happened inside."""

    def close(self) -> None:
        """Let go of what it holds; a second time does nothing."""
        raise NotImplementedError

    def __enter__(self) -> Self:
        """For `with`."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Close."""
        self.close()
