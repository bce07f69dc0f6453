"""What the KIC stand-in makes of Ingresses."""

from typing import Any

from tests.embedded.ingress_objects import (
    Object,
    endpoint,
    made,
    policy,
    route,
    service,
    slices,
    translated,
    weights,
)


def ingress(*paths: tuple[str, str], name: str = "web", class_name: str | None = "kong", **content: Any) -> Object:
    backend = {"service": {"name": "echo", "port": content.pop("port", {"number": 80})}}
    http = {"paths": [{"path": path, "pathType": kind, "backend": backend} for path, kind in paths]}
    spec = {"rules": [{"host": content.pop("host", "a.example"), "http": http}], **content.pop("spec", {})}
    spec |= {"ingressClassName": class_name} if class_name else {}
    return made("Ingress", name, "networking.k8s.io/v1", spec=spec, **content)


def test_an_ingress_becomes_what_kic_makes_of_it() -> None:
    """Named by Service and port; its targets have Kong's own weight, and drain as those of an HTTPRoute."""
    objects = (service(policy="sticky"), slices("echo", endpoint(1), endpoint(2, "FTT")), policy())
    found = translated(*objects, ingress(("/x", "Prefix"), ("/y", "Exact"), ("/~/z[0-9]", "ImplementationSpecific")))
    (kong_service,) = found.config["services"]
    assert (kong_service["name"], kong_service["host"]) == ("app.echo.80", "echo.app.80.svc")
    assert kong_service["path"] == "/"
    (kong_route,) = kong_service["routes"]
    assert kong_route["name"] == "app.web.echo.a.example.80"
    assert kong_route["paths"] == ["/x/", "~/x$", "~/y$", "~/z[0-9]"]
    assert weights(found, "echo.app.80.svc") == {"1": 100, "2": 0}
    assert found.config["upstreams"][0]["algorithm"] == "sticky-sessions"


def test_one_service_behind_ingress_and_http_route_is_two_upstreams() -> None:
    """Both follow the Service's policy."""
    found = translated(service(policy="sticky"), policy(), route(), ingress(("/", "Prefix")))
    assert {u["name"]: u["algorithm"] for u in found.config["upstreams"]} == {
        "echo.app.80.svc": "sticky-sessions",
        "httproute.app.echo.0": "sticky-sessions",
    }


def test_ingress_ports_by_name_and_wildcard_hosts() -> None:
    """A port's name stands in the names; an asterisk, which Kong does not allow there, becomes an underscore."""
    found = translated(service(), ingress(("/", "Prefix"), port={"name": "http"}, host="*.example"))
    (kong_service,) = found.config["services"]
    assert kong_service["host"] == "echo.app.http.svc"
    assert kong_service["routes"][0]["name"] == "app.web.echo._.example.http"


def test_which_ingresses_are_ours() -> None:
    """Those of our class, by field or annotation, and those of none if ours is the default."""
    by_annotation = ingress(("/", "Prefix"), name="old", class_name=None)
    by_annotation["metadata"]["annotations"]["kubernetes.io/ingress.class"] = "kong"
    unnamed = ingress(("/", "Prefix"), name="unnamed", class_name=None)
    other = ingress(("/", "Prefix"), name="other", class_name="nginx")
    default = made(
        "IngressClass",
        "kong",
        namespace=None,
        metadata={"annotations": {"ingressclass.kubernetes.io/is-default-class": "true"}},
    )

    def served(*more: Object) -> list[str]:
        services = translated(service(), by_annotation, unnamed, other, *more).config["services"]
        return [kong_route["name"].split(".")[1] for s in services for kong_route in s["routes"]]

    assert served() == ["old"]
    assert served(default) == ["old", "unnamed"]


def test_the_oldest_default_backend_answers_what_nothing_else_does() -> None:
    """Kong has one fallback for all hosts."""
    backend = {"defaultBackend": {"service": {"name": "echo", "port": {"number": 80}}}}
    young = ingress(name="young", spec=backend, metadata={"creationTimestamp": "2026-02-01T00:00:00Z"})
    old = ingress(name="old", spec=backend, metadata={"creationTimestamp": "2026-01-01T00:00:00Z"})
    (kong_service,) = translated(service(), young, old).config["services"]
    assert [(r["name"], r["paths"]) for r in kong_service["routes"]] == [("app.old", ["/"])]


def test_an_ingress_with_an_odd_backend_is_told_so() -> None:
    """A Service or a port that is not there, or no Service at all."""
    missing = ingress(("/", "Prefix"))
    (failure,) = translated(missing).failures
    assert failure.message.endswith("failed to fetch Service app/echo: Service app/echo not found")
    (failure,) = translated(service(), ingress(("/", "Prefix"), port={"number": 81})).failures
    assert "no suitable port found" in failure.message
    odd = ingress(("/", "Prefix"))
    odd["spec"]["rules"][0]["http"]["paths"][0]["backend"] = {"resource": {"kind": "Bucket", "name": "b"}}
    (failure,) = translated(service(), odd).failures
    assert "unknown resource type Bucket" in failure.message
