"""A real control plane in place of our stand-ins: etcd and kube-apiserver, and kube-controller-manager if there.

Flags as in the components' own references (kubernetes.io, "Component tools"; etcd.io, "Configuration options"). What
differs from a usual cluster is said where it is set.
"""

from dataclasses import dataclass
from pathlib import Path

from embedded_cluster import machine

_SERVICES = "10.96.0.0/16"  # nothing routes to it: clients of the embedded cluster speak to pods
_QUICK = ("--kube-api-qps=500", "--kube-api-burst=1000")  # the defaults, 20 and 30, are too slow here
_ISSUER = "https://kubernetes.default.svc"


@dataclass(frozen=True, slots=True)
class Assets:
    """The programs; without a *controller_manager* our own controllers work against the API server."""

    etcd: Path
    apiserver: Path
    controller_manager: Path | None


@dataclass(frozen=True, slots=True)
class Command:
    """One program with its arguments, and the name its log has."""

    name: str
    arguments: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class NodeTls:
    """The node agent's certificate and key, and the authority of those it gives logs to."""

    certificate: Path
    key: Path
    clients: Path


def find(directory: Path) -> Assets:
    """The programs in *directory*, by their usual names. Raises :class:`~.machine.Unavailable` for a missing one."""
    manager = directory / "kube-controller-manager"
    return Assets(
        etcd=machine.executable(directory / "etcd", "--control-plane-assets"),
        apiserver=machine.executable(directory / "kube-apiserver", "--control-plane-assets"),
        controller_manager=machine.executable(manager, "--control-plane-assets") if manager.exists() else None,
    )


class ControlPlane:
    """One control plane's files and command lines; nothing is started here."""

    def __init__(self, assets: Assets, where: Path, server: tuple[str, int], node: str) -> None:
        """Write keys and certificates to directory *where*, for an API server at *server* and the node at *node*."""
        import trustme

        self._assets, (self._address, self._port) = assets, server
        self._where = where / "control-plane"
        self._where.mkdir(mode=0o700)
        authority = trustme.CA()
        self._authority = self._file("ca.crt", authority.cert_pem.bytes())
        issued = authority.issue_cert(self._address, node)
        self._certificate = self._file("plane.crt", b"".join(blob.bytes() for blob in issued.cert_chain_pems))
        self._key = self._file("plane.key", issued.private_key_pem.bytes())
        self._accounts = self._file("accounts.key", authority.issue_cert("accounts").private_key_pem.bytes())

    def node_tls(self) -> NodeTls:
        """A kube-apiserver asks nodes for logs by TLS only; here it authenticates to them, too."""
        return NodeTls(self._certificate, self._key, self._authority)

    def etcd(self) -> Command:
        """Its data lives as long as the cluster, so nothing is flushed to the disk."""
        clients = f"https://{self._address}:{machine.port(self._address, 2379)}"
        peers = f"https://{self._address}:{machine.port(self._address, 2380)}"
        tls = [f"{prefix}{flag}" for prefix in ("--", "--peer-") for flag in self._etcd_tls()]
        return self._command(
            "etcd",
            self._assets.etcd,
            f"--data-dir={self._where / 'etcd'}",
            f"--listen-client-urls={clients}",
            f"--advertise-client-urls={clients}",
            f"--listen-peer-urls={peers}",
            f"--initial-advertise-peer-urls={peers}",
            f"--initial-cluster=default={peers}",
            "--unsafe-no-fsync",
            "--log-level=warn",
            *tls,
        )

    def apiserver(self, etcd: Command, files: machine.Credentials) -> Command:
        """The API server, whose one user of the group ``system:masters`` has the token of *files*."""
        users = self._file("users.csv", f'{files.token.read_text()},embedded,embedded,"system:masters"\n'.encode())
        url = next(a.partition("=")[2] for a in etcd.arguments if a.startswith("--advertise-client-urls="))
        return self._command(
            "kube-apiserver",
            self._assets.apiserver,
            f"--etcd-servers={url}",
            f"--etcd-cafile={self._authority}",
            f"--etcd-certfile={self._certificate}",
            f"--etcd-keyfile={self._key}",
            f"--bind-address={self._address}",
            f"--advertise-address={self._address}",
            f"--secure-port={self._port}",
            f"--tls-cert-file={files.certificate}",
            f"--tls-private-key-file={files.key}",
            f"--token-auth-file={users}",
            "--authorization-mode=RBAC",
            f"--service-cluster-ip-range={_SERVICES}",
            f"--service-account-issuer={_ISSUER}",
            f"--service-account-key-file={self._accounts}",
            f"--service-account-signing-key-file={self._accounts}",
            f"--kubelet-certificate-authority={self._authority}",
            f"--kubelet-client-certificate={self._certificate}",
            f"--kubelet-client-key={self._key}",
            "--kubelet-preferred-address-types=InternalIP",
            "--endpoint-reconciler-type=none",  # its own endpoint would be a loopback address, which it refuses
            # The node agent mounts no tokens, and without kube-controller-manager there are no default accounts.
            "--disable-admission-plugins=ServiceAccount",
        )

    def controller_manager(self, files: machine.Credentials) -> Command | None:
        """The controllers, or None if the assets have none."""
        if self._assets.controller_manager is None:
            return None
        return self._command(
            "kube-controller-manager",
            self._assets.controller_manager,
            f"--kubeconfig={files.kubeconfig}",
            "--secure-port=0",
            "--leader-elect=false",
            f"--root-ca-file={self._authority}",
            f"--service-account-private-key-file={self._accounts}",
            *_QUICK,
        )

    def _etcd_tls(self) -> list[str]:
        return [
            "client-cert-auth",
            f"trusted-ca-file={self._authority}",
            f"cert-file={self._certificate}",
            f"key-file={self._key}",
        ]

    @staticmethod
    def _command(name: str, program: Path, *arguments: str) -> Command:
        return Command(name, (str(program), *arguments))

    def _file(self, name: str, content: bytes) -> Path:
        file = self._where / name
        machine.write_private(file, content)
        return file
