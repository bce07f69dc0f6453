"""Whether a certificate and a private key belong together, without anything of either on a disk or in a message."""

import contextlib
import os
import ssl
from collections.abc import Iterator
from functools import lru_cache


@lru_cache(maxsize=256)
def pair_fault(certificate: str, key: str) -> str | None:
    """Say why a server could not use this certificate (a chain) with this key, both in PEM; None if it could."""
    try:
        server_context(certificate, key)
    except ssl.SSLError as error:
        return f"certificate and key are no pair: {error.reason or 'not in PEM'}"
    return None


def server_context(certificate: str, key: str) -> ssl.SSLContext:
    """Return what a server speaks TLS with. Raises ``ssl.SSLError`` if the two are no pair."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with _in_memory(certificate) as chain, _in_memory(key) as private:
        # A password would be asked for on the terminal.
        context.load_cert_chain(f"/proc/self/fd/{chain}", f"/proc/self/fd/{private}", password=lambda: "")
    return context


@contextlib.contextmanager
def _in_memory(text: str) -> Iterator[int]:
    """A file that is nowhere but in memory: its descriptor."""
    descriptor = os.memfd_create("pem")
    try:
        os.write(descriptor, text.encode())
        yield descriptor
    finally:
        os.close(descriptor)
