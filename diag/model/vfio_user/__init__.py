# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""vfio-user: the protocol that carries a PCI function over a UNIX socket.

`protocol` turns bytes into messages and back and does no I/O, `dma_map` and `irqs` hold
what a client shares, `session` is one client, `server` is the listening socket, `client`
drives a server from Python.
"""
