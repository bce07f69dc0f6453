"""Ports for programs that are started later."""

import contextlib
import socket
from pathlib import Path

from embedded_cluster.machine import claimed

_CLAIMS = contextlib.ExitStack()  # until this process ends


def free_port() -> int:
    """Return a port of 127.0.0.1 that is still free when a program gets there.

    It is below the ports that the kernel gives to connections, and no other process that asks here is given it.
    """
    first = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    while True:
        port = int(_CLAIMS.enter_context(claimed([str(port) for port in range(first // 2, first)])))
        with contextlib.suppress(OSError), socket.create_server(("127.0.0.1", port)):
            return port
