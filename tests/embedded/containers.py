"""What the tests of the node agent run in pods, and where it is on this machine."""

import textwrap
from pathlib import Path

from embedded_cluster.client import Pod
from tests.embedded.conftest import Space
from tests.waiting import eventually

SLEEP = ["sleep", "600"]

# Ready while the file "ready" exists in its directory; SIGTERM makes it end at once.
SERVER = textwrap.dedent(
    """
    import http.server, os, signal, sys
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200 if os.path.exists("ready") else 503)
            self.end_headers()
        def log_message(self, *_): pass
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    open("ready", "w").close()
    server = http.server.HTTPServer((os.environ["POD_IP"], 8080), Handler)
    print("listening", flush=True)
    server.serve_forever()
    """
)
POD_IP = {"name": "POD_IP", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}}


def serving(**more: object) -> dict[str, object]:
    """A container that answers on port 8080 and is probed every second."""
    return {
        "env": [POD_IP],
        "ports": [{"name": "http", "containerPort": 8080}],
        "readinessProbe": {
            "httpGet": {"path": "/", "port": "http"},
            "periodSeconds": 1,
            "failureThreshold": 1,
            "timeoutSeconds": 60,  # a busy machine is no failure
        },
        **more,
    }


def directory(space: Space, name: str) -> Path:
    """Where the pod's files are on this machine."""
    pod = space.get(Pod, name)
    assert pod is not None
    return Path(space.cluster.said["dir"], "pods", pod["metadata"]["uid"])


def process_of(space: Space, name: str) -> int:
    """The process id that a pod has printed as its first line."""
    return int(eventually("a line in the log", lambda: space.log(name))[0])
