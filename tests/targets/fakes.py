"""Stand-ins for ``kind`` and ``docker`` where images cannot be pulled: a cluster is a file with its container's id."""

import sys
from pathlib import Path

from stickyconf.targets.kind.preflight import Tools

_KIND = """\
#!{python} -IS
import os, pathlib, sys, uuid
state, words = pathlib.Path({state!r}), sys.argv[1:]
options = dict(zip(words, words[1:])) | dict(word.split("=", 1) for word in words if "=" in word)
with (state / "kind.log").open("a") as log:
    print(*words, "| licence" if "KONG_LICENSE_DATA" in os.environ else "", file=log)
clusters = state / "clusters"
match words[:2]:
    case ["version", *_]:
        print("kind v0.30.0 go1.24 linux/amd64")
    case ["get", "clusters"]:
        print(*(path.name for path in clusters.iterdir()), sep="\\n")
    case ["create", "cluster"]:
        (state / "config.yaml").write_text(pathlib.Path(options["--config"]).read_text())
        (state / "network").touch()
        (clusters / options["--name"]).write_text(uuid.uuid4().hex)
        if (state / "fail").exists():
            sys.exit((state / "fail").read_text())
        pathlib.Path(options["--kubeconfig"]).write_text({kubeconfig!r})
    case ["export", "kubeconfig"]:
        pathlib.Path(options["--kubeconfig"]).write_text({kubeconfig!r})
    case ["delete", "cluster"]:
        (clusters / options["--name"]).unlink(missing_ok=True)
    case ["load", "image-archive"]:
        if "bad" in words[2]:
            sys.exit("ERROR: failed to load image: not an archive")
    case _:
        sys.exit(f"the fake kind does not know {{words}}")
"""

_DOCKER = """\
#!{python} -IS
import json, pathlib, sys
state, words = pathlib.Path({state!r}), sys.argv[1:]
match words:
    case ["ps", "-a", *_] if words[4].startswith("label="):
        cluster = state / "clusters" / words[4].rpartition("=")[2]
        if cluster.exists():
            print(json.dumps(dict(Names=cluster.name + "-control-plane", ID=cluster.read_text())))
    case ["ps", "-aq", "--filter", "network=kind"]:
        print(*(path.read_text() for path in (state / "clusters").iterdir()), sep="\\n")
    case ["network", "ls", *_]:
        print("1234" if (state / "network").exists() else "")
    case ["network", "rm", "kind"]:
        (state / "network").unlink()
    case ["port", node, "30080/tcp"]:
        print((state / "port").read_text())
    case _:
        sys.exit(f"the fake docker does not know {{words}}")
"""

_KUBECONFIG = """\
apiVersion: v1
kind: Config
clusters: [{name: kind-x, cluster: {server: "https://127.0.0.1:1"}}]
users: [{name: kind-x, user: {token: none}}]
contexts: [{name: kind-x, context: {cluster: kind-x, user: kind-x}}]
current-context: kind-x
"""


def tools(state: Path) -> Tools:
    """Write the programs; ``state`` is the directory where their world is."""
    (state / "clusters").mkdir(parents=True)
    for name, text in (("kind", _KIND), ("docker", _DOCKER), ("kubectl", "#!{python} -IS\n")):
        program = state / name
        program.write_text(text.format(python=sys.executable, state=str(state), kubeconfig=_KUBECONFIG))
        program.chmod(0o755)
    return Tools(state / "docker", state / "kind", state / "kubectl", "v0.30.0")
