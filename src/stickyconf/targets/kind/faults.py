"""What kind's output means for the user: the cause in one line, with what to do."""

from __future__ import annotations

import re

from stickyconf.targets.kind.programs import last_words
from stickyconf.targets.kind.pulling import pull_failure


def not_made(name: str, output: str) -> str:
    """Say why kind could not make the cluster ``name``, from its whole ``output``."""
    image = re.search(r'failed to pull image "([^"]+)"', output)
    if image:
        tag = image[1].partition("@")[0]
        load = f"bring it here: docker save {tag} -o FILE on a machine that has it, docker load -i FILE here"
        if "@" in image[1]:
            load += f", and give --kind-image {tag}"  # an archive has no digest to be found by
        said = output.partition("Command Output:")[2] or output
        return pull_failure(image[1], said, option="--kind-image", otherwise=load)
    said = last_words(output)
    if re.search(r"port is already allocated|address already in use", output):
        return f"a port of this machine is taken: {said}; give another --proxy-port, or none"
    if "no space left on device" in output:
        return f"Docker's disk is full: {said}; make room (docker system prune)"
    if re.search(r"too many open files|inotify", output):
        more = "fs.inotify.max_user_instances=512 fs.inotify.max_user_watches=524288"
        return f"too few inotify handles: {said}; more of them: sudo sysctl {more}"
    return f"kind could not make the cluster {name}: {said}"
