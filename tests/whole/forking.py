"""Starts processes that have the suite's libraries loaded already: run as a program, it forks once for each request.

Loading numpy, scipy, the Kubernetes client and the rest takes longer than most of what the tests of whole runs ask a
run for. So they are loaded once, here, where nothing of pytest or of the suite has been, and each run begins from there
in a process of its own, with the environment, the directory and the arguments that it was given.
"""

import importlib
import json
import os
import sys
from typing import Any, NoReturn

LIBRARIES = (
    "aiohttp",
    "allure_commons",
    "asyncio",
    "attr",
    "httpx",
    "jinja2",
    "jsonschema",
    "kubernetes.aio.client",
    "kubernetes.aio.config",
    "kubernetes.aio.dynamic",
    "msgspec",
    "numpy",
    "scipy.special",
    "tenacity",
    "yaml",
)


def main() -> None:
    """Load the libraries; run pytest for each line of JSON on standard input, and say its process id and its status."""
    for name in LIBRARIES:
        importlib.import_module(name)
    requests = os.fdopen(os.dup(0), encoding="utf-8")
    for line in requests:
        request = json.loads(line)
        child = os.fork()
        if not child:
            requests.close()
            _become(request)
        _say(child)
        _, status = os.waitpid(child, 0)
        _say(os.waitstatus_to_exitcode(status))


def _say(number: int) -> None:
    sys.stdout.write(f"{number}\n")
    sys.stdout.flush()


def _become(request: dict[str, Any]) -> NoReturn:
    """Go on as ``python -m pytest`` with these arguments; does not return."""
    output = os.open(request["output"], os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    nothing = os.open(os.devnull, os.O_RDONLY)
    for source, target in ((nothing, 0), (output, 1), (output, 2)):
        os.dup2(source, target)
    os.environ.clear()
    os.environ.update(request["environment"])
    os.chdir(request["directory"])
    sys.path[0] = request["directory"]
    sys.argv = ["pytest", *request["arguments"]]
    import pytest

    sys.exit(pytest.console_main())


if __name__ == "__main__":
    main()
