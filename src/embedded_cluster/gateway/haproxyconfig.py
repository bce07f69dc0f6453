"""From Kong's entities to HAProxy's configuration file. Pure: the same declaration gives the same text.

Source: HAProxy 2.6 Configuration Manual. What changes often, the targets and their weights, is apart from the text
that stands for everything else: the first is set at run time, the second takes a new process.
"""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from embedded_cluster.environment import Address
from embedded_cluster.gateway import health, plan, plugins, router
from embedded_cluster.gateway.dataplane import RejectedError
from embedded_cluster.gateway.declarative import Declaration
from embedded_cluster.gateway.plan import OVER_TLS, Answer, Forward

FRONTEND = "proxy"
SERVERS = "  # servers of {}"
RELAY = "  # relay"
SUCCESSOR, NEXT = "successor", "next"
_MOST_WEIGHT = 256
_REQUEST_ID = "'%[var(txn.request_id)]'"
_NEVER = 1_000_000  # failures in a row
_NO_ANSWER = ((502, plan.BAD_ANSWER), (503, plan.NO_PEER), (504, plan.TOO_SLOW))

Weights = dict[tuple[str, int], int]
"""Address and port -> weight as HAProxy has it, 0 to 256."""


@dataclass(frozen=True, slots=True)
class Configuration:
    """The *text* without its servers, for which each of its *backends* has a line ``SERVERS``, and their weights."""

    text: str
    backends: dict[str, Weights]


def configuration(declaration: Declaration, proxy: Address, addresses: Mapping[str, str]) -> Configuration:
    """Return what HAProxy is to run: one frontend at *proxy*, and backends with the *addresses* of their hosts.

    A host without an address has no server. Raises :class:`RejectedError` for what this data plane does not serve.
    """
    backends = _Backends(declaration, addresses)
    rules: list[str] = []
    uses: list[str] = []
    for number, (entry, outcome) in enumerate(plan.outcomes(declaration)):
        rules.append(f"http-request set-var(txn.route) int({number}) if {_UNDECIDED} {_condition(entry)}")
        here = f"{{ var(txn.route) -m int {number} }}"
        if isinstance(outcome, Answer):
            rules.append(f"http-request return {_answer(outcome.status, outcome.message)} if {here}")
            continue
        rules += _changes(entry, outcome, here)
        uses += backends.uses(outcome, here)
    nothing = f"http-request return {_answer(404, plan.NO_ROUTE)} if {_UNDECIDED}"
    large = f"{{ req.fhdr(cookie),length gt {plan.MOST_OF_A_COOKIE} }}"
    refused = f"http-request return {_answer(400, plan.TOO_LARGE)} if {large}"
    rules = [*_NORMAL, refused, *rules, nothing]
    listen = [f"frontend {FRONTEND}", f"bind {proxy.host}:{proxy.port}", RELAY.strip()]
    frontend = [*listen, *rules, *_RELAYING, *uses]
    text = "\n  ".join(_DEFAULTS) + "\n" + "\n  ".join(frontend) + "\n" + "\n".join(backends.text)
    return Configuration(text + "\n", backends.weights)


def setting(text: str, runtime: Path, relay: Path) -> str:
    """Return the file for a process with its own *runtime* socket around *text*.

    A connection may still be open when its process has a successor. Then what is asked on it is sent to the socket
    *relay*, on which the last successor takes what all its predecessors have for it: each inherits it, as the others.
    """
    lines = [
        "global",
        "nbthread 1",  # one round robin, and so exact shares
        "noreuseport",  # with it two gateways could bind one port, and each would get some of the connections
        "expose-experimental-directives",  # normalize-uri
        f"stats socket {_quoted(str(runtime))} mode 600 level admin expose-fd listeners",
    ]
    next_one = [
        f"backend {SUCCESSOR}",
        "mode http",
        f"server {NEXT} {_quoted(f'unix@{relay}')} send-proxy-v2 disabled",
    ]
    bind = f"  bind {_quoted(f'unix@{relay}')} accept-proxy mode 600"
    return "\n  ".join(lines) + "\n" + text.replace(RELAY, bind) + "\n  ".join(next_one) + "\n"


_DEFAULTS = [
    "defaults",
    "mode http",
    "timeout client 1h",  # how long a target may be silent is bounded per backend
    "timeout tunnel 1h",
    "timeout http-keep-alive 75s",
    "option redispatch 1",  # a target that refuses is not asked again
    "timeout connect 5s",
    "timeout server 1h",
]
_RELAYED = f"{{ nbsrv({SUCCESSOR}) gt 0 }}"
# A connection closes with the first answer that was relayed; the client's next one is the successor's.
_RELAYING = [f"use_backend {SUCCESSOR} if {_RELAYED}", f"http-after-response set-header Connection close if {_RELAYED}"]
_UNDECIDED = "!{ var(txn.route) -m found }"
_NORMAL = [
    "http-request set-var(txn.request_id) uuid()",
    f"http-request set-var(txn.route) int(-1) if {_RELAYED}",
    "http-request normalize-uri path-merge-slashes",
    "http-request normalize-uri path-strip-dot",
    "http-request normalize-uri path-strip-dotdot",
    "http-request set-var(txn.path) path",
    # As nginx, and so Kong: a request that is not idempotent and may have been seen is not sent again.
    f"http-request disable-l7-retry if !{{ method {' '.join(router.IDEMPOTENT)} }}",
    "http-request set-header X-Forwarded-Proto http",
]


class _Backends:
    """The backends needed so far: one for each pool and cookie, and one for the pool without a cookie."""

    def __init__(self, declaration: Declaration, addresses: Mapping[str, str]) -> None:
        self._declaration = declaration
        self._addresses = addresses
        self._names: dict[tuple[str, tuple[str, str] | None], str] = {}
        self.text: list[str] = []
        self.weights: dict[str, Weights] = {}

    def uses(self, forward: Forward, here: str) -> Iterator[str]:
        """Yield the lines that send what is *here* to a backend of its pool: sticky only inside the cookie's path."""
        if forward.cookie and (path := forward.cookie[1].rstrip("/")):
            inside = f"{{ var(txn.path) -m reg {_quoted(f'^{re.escape(path)}(?:/|$)')} }}"
            yield f"use_backend {self._named(forward, forward.cookie)} if {here} {inside}"
            yield f"use_backend {self._named(forward, None)} if {here}"
        else:
            yield f"use_backend {self._named(forward, forward.cookie)} if {here}"

    def _named(self, forward: Forward, cookie: tuple[str, str] | None) -> str:
        key = (forward.pool, cookie)
        if key not in self._names:
            name = self._names[key] = f"backend-{len(self._names)}"
            self.text += [f"backend {name}", *(f"  {line}" for line in _backend(forward, cookie)), SERVERS.format(name)]
            self.weights[name] = self._weights(forward)
        return self._names[key]

    def _weights(self, forward: Forward) -> Weights:
        targets = plan.targets(self._declaration, forward)
        most = max((target["weight"] for target in targets), default=0)
        share = _MOST_WEIGHT / most if most > _MOST_WEIGHT else 1
        weights: Weights = {}
        for target in targets:
            host, port = plan.place(target)
            if host in self._addresses:
                weights[self._addresses[host], port] = max(1, round(target["weight"] * share)) * bool(target["weight"])
        return weights


def _backend(forward: Forward, cookie: tuple[str, str] | None) -> Iterator[str]:
    service, algorithm = forward.service, (forward.upstream or {}).get("algorithm")
    if service["protocol"] in OVER_TLS:
        raise RejectedError(f"service {service['name'] or service['id']}: TLS to targets is served over Envoy only")
    if algorithm == "consistent-hashing":
        raise RejectedError(f"upstream {service['host']}: consistent-hashing is served over Envoy only")
    yield f"balance {'leastconn' if algorithm in ('least-connections', 'latency') else 'roundrobin'}"
    yield f"timeout connect {service['connect_timeout']}ms"
    yield f"timeout server {forward.patience * 1000:.0f}ms"
    yield f"retries {service['retries']}"
    yield "retry-on conn-failure empty-response"
    yield "option forwardfor"
    yield from _health(health.checks(forward.upstream))
    for status, message in _NO_ANSWER:
        yield f"http-error {_answer(status, message)}"
    if cookie:
        name, path = cookie
        yield f"cookie {_quoted(name)} insert indirect httponly dynamic"
        # The value is a digest of target and key, so every replica and every later process knows it.
        yield "dynamic-cookie-key stickyconf"
        if path != "/":
            issued = _quoted(rf"^({re.escape(name)}=[^;]*; path=)/(.*)$")
            ours = _format(rf"\1{path}\2")
            yield f"http-after-response replace-header Set-Cookie {issued} {ours}"


def _health(checks: health.Health | None) -> Iterator[str]:
    """Yield the lines that take a server out, and let it serve again. HAProxy watches answers only beside probes."""
    if not checks or not (probe := checks.probe):
        return
    yield "option httpchk"
    yield f"http-check send meth GET uri {_quoted(probe.path)} ver HTTP/1.1 hdr Host {_quoted('health.invalid')}"
    yield f"http-check expect status {','.join(map(str, probe.statuses))}"
    yield f"timeout check {probe.timeout * 1000:.0f}ms"
    server = f"check inter {probe.interval * 1000:.0f}ms rise {max(1, probe.successes)} fall {probe.failures or _NEVER}"
    if checks.failures:
        server += f" observe layer7 error-limit {checks.failures} on-error mark-down"
    yield f"default-server {server}"


def _condition(entry: router.Entry) -> str:
    conditions = []
    if "safe_regex" in entry.match:
        pattern = entry.match["safe_regex"]["regex"]
        conditions.append(f"{{ var(txn.path) -m reg {_quoted(f'^(?:{pattern})$')} }}")
    else:
        conditions.append(f"{{ var(txn.path) -m beg {_quoted(entry.match['prefix'])} }}")
    for header in entry.match.get("headers", ()):
        name = header["name"]
        sample = {":method": "method", ":authority": "req.fhdr(host)"}.get(name, f"req.fhdr({name})")
        pattern = header["string_match"]["safe_regex"]["regex"]
        conditions.append(f"{{ {sample} -m reg {_quoted(f'^(?:{pattern})$')} }}")
    return " ".join(conditions)


def _changes(entry: router.Entry, forward: Forward, here: str) -> Iterator[str]:
    """Yield the rules that turn the client's request into the target's, and the target's answer into ours."""
    rewrite = router.rewrite(entry.path, strip=entry.route["strip_path"], service_path=forward.service["path"])
    if rewrite:
        pattern, substitution = rewrite["regex_rewrite"]["pattern"]["regex"], rewrite["regex_rewrite"]["substitution"]
        yield f"http-request replace-path {_quoted(pattern)} {_format(substitution)} if {here}"
    if not entry.route["preserve_host"]:
        yield f"http-request set-header Host {_format(forward.host)} if {here}"
    for change in plugins.transformations(forward.acting):
        rule, sample = ("http-request", "req") if change.direction == "request" else ("http-response", "res")
        name, value = _quoted(change.name), _format(change.value)
        there = f"{{ {sample}.fhdr({change.name}) -m found }}"
        match change.action:
            case "remove":
                yield f"{rule} del-header {name} if {here}"
            case "replace":
                yield f"{rule} set-header {name} {value} if {here} {there}"
            case "add":
                yield f"{rule} set-header {name} {value} if {here} !{there}"
            case "append":
                yield f"{rule} add-header {name} {value} if {here}"


def _answer(status: int, message: str) -> str:
    """An answer of the gateway's own, in Kong's shape: what follows ``http-request return`` or ``http-error``."""
    named = {"Via": _quoted(plan.VIA), "X-Kong-Response-Latency": "0", "X-Kong-Request-Id": _REQUEST_ID}
    headers = " ".join(f"hdr {name} {value}" for name, value in named.items())
    if status in plan.IN_PLAIN_TEXT:
        # Between quoted words, as in a shell, a line's end may be written as two characters.
        kind, body = "text/plain", rf"{_format(message)}\n'request_id: '{_REQUEST_ID}\n"
    else:
        about = json.dumps({"message": message}).removesuffix("}")
        kind, body = "application/json", f"{_format(about)}', \"request_id\": \"'{_REQUEST_ID}'\"}}'"
    return f"status {status} content-type '{kind}; charset=utf-8' lf-string {body} {headers}"


def _format(text: str) -> str:
    """Return *text* as an argument in log format, where a percent sign begins a substitution."""
    return _quoted(text.replace("%", "%%"))


def _quoted(text: str) -> str:
    """Return *text* as one word of the configuration, with any characters in it but control characters."""
    if any(ord(character) < 32 for character in text):
        raise RejectedError(f"a control character cannot be configured: {text!r}")
    return "'" + text.replace("'", r"'\''") + "'"
