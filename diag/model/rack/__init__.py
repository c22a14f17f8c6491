# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""The embedded rack: rack files, enumeration, processes and the control socket."""
