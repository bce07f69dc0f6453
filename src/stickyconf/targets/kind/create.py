"""Creates a kind cluster through pytest-kind, in a process of its own: ``python -m stickyconf.targets.kind.create``.

pytest-kind hands kind our own output and cannot be stopped; here kind's output goes where the parent wants it, and both
end when the parent says so. Arguments: name, kubeconfig, image ("": kind's own), kind, kubectl, configuration.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from pytest_kind import KindCluster


def main(arguments: list[str]) -> int:
    """Create the cluster and return kind's exit status."""
    name, kubeconfig, image, kind, kubectl, configuration = arguments
    cluster = KindCluster(name, Path(kubeconfig), image or None, Path(kind), Path(kubectl))
    try:
        cluster.create(config_file=configuration)
    except subprocess.CalledProcessError as error:
        return error.returncode  # kind has said why
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
