"""A pytest plugin: the echo workload crashes as it starts, as it would with an image that has not what it needs."""

from typing import Any

from stickyconf.scenarios import Manifests

_echo = Manifests.echo


def _crashing(self: Manifests, *arguments: Any) -> list[dict[str, Any]]:
    documents = _echo(self, *arguments)
    [container] = documents[-1]["spec"]["template"]["spec"]["containers"]
    container["command"] = ["python3", "-c", "raise SystemExit('no module named echo')"]
    return documents


Manifests.echo = _crashing  # type: ignore[method-assign]
