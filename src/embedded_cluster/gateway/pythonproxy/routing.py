"""Which route a request takes: the plan of a declaration, ready to be asked. Built once per declaration."""

import posixpath
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from embedded_cluster.gateway import health, plan, plugins, router
from embedded_cluster.gateway.dataplane import RejectedError
from embedded_cluster.gateway.declarative import Declaration
from embedded_cluster.gateway.plan import OVER_TLS, Answer, Forward
from embedded_cluster.gateway.plugins import HeaderChange
from embedded_cluster.gateway.pythonproxy.balancing import Pool, Target

Json = dict[str, Any]
Matcher = Callable[[str, str, Mapping[str, str], str], bool]


@dataclass(frozen=True, slots=True)
class Way:
    """How a request is forwarded: to a target of *pool*, over *rewritten* path, with *changes* to its headers."""

    pool: Pool
    forward: Forward
    idempotent: bool
    host: str
    """The Host field to send; "" keeps the client's."""
    rewrite: tuple[re.Pattern[str], str] | None
    changes: tuple[HeaderChange, ...]

    def path(self, path: str) -> str:
        """Return the target's path for the client's *path*, both without query."""
        return self.rewrite[0].sub(self.rewrite[1], path, count=1) if self.rewrite else path

    def cookie_at(self, path: str) -> tuple[str, str] | None:
        """Return name and path of the sticky cookie if *path* is inside that path (RFC 6265, section 5.1.4)."""
        if not self.forward.cookie:
            return None
        scope = self.forward.cookie[1].rstrip("/")
        return self.forward.cookie if path == scope or path.startswith(f"{scope}/") else None


class Table:
    """The routes of one declaration."""

    def __init__(self, declaration: Declaration, before: "Table | None" = None) -> None:
        """Build it; pools go on where those of *before* were.

        Raises :class:`RejectedError` for what this data plane does not serve.
        """
        self.pools: dict[str, Pool] = {}
        self._entries: list[tuple[Matcher, Way | Answer]] = []
        for entry, outcome in plan.outcomes(declaration):
            try:
                matcher = _matcher(entry.match)
            except re.error as error:
                raise RejectedError(f"route {entry.route['name'] or entry.route['id']}: {error}") from error
            way = self._way(declaration, entry, outcome) if isinstance(outcome, Forward) else outcome
            self._entries.append((matcher, way))
        for name, pool in self.pools.items():
            if before and name in before.pools:
                pool.keep(before.pools[name])

    def find(self, method: str, path: str, headers: Mapping[str, str], scheme: str = "http") -> Way | Answer:
        """Return what becomes of a request; *headers* is case-insensitive, *path* normalized and without query.

        *scheme* says how it came, http or https, whatever the headers say.
        """
        return next(
            (way for matches, way in self._entries if matches(method, path, headers, scheme)),
            Answer(404, plan.NO_ROUTE),
        )

    def _way(self, declaration: Declaration, entry: router.Entry, forward: Forward) -> Way:
        service, algorithm = forward.service, (forward.upstream or {}).get("algorithm")
        if service["protocol"] in OVER_TLS:
            raise RejectedError(f"service {service['name'] or service['id']}: TLS to targets is served over Envoy only")
        if algorithm == "consistent-hashing":
            raise RejectedError(f"upstream {service['host']}: consistent-hashing is served over Envoy only")
        if forward.pool not in self.pools:
            targets = plan.targets(declaration, forward)
            found = [Target(*plan.place(target), target["weight"]) for target in targets]
            self.pools[forward.pool] = Pool(found, health.checks(forward.upstream))
        rewrite = router.rewrite(entry.path, strip=entry.route["strip_path"], service_path=service["path"])
        return Way(
            pool=self.pools[forward.pool],
            forward=forward,
            idempotent=entry.idempotent,
            host="" if entry.route["preserve_host"] else forward.host,
            rewrite=_rewriting(rewrite["regex_rewrite"]) if rewrite else None,
            changes=tuple(plugins.transformations(forward.acting)),
        )


def normalized(path: str) -> str:
    """Return *path* without dot segments and repeated slashes."""
    plain = posixpath.normpath(path).replace("//", "/")
    return f"{plain}/" if path.endswith("/") and plain != "/" else plain


def _matcher(match: Json) -> Matcher:
    prefix = match.get("prefix")
    whole = re.compile(match["safe_regex"]["regex"]) if prefix is None else None
    fields = [
        (header["name"], re.compile(header["string_match"]["safe_regex"]["regex"]))
        for header in match.get("headers", ())
    ]

    def matches(method: str, path: str, headers: Mapping[str, str], scheme: str) -> bool:
        if not (whole.fullmatch(path) if whole else path.startswith(prefix or "/")):
            return False
        pseudo = {":method": method, ":authority": headers.get("host", ""), router.SCHEME: scheme}
        return all(
            (value := pseudo.get(name, headers.get(name))) is not None and pattern.fullmatch(value)
            for name, pattern in fields
        )

    return matches


def _rewriting(rewrite: Json) -> tuple[re.Pattern[str], str]:
    return re.compile(rewrite["pattern"]["regex"]), rewrite["substitution"]
