"""Addresses for pods that a kube-apiserver takes for a pod's: it refuses EndpointSlices with loopback addresses.

A TUN device of our own is given a network, all of whose addresses the kernel then takes for this machine's (a route of
type ``local``, ip-route(8)), so that nothing sent there leaves it. The device is not persistent: it and its route go
with the process that holds it open, however that ends.
"""

import contextlib
import fcntl
import ipaddress
import os
import shutil
import struct
import subprocess
from collections.abc import Iterator
from pathlib import Path

from embedded_cluster.machine import Unavailable, claimed

_DEVICE = Path("/dev/net/tun")
_TUNSETIFF, _IFF_TUN, _IFF_NO_PI = 0x400454CA, 0x0001, 0x1000  # <linux/if_tun.h>
# RFC 2544 sets these addresses aside for measuring network equipment: no host has one.
_NETWORKS = [str(network) for network in ipaddress.IPv4Network("198.18.0.0/15").subnets(new_prefix=20)]
_NEEDED = (
    "pods behind a real kube-apiserver need addresses that are not loopback's, and for them {}; be root, or try:"
    " unshare --user --map-root-user --net sh -c 'ip link set lo up; ...'"
)


@contextlib.contextmanager
def pod_network() -> Iterator[str]:
    """A network (CIDR) of 4096 addresses that all lead to this machine and that no other cluster has.

    Raises :class:`~.machine.Unavailable`, which says what is missing, if this process may not have one.
    """
    ip = shutil.which("ip")
    if ip is None:
        raise Unavailable(_NEEDED.format("the command ip (iproute2) is needed"))
    with claimed(_NETWORKS) as network, _device() as device:
        _run(ip, "link", "set", device, "up")
        _run(ip, "route", "add", "local", network, "dev", device)
        yield network


@contextlib.contextmanager
def _device() -> Iterator[str]:
    """A TUN device: its name."""
    try:
        holder = os.open(_DEVICE, os.O_RDWR | os.O_CLOEXEC)
    except OSError as error:
        raise Unavailable(_NEEDED.format(f"{_DEVICE} ({error.strerror})")) from error
    try:
        request = struct.pack("16sH22x", b"sticky%d", _IFF_TUN | _IFF_NO_PI)
        yield bytes(fcntl.ioctl(holder, _TUNSETIFF, request))[:16].rstrip(b"\0").decode()
    except PermissionError as error:
        raise Unavailable(_NEEDED.format("the capability CAP_NET_ADMIN")) from error
    finally:
        os.close(holder)


def _run(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise Unavailable(_NEEDED.format(f"ip {' '.join(command[1:])} failed: {done.stderr.strip()}"))
