"""TLS of the proxy's clients: which certificate a connection gets, by the name it asks for (SNI)."""

import ssl

from embedded_cluster.gateway.certificates import ANY, served
from embedded_cluster.gateway.declarative import Declaration
from embedded_cluster.keypair import server_context


class Certificates:
    """The certificates of one declaration, in force for every later handshake."""

    def __init__(self) -> None:
        """Begin with none."""
        self._by_name: dict[str, ssl.SSLContext] = {}

    def listener(self) -> ssl.SSLContext:
        """Return what to listen with: each handshake is given its own certificate."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.sni_callback = self._choose
        return context

    def replace(self, declaration: Declaration) -> None:
        """Take those of *declaration*. Raises :class:`.dataplane.RejectedError` for one that cannot be served."""
        made = [(one.names, server_context(one.chain, one.key)) for one in served(declaration)]
        for _, context in made:
            context.set_alpn_protocols(["http/1.1"])
        self._by_name = {name: context for names, context in made for name in names}

    def _choose(self, handshake: ssl.SSLObject, name: str | None, _: ssl.SSLContext) -> int | None:
        parent = (name or "").partition(".")[2]
        for known in (name, f"*.{parent}", ANY):
            if known in self._by_name:
                handshake.context = self._by_name[known]
                return None
        return ssl.ALERT_DESCRIPTION_UNRECOGNIZED_NAME
