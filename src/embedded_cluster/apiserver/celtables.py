"""Where the tables of the CEL parser are kept: to compute them takes a process 0.3 s, to read them 0.02 s."""

from __future__ import annotations

import functools
import os
from pathlib import Path

from celpy import celparser
from lark import Lark


def keep_tables() -> None:
    """Let cel-python's parser read its tables from the user's cache, and write them if they are not there.

    Lark checks that they are of this grammar, these options, this version and this Python, and computes them if not.
    Without a cache that can be written, nothing is kept.
    """
    try:
        base = os.environ.get("XDG_CACHE_HOME")
        directory = (Path(base) if base else Path.home() / ".cache") / "embedded_cluster"
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    except (OSError, RuntimeError):  # RuntimeError: the user has no home
        return
    celparser.Lark = functools.partial(Lark, cache=str(directory / "cel.lark"))  # type: ignore[attr-defined,assignment]
