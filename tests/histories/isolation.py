"""Several Services and clients with one jar, as a conforming gateway would have been seen to serve them."""

from __future__ import annotations

from dataclasses import replace

from stickyconf.checks.isolation import AGAIN, BASKET, BASKET_COOKIE, ONCE, OWN, PLAIN, SHOP, TWIN
from stickyconf.model import Exchange, Happening, History
from tests.histories.edits import edited, rewriting
from tests.histories.tape import PODS, UPSTREAM, Dialect, Session, Tape

SHOP_PODS = ("shop-x", "shop-y")
MIXED = "HTTPRoute/mixed"
INCONSISTENT = "Service has inconsistent konghq.com/upstream-policy annotation and is used in multi-Service backend"


def isolation(dialect: Dialect | None = None) -> History:
    """Every experiment with several Services, one after the other."""
    tape = Tape(dialect=dialect)
    at = _pairs(tape, 0.0)
    at = _siblings(tape, at)
    at = _alternating(tape, "shared", TWIN, at)
    at = _alternating(tape, "alternating", SHOP, at)
    at = _replayed(tape, at)
    at = _revisited(tape, at)
    for arm in ("by-route", "by-ingress"):
        at = tape.lockstep(arm, at, sessions=5, requests=5)
    at = _weighted(tape, at)
    _mixed(tape, at)
    history = tape.history()
    return edited(history, _of_the_basket, rewriting("session_id=", f"{BASKET_COOKIE}="))


def _of_the_basket(history: History) -> list[Exchange]:
    return [exchange for exchange in history.arm("pair") if exchange.path == BASKET]


def _pairs(tape: Tape, at: float) -> float:
    """Clients with two sessions; each second one begins after a passer-by has taken a turn at the basket."""
    for number in range(6):
        own = tape.open("pair")
        basket = Session(own.name, "pair")
        for turn in range(5):
            for part, path in ((own, OWN), (basket, BASKET)):
                if turn == 0 and path == BASKET and number % 2:
                    tape.visit(tape.open("passerby"), at)
                tape.visit(part, at + 0.005, path=path)
                jar = [("session_id", own.value), (BASKET_COOKIE, basket.value)]
                known = jar if turn else jar[: int(path == BASKET)]  # what the client had before this answer
                fields = ("; ".join(f"{name}={value}" for name, value in known),) if known else ()
                tape.exchanges[-1] = replace(tape.exchanges[-1], cookie_fields=fields)
                at += 0.01
    return at + 0.1


def _siblings(tape: Tape, at: float) -> float:
    tape.plan |= {"sibling.sessions": 4, "sibling.requests": 8}
    for _ in range(4):
        own = tape.open("sibling")
        tape.visit(own, at)
        plain = Session(own.name, "sibling", value=own.value)
        tape.sticky = False
        for turn in range(8):
            tape.visit(plain, at + 0.01 + turn * 0.01, path=PLAIN)
        tape.sticky = True
        tape.visit(own, at + 0.1)
        at += 0.12
    return at + 0.1


def _alternating(tape: Tape, arm: str, path: str, at: float) -> float:
    """Clients between two Services: the twin has the same pods, the shop has others."""
    tape.plan |= {f"{arm}.sessions": 4, f"{arm}.requests": 8}
    clients: list[Session] = []
    while len(clients) < 4 or len({client.pod for client in clients}) < 2 or len(clients) % len(PODS) == 0:
        clients.append(tape.open(arm))
        tape.visit(clients[-1], at)
        at += 0.01
    for where in (OWN, path, path, OWN, OWN, path, path):
        tape.rotation = list(SHOP_PODS if where == SHOP else PODS)
        for client in clients:
            tape.visit(client, at, path=where)
            at += 0.01
    tape.rotation = list(PODS)
    return at + 0.1


def _replayed(tape: Tape, at: float) -> float:
    tape.plan |= {"owner.sessions": 6, "owner.requests": 2}
    owners = [(tape.open("owner"), path) for path in (OWN, SHOP) * 3]

    def visit(client: Session, path: str, **more: bool) -> None:
        nonlocal at
        tape.rotation = list(SHOP_PODS if path == SHOP else PODS)
        tape.visit(client, at, path=path, **more)  # type: ignore[arg-type]
        at += 0.01

    for client, path in owners:
        visit(client, path)
    for client, path in owners:
        thief = tape.open("replayed")
        thief.value = client.value
        visit(thief, SHOP if path == OWN else OWN, keeps=False)
    for client, path in owners:
        visit(client, path)
    tape.rotation = list(PODS)
    return at + 0.1


def _revisited(tape: Tape, at: float) -> float:
    tape.plan |= {"revisited.sessions": 4, "revisited.requests": 3}
    for _ in range(4):
        client = tape.open("revisited")
        for path in (OWN, AGAIN, ONCE):
            tape.visit(client, at, path=path)
            at += 0.01
    return at + 0.1


def _weighted(tape: Tape, at: float) -> float:
    """Sessions at both backends of a rule, of which one gets the weight 0."""
    clients = []
    for pods in (PODS, SHOP_PODS, PODS, SHOP_PODS):
        tape.rotation = list(pods)
        client = tape.open("weighted")
        tape.visit(client, at)
        clients.append(client)
        at += 0.01
    tape.rotation, tape.pinned_only = list(PODS), SHOP_PODS
    for turn in range(8):
        if turn == 4:
            tape.event(Happening.APPLIED, "HTTPRoute/weighted", at, code="200", stored="shop=0")
            tape.event(Happening.CONVERGED, UPSTREAM, at + 0.1, sticky="true", shop="0")
            tape.plan |= {"newcomer.sessions": 30, "newcomer.requests": 1}
            for number in range(30):
                tape.visit(tape.open("newcomer"), at + 0.11 + number * 0.01, keeps=False)
            at += 0.5
        for client in clients:
            tape.visit(client, at)
            at += 0.01
    tape.pinned_only = ()
    return at + 0.1


def _mixed(tape: Tape, at: float) -> None:
    """A rule gets a second Service with another policy; an event says so, and the gateway has no route any more."""
    tape.lockstep("mixed-before", at, sessions=3, requests=1)
    tape.event(Happening.APPLIED, MIXED, at + 0.2, code="200", stored="echo, basket")
    for name in ("echo", "basket"):
        tape.event(
            Happening.CLUSTER_EVENT,
            f"Service/{name}",
            at + 0.3,
            type="Warning",
            reason="KongConfigurationTranslationFailed",
            message=f"{INCONSISTENT} httproute.sticky.mixed.0.",
        )
    tape.lockstep("mixed", at + 0.4, sessions=3, requests=2)


def by_weight(dialect: Dialect | None = None, *, light: int = 66, heavy: int = 198) -> History:
    """So many new sessions on the pods of the Service under test, and so many on the shop's."""
    tape = Tape(dialect=dialect)
    tape.plan |= {"by-weight.sessions": light + heavy, "by-weight.requests": 1}
    for number in range(light + heavy):
        tape.rotation = list(PODS if number < light else SHOP_PODS)
        tape.visit(tape.open("by-weight"), number * 0.01, keeps=False)
    return tape.history()
