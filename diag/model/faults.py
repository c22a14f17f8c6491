# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""stub"""


class Faults:
    """stub"""

    def __init__(self, endpoint: object) -> None:
        pass

    def install(self) -> None:
        pass
