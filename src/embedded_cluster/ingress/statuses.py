"""What the controller writes back: the status of every object it answers for, as KIC and Gateway API have it."""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from embedded_cluster.ingress.attachment import Parent, attached_routes, is_ours, listener_fault, parents, serves_class
from embedded_cluster.ingress.certificates import certificate_fault
from embedded_cluster.ingress.httproutes import reference_fault
from embedded_cluster.ingress.ingresses import is_ours as is_our_ingress
from embedded_cluster.ingress.policies import ANNOTATION
from embedded_cluster.ingress.snapshot import CONTROLLER_NAME, GATEWAY_GROUP, Object, Snapshot, annotation, full_name
from embedded_cluster.ingress.translation import Settings, Translation, proxy_service
from embedded_cluster.objects import with_condition

_MOST_ANCESTORS = 16  # Gateway API's limit for status.ancestors of a policy


@dataclass(frozen=True, slots=True)
class NewStatus:
    """The fields of ``status`` to merge into *obj*."""

    obj: Object
    status: Object


def changes(snapshot: Snapshot, settings: Settings, translation: Translation, *, in_force: bool) -> list[NewStatus]:
    """Every status that is not yet what it should be.

    *in_force* says whether every gateway runs *translation*; without that nothing new is called programmed.
    """
    proxy = proxy_service(snapshot, settings)
    wanted = [
        *_gateway_classes(snapshot),
        *_gateways(snapshot, proxy),
        *_http_routes(snapshot, proxy, translation, in_force=in_force),
        *_ingresses(snapshot, settings, proxy, translation, in_force=in_force),
        *_policies(snapshot, settings, translation, in_force=in_force),
    ]
    return [new for new in wanted if not _has(new.obj, new.status)]


def _has(obj: Object, status: Object) -> bool:
    current = obj.get("status") or {}
    return all(current.get(field) == value for field, value in status.items())


def _condition(kind: str, *, status: bool | None, reason: str, message: str = "", of: Object | None = None) -> Object:
    """A condition, observed at the generation *of* that object if one is named."""
    word = "Unknown" if status is None else str(status)
    observed = {} if of is None else {"observedGeneration": of["metadata"].get("generation", 0)}
    return {"type": kind, "status": word, "reason": reason, "message": message, **observed}


def _merged(existing: Iterable[Object] | None, *new: Object) -> list[Object]:
    conditions = list(existing or ())
    for condition in new:
        conditions = with_condition(conditions, condition)
    return conditions


def _gateway_classes(snapshot: Snapshot) -> Iterator[NewStatus]:
    for found in snapshot.gateway_classes:
        if serves_class(found):
            message = "the gatewayclass has been accepted by the controller"
            accepted = _condition("Accepted", status=True, reason="Accepted", message=message, of=found)
            yield NewStatus(found, {"conditions": _merged(found.get("status", {}).get("conditions"), accepted)})


def _gateways(snapshot: Snapshot, proxy: Object | None) -> Iterator[NewStatus]:
    for gateway in snapshot.gateways:
        if not is_ours(snapshot, gateway):
            continue
        status = gateway.get("status") or {}
        message = "this unmanaged gateway has been picked up by the controller and will be processed"
        accepted = _condition("Accepted", status=True, reason="Accepted", message=message, of=gateway)
        programmed = _condition(
            "Programmed",
            status=proxy is not None,
            reason="Programmed" if proxy else "Pending",
            message="" if proxy else "the publish Service does not exist",
            of=gateway,
        )
        attached = Counter(attached_routes(snapshot, gateway, proxy))
        before = {listener["name"]: listener.get("conditions") for listener in status.get("listeners") or ()}
        yield NewStatus(
            gateway,
            {
                "conditions": _merged(status.get("conditions"), accepted, programmed),
                "addresses": _balanced(proxy) or None,
                "listeners": [
                    {
                        "name": listener["name"],
                        "supportedKinds": [
                            {"group": GATEWAY_GROUP, "kind": kind} for kind in ("HTTPRoute", "GRPCRoute")
                        ],
                        "attachedRoutes": attached[listener["name"]],
                        "conditions": _merged(
                            before.get(listener["name"]), *_listener_conditions(snapshot, gateway, listener, proxy)
                        ),
                    }
                    for listener in gateway["spec"].get("listeners") or ()
                ],
            },
        )


def _listener_conditions(
    snapshot: Snapshot, gateway: Object, listener: Object, proxy: Object | None
) -> Iterator[Object]:
    reason, message = listener_fault(listener, proxy) or ("", "")
    unresolved = certificate_fault(snapshot, gateway, listener)
    fine = not reason and not unresolved
    yield _condition("Accepted", status=not reason, reason=reason or "Accepted", message=message, of=gateway)
    yield _condition("Conflicted", status=False, reason="NoConflicts", of=gateway)
    yield _condition("Programmed", status=fine, reason="Programmed" if fine else "Invalid", of=gateway)
    yield _condition("ResolvedRefs", status=not unresolved, reason=unresolved or "ResolvedRefs", of=gateway)


def _balanced(proxy: Object | None) -> list[Object]:
    """The addresses of what balances load in front of the proxy Service: a Gateway's, with KIC."""
    balanced = ((proxy or {}).get("status", {}).get("loadBalancer") or {}).get("ingress") or ()
    found = [{"type": "IPAddress", "value": entry["ip"]} for entry in balanced if entry.get("ip")]
    return found + [{"type": "Hostname", "value": entry["hostname"]} for entry in balanced if entry.get("hostname")]


def _addresses(proxy: Object | None) -> list[Object]:
    """Those, and the Service's own: an Ingress's, with KIC."""
    own = ((proxy or {}).get("spec") or {}).get("clusterIPs") or ()
    return _balanced(proxy) + [{"type": "IPAddress", "value": address} for address in own if address != "None"]


def _http_routes(
    snapshot: Snapshot, proxy: Object | None, translation: Translation, *, in_force: bool
) -> Iterator[NewStatus]:
    for route in snapshot.http_routes:
        current = (route.get("status") or {}).get("parents") or ()
        others = [parent for parent in current if parent["controllerName"] != CONTROLLER_NAME]
        before = {_key(p["parentRef"], route): p["conditions"] for p in current if p not in others}
        references = [r for rule in route["spec"].get("rules") or () for r in rule.get("backendRefs") or ()]
        fault = next(filter(None, (reference_fault(snapshot, route, r) for r in references)), None)
        ours = []
        for parent in parents(snapshot, route, proxy):
            existing = before.get(_key(parent.reference, route)) or []
            conditions = _route_conditions(route, parent, fault, existing, translation, in_force=in_force)
            reference = {
                "group": GATEWAY_GROUP,
                "kind": "Gateway",
                "namespace": parent.gateway["metadata"]["namespace"],
                **parent.reference,
            }
            ours.append(
                {
                    "parentRef": reference,
                    "controllerName": CONTROLLER_NAME,
                    "conditions": _merged(existing, *conditions),
                }
            )
        if ours or before:
            yield NewStatus(route, {"parents": [*others, *ours]})


def _key(reference: Object, route: Object) -> tuple[object, ...]:
    namespace = reference.get("namespace") or route["metadata"]["namespace"]
    return namespace, reference["name"], reference.get("sectionName"), reference.get("port")


def _route_conditions(
    route: Object,
    parent: Parent,
    fault: tuple[str, str] | None,
    existing: list[Object],
    translation: Translation,
    *,
    in_force: bool,
) -> Iterator[Object]:
    reason, message = fault or ("ResolvedRefs", "")
    yield _condition("Accepted", status=not parent.refusal, reason=parent.refusal or "Accepted", of=route)
    yield _condition("ResolvedRefs", status=fault is None, reason=reason, message=message, of=route)
    if not parent.refusal and not _is_translated(route, translation):
        yield _condition("Programmed", status=False, reason="TranslationError", of=route)
    elif not parent.refusal and in_force:
        yield _condition("Programmed", status=True, reason="ConfiguredInGateway", of=route)
    elif not any(condition["type"] == "Programmed" for condition in existing):
        yield _condition("Programmed", status=None, reason="Unknown", of=route)


def _is_translated(obj: Object, translation: Translation) -> bool:
    return obj["metadata"]["uid"] in translation.configured


def _ingresses(
    snapshot: Snapshot, settings: Settings, proxy: Object | None, translation: Translation, *, in_force: bool
) -> Iterator[NewStatus]:
    kinds = {"IPAddress": "ip", "Hostname": "hostname"}
    balanced = [{kinds[address["type"]]: address["value"]} for address in _addresses(proxy)]
    for ingress in snapshot.ingresses:
        ours = is_our_ingress(snapshot, ingress, settings.ingress_class)
        if ours and in_force and _is_translated(ingress, translation):
            yield NewStatus(ingress, {"loadBalancer": {"ingress": balanced}})


def _policies(
    snapshot: Snapshot, settings: Settings, translation: Translation, *, in_force: bool
) -> Iterator[NewStatus]:
    """KIC's: an ancestor is a Service that names the policy; they show once a route leads to one of them."""
    for policy in snapshot.policies:
        services = [s for s in snapshot.services if _governs(policy, s)]
        in_use = any(_is_translated(service, translation) for service in services)
        current = (policy.get("status") or {}).get("ancestors") or ()
        others = [ancestor for ancestor in current if ancestor["controllerName"] != CONTROLLER_NAME]
        before = {
            (a["ancestorRef"].get("namespace"), a["ancestorRef"]["name"]): a["conditions"]
            for a in current
            if a not in others
        }
        ours = []
        for service in sorted(services, key=_age)[:_MOST_ANCESTORS] if in_use else ():
            namespace, name = service["metadata"]["namespace"], service["metadata"]["name"]
            existing = before.get((namespace, name)) or []
            ours.append(
                {
                    "ancestorRef": {"group": "core", "kind": "Service", "namespace": namespace, "name": name},
                    "controllerName": CONTROLLER_NAME,
                    "conditions": _merged(
                        existing,
                        *_ancestor_conditions(snapshot, service, services, existing, translation, in_force=in_force),
                    ),
                }
            )
        if ours or before:
            yield NewStatus(policy, {"ancestors": [*others, *ours]})


def _governs(policy: Object, service: Object) -> bool:
    named = (service["metadata"]["namespace"], annotation(service, ANNOTATION))
    return named == (policy["metadata"]["namespace"], policy["metadata"]["name"])


def _age(service: Object) -> tuple[str, str]:
    return str(service["metadata"].get("creationTimestamp") or ""), full_name(service)


def _ancestor_conditions(
    snapshot: Snapshot,
    service: Object,
    governed: list[Object],
    existing: list[Object],
    translation: Translation,
    *,
    in_force: bool,
) -> Iterator[Object]:
    """These carry no observedGeneration, so they may be of an older policy: that is how KIC writes them."""
    if _shares_rule_with_ungoverned(snapshot, service, governed):
        yield _condition("Accepted", status=False, reason="Conflicted")
        yield _condition("Programmed", status=False, reason="Pending")
        return
    yield _condition("Accepted", status=True, reason="Accepted")
    if _is_translated(service, translation) and in_force:
        yield _condition("Programmed", status=True, reason="Programmed")
    elif not any(condition["type"] == "Programmed" for condition in existing):
        yield _condition("Programmed", status=False, reason="Pending")


def _shares_rule_with_ungoverned(snapshot: Snapshot, service: Object, governed: list[Object]) -> bool:
    names = {full_name(other) for other in governed}
    for route in snapshot.http_routes:
        for rule in route["spec"].get("rules") or ():
            own = route["metadata"]["namespace"]
            backends = {f"{r.get('namespace') or own}/{r['name']}" for r in rule.get("backendRefs") or ()}
            if full_name(service) in backends and not backends <= names:
                return True
    return False
