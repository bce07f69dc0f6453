"""One embedded cluster for all runs through a kubeconfig; their files are one group (tests/conftest.py)."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from stickyconf.targets.embedded.installation import embedded_cluster
from stickyconf.targets.installation import Installation


@pytest.fixture(scope="session")
def audit(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the cluster's API server writes down every request."""
    return tmp_path_factory.mktemp("audit") / "requests.jsonl"


@pytest.fixture(scope="session")
def cluster(audit: Path) -> Iterator[Installation]:
    """The cluster."""
    with embedded_cluster(["--audit", str(audit)]) as started:
        yield started
