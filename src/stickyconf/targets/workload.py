"""What every target is told of the echo workload: its image, and how a node may pull it."""

from __future__ import annotations

import base64
import binascii
import json
import re
from argparse import Namespace
from collections.abc import Callable, Iterator
from typing import Any

from stickyconf.ports import Cluster, HarnessError, Kind, Workload
from stickyconf.secrecy import known
from stickyconf.targets.installation import BadOption, NoTarget

SECRET = Kind("v1", "Secret")
PULL_SECRETS = {"kubernetes.io/dockerconfigjson": ".dockerconfigjson", "kubernetes.io/dockercfg": ".dockercfg"}
"""Types of Secrets that a node takes for pulling an image, with the key of what they hold."""

_NAMED = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?/[a-z0-9]([-.a-z0-9]*[a-z0-9])?")


def add_options(add: Callable[..., None]) -> None:
    """Register the options."""
    add(
        "--echo-image",
        metavar="IMAGE",
        help="the image of the echo pods, with Python 3.9 or later as python3 on its PATH (default: that of"
        " manifests/echo/echo.yaml); the embedded cluster runs no images and ignores it",
    )
    add(
        "--echo-pull-secret",
        metavar="NS/NAME",
        help="--target kubeconfig: a Secret of the cluster to pull that image with; it is copied into the run's"
        " namespaces, and goes with them",
    )


def check(option: Namespace) -> None:
    """Look at the options before anything starts; BadOption for what cannot be."""
    image, secret = getattr(option, "echo_image", None), getattr(option, "echo_pull_secret", None)
    if image is not None and not re.fullmatch(r"\S+", image):
        raise BadOption(f"--echo-image {image!r} is no image's name")
    if secret is None:
        return
    if not _NAMED.fullmatch(secret):
        raise BadOption(f"--echo-pull-secret {secret} is not NAMESPACE/NAME")
    if option.target != "kubeconfig":
        raise BadOption(
            "--echo-pull-secret is for --target kubeconfig; a kind cluster gets images by --preload-images DIR, and the"
            " embedded cluster runs none"
        )


async def workload_in(cluster: Cluster, option: Namespace) -> Workload:
    """Return the workload for a foreign cluster, with the Secret that was named; NoTarget if it cannot be used.

    The label for Pod Security is left out there: some clusters let only their administrators set it.
    """
    image = getattr(option, "echo_image", None) or ""
    named = getattr(option, "echo_pull_secret", None)
    if not named:
        return Workload(image=image, labelled=False)
    namespace, _, name = named.partition("/")
    told = f"the Secret {named} (--echo-pull-secret)"  # the option first, and what follows would be taken for a secret
    try:
        found = await cluster.get(SECRET, name, namespace)
    except HarnessError as error:
        raise NoTarget(f"{told} cannot be read (it takes the right to get it): {error}") from error
    if found is None:
        raise NoTarget(f"{told} is not there")
    key = PULL_SECRETS.get(found.get("type", ""))
    if key is None or key not in (found.get("data") or {}):
        raise NoTarget(
            f"{told} is of type {found.get('type', 'unknown')}; a node pulls with one of {' or '.join(PULL_SECRETS)}"
        )
    content = found["data"][key]
    known().keep(content, *_credentials(content))
    return Workload(image=image, labelled=False, secret={"type": found["type"], "data": {key: content}})


def _credentials(content: str) -> Iterator[str]:
    """Yield what is secret in a Secret for pulling, in base64 as the API has it: each password and token by itself."""
    try:
        text = base64.b64decode(content, validate=True).decode()
        yield text
        yield from _members(json.loads(text))
    except (binascii.Error, ValueError):  # the node will say what is wrong with it
        return


def _members(data: Any) -> Iterator[str]:
    for name, value in data.items() if isinstance(data, dict) else ():
        if isinstance(value, dict):
            yield from _members(value)
        elif name in ("password", "auth", "identitytoken", "registrytoken") and isinstance(value, str):
            yield value
