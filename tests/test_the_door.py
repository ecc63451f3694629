"""One door: what is public is there, what is internal is not, and nobody speaks in another's name."""

import json
import re
import socket
from typing import Any

import pytest
from tests.composed_system import ComposedSystem, OverlaidSystem, docker
from tests.raw_http import raw_exchange, request_bytes
from tests.running_system import EmbeddedSystem, Person, System, eventually, problem

from gateway.routes import ANONYMOUS

PUBLIC = {
    "/register": {"post"},
    "/login": {"post"},
    "/refresh": {"post"},
    "/logins": {"get"},
    "/logins/{sid}": {"delete"},
    "/logout": {"post"},
    "/logout/everywhere": {"post"},
    "/password": {"put"},
    "/admin/accounts/{sub}/disabled": {"put", "delete"},
    "/admin/keys": {"get"},
    "/admin/keys/rotate": {"post"},
    "/admin/keys/{kid}/compromise": {"post"},
    "/oauth/token": {"post"},
    "/oauth/revoke": {"post"},
    "/.well-known/jwks.json": {"get"},
    "/.well-known/oauth-authorization-server": {"get"},
    "/api/profile": {"get", "patch"},
    "/api/profiles/{sub}": {"get"},
    "/api/catalogue": {"get"},
    "/api/orders": {"get", "post"},
    "/api/orders/{order_id}": {"get"},
    "/api/orders/{order_id}/cancel": {"post"},
    "/api/orders/{order_id}/ship": {"post"},
    "/api/orders/{order_id}/delivery-address": {"put"},
}
"""Every public route of a service, and its methods."""

NO_TOKEN_NEEDED = {
    "/register", "/login", "/refresh", "/oauth/token", "/oauth/revoke", "/.well-known/jwks.json",
    "/.well-known/oauth-authorization-server", "/api/catalogue",
}  # fmt: skip

INTERNAL = ("healthz", "readyz", "metrics", "openapi.json", "revocations", "revocations?after=0")
SPELLINGS = (
    "/{}",
    "//{}",
    "/./{}",
    "/{}/",
    "/{};a",
    "/{}?x=1",
    "/{}%00",
    "/{}%20",
    "/%2f{}",
    "/;/{}",
    "/docs/../{}",
    "/login/../{}",
    "/login/{}",
    "/api/{}",
    "/api/profile/{}",
    "/api/profile/../../{}",
    "/api/profile/..;/..;/{}",
    "/api/profiles/../../{}",
    "/api/profiles/..%2f..%2f{}",
    "/api/profiles/%2e%2e/%2e%2e/{}",
    "/api/profiles/%252e%252e/%252e%252e/{}",
    "/api/orders/../../{}",
    "/api/orders/..;/..;/{}",
    "/api/orders/%2e%2e%2f%2e%2e%2f{}",
    "/api/orders/..%5c..%5c{}",
    "/api/orders//{}",
    "/.well-known/../{}",
    "/.well-known/{}",
)


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_internal_routes_are_not_at_the_door(system: System, administrator: Person, spelling: str) -> None:
    """Health, readiness, metrics and the services' own OpenAPI are reached by no spelling, not even with a token."""
    authorization = (b"Authorization", f"Bearer {administrator.token}".encode())
    for name in INTERNAL:
        encoded = "".join(f"%{ord(letter):02x}" for letter in name)
        for written in {name, name.upper(), encoded}:
            target = spelling.format(written)
            for headers in ([], [authorization]):
                answer = raw_exchange(system.url, request_bytes("GET", target, headers))
                assert 400 <= answer.status < 500, (target, answer)
                assert answer.headers[b"content-type"] == b"application/problem+json", (target, answer)


def test_there_is_one_door(system: System) -> None:
    """What listens does so on loopback, and of the containers the gateway alone is published.

    The third stack runs with the overlay that publishes the internal ports, so that each replica can be asked.
    """
    if isinstance(system, OverlaidSystem):
        ports = [system.port]
        for service in ("auth", "profile", "orders", "gateway"):
            bindings = json.loads(
                docker("inspect", "-f", "{{json .HostConfig.PortBindings}}", system.container(service))
            )
            assert {each["HostIp"] for binding in bindings.values() for each in binding} == {"127.0.0.1"}
    elif isinstance(system, ComposedSystem):
        published = {
            service: json.loads(docker("inspect", "-f", "{{json .HostConfig.PortBindings}}", system.container(service)))
            for service in ("auth", "profile", "orders", "gateway")
        }
        assert published == {
            "auth": {},
            "profile": {},
            "orders": {},
            "gateway": {"8080/tcp": [{"HostIp": "127.0.0.1", "HostPort": str(system.port)}]},
        }
        ports = [system.port]
    else:
        assert isinstance(system, EmbeddedSystem)
        addresses = system.stack.addresses
        assert addresses.host == "127.0.0.1"
        ports = [*addresses.ports.values(), addresses.operations_port]
    outside = _outer_address()
    for port in ports:
        with pytest.raises(OSError, match=r"refused|timed out|unreachable"):
            socket.create_connection((outside, port), timeout=1)


def _outer_address() -> str:
    """Return an address of this machine that is not loopback. Nothing is sent."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))
        except OSError:
            pytest.skip("this machine has no address but loopback")
        return str(probe.getsockname()[0])


def test_index(system: System) -> None:
    """The first page says what this is and where to go on, and each of its links leads somewhere."""
    index = system.get("/").json()
    assert index["name"] == "Signet"
    for path in (value for value in index.values() if str(value).startswith("/")):
        assert system.get(path).status_code == 200, path


def test_docs_come_from_the_door_alone(system: System) -> None:
    """`/docs` loads everything from the door itself, and tells the browser to load nothing from elsewhere."""
    page = system.get("/docs")
    assert page.headers["content-type"].startswith("text/html")
    assert "default-src 'none'" in page.headers["content-security-policy"]
    assert not re.search(r"https?:|unsafe", page.headers["content-security-policy"])
    links = re.findall(r'(?:src|href)="([^"]+)"', page.text)
    assets = [link for link in links if not link.startswith("data:")]
    assert len(assets) >= 3
    for asset in assets:
        assert asset.startswith("/docs/")
        answer = system.get(asset)
        assert answer.status_code == 200
        assert answer.headers["content-type"].split(";")[0] in {"text/css", "text/javascript"}
        assert len(answer.content) > 50
    assert "SwaggerUIBundle" in system.get("/docs/start.js").text


def test_one_openapi_document_of_all_services(system: System) -> None:
    """The merged document names every public route, no internal one, and which of them need a token."""
    document = system.get("/docs/openapi.json").json()
    documented = {
        path: set(item) & {"get", "post", "put", "patch", "delete"} for path, item in document["paths"].items()
    }
    assert documented == PUBLIC
    assert "Left out" not in document["info"]["description"]
    for path, methods in PUBLIC.items():
        for method in methods:
            protected = bool(document["paths"][path][method].get("security"))
            assert protected is (path not in NO_TOKEN_NEEDED), (method, path)
    references = set(re.findall(r'"\$ref": ?"#/([^"]+)"', json.dumps(document)))
    for reference in references:
        found = document
        for step in reference.split("/"):
            found = found[step]


def test_the_door_knows_where_nobody_is_asked_who_they_are() -> None:
    """There a browser's login is left alone: one that is dead, or cannot be refreshed, keeps nobody out."""
    assert ANONYMOUS == NO_TOKEN_NEEDED


FORGED = (
    {"X-User-Id": "root", "X-User-Sub": "root", "X-User-Email": "root@example.com", "X-User-Scope": "profiles:read"},
    {"X-Forwarded-User": "root", "X-Remote-User": "root", "X-Authenticated-User": "root", "Remote-User": "root"},
    {"Forwarded": "for=10.0.0.1;host=elsewhere.test;proto=https", "X-Forwarded-For": "10.0.0.1"},
    {"X-Forwarded-Host": "elsewhere.test", "X-Forwarded-Proto": "https", "X-Real-IP": "10.0.0.1"},
    {"X-Original-URL": "/healthz", "X-Rewrite-URL": "/healthz", "X-HTTP-Method-Override": "DELETE"},
    {"X-Forwarded-Prefix": "/metrics", "X-Original-Method": "PUT", "X-Scope": "profiles:read"},
    {"Cookie": "access_token=a.b.c; signet=root"},
)


@pytest.mark.parametrize("forged", FORGED, ids=[next(iter(forged)) for forged in FORGED])
def test_forged_headers_change_nothing(system: System, ada: Person, bob: Person, forged: dict[str, str]) -> None:
    """Headers that claim to be somebody, or to come from elsewhere, make no difference, with a token or without."""
    assert ada.get("/api/profile", headers=forged).content == ada.get("/api/profile").content
    assert problem(system.get("/api/profile", headers=forged)) == (401, "no_credentials")
    assert problem(ada.get(f"/api/profiles/{bob.sub}", headers=forged)) == (403, "insufficient_scope")
    metadata = "/.well-known/oauth-authorization-server"
    assert system.get(metadata, headers=forged).content == system.get(metadata).content


def test_a_connection_header_takes_no_credential_away(system: System, ada: Person) -> None:
    """Naming a header in `Connection` drops it, so the request is refused rather than served as another."""
    answer = ada.get("/api/profile", headers={"Connection": "close, authorization"})
    assert problem(answer) == (401, "no_credentials")


def test_requests_can_be_followed(system: System, ada: Person) -> None:
    """A request id and a trace, given by the client, are in the log of the service behind the door."""
    requests: dict[str, dict[str, Any]] = {
        "orders": {"method": "POST", "path": "/api/orders", "json": {"items": [{"sku": "SEAL-BRASS", "quantity": 1}]}},
        "profile": {"method": "PATCH", "path": "/api/profile", "json": {"locale": "en"}},
        "auth": {"method": "POST", "path": "/login", "json": {"email": ada.email, "password": "not the password"}},
    }
    for number, (service, request) in enumerate(requests.items(), start=1):
        request_id, trace_id = f"followed-{service}-{system.kind}", f"{number:032x}"
        given = {"X-Request-Id": request_id, "traceparent": f"00-{trace_id}-00f067aa0ba902b7-01", "If-Match": "*"}
        answer = system.request(token=ada.token, headers=given, **request)
        assert answer.headers["x-request-id"] == request_id

        def logged(service: str = service, request_id: str = request_id, trace_id: str = trace_id) -> bool:
            lines = [json.loads(line) for line in system.logs(service).splitlines() if request_id in line]
            return bool(lines) and all(line["trace_id"] == trace_id for line in lines)

        eventually(logged, within=5)


def test_a_request_id_is_made_where_none_fits(system: System) -> None:
    """Whoever gives no request id, or one that is none, gets one that is; nothing of theirs is echoed."""
    for given in ({}, {"X-Request-Id": "a b"}, {"X-Request-Id": "x" * 65}, {"X-Request-Id": '{"a": 1}'}):
        made = system.get("/api/catalogue", headers=given).headers["x-request-id"]
        assert re.fullmatch(r"[A-Za-z0-9_-]{8,64}", made)
        assert made != given.get("X-Request-Id")


def test_hot_paths_are_not_logged(system: System, ada: Person) -> None:
    """A request that was served and changed nothing leaves no line in any log."""
    ada.get("/api/profile")

    def lines() -> dict[str, list[str]]:
        # Sorted, because the logs of replicas come in any order.
        return {service: sorted(system.logs(service).splitlines()) for service in ("profile", "orders", "gateway")}

    before = lines()
    for _ in range(5):
        ada.get("/api/profile")
        ada.get("/api/orders")
        system.get("/api/catalogue")
    assert lines() == before


def test_no_other_origin_is_invited(system: System, ada: Person) -> None:
    """By default no origin may read answers across origins, and no answer sets a cookie."""
    for answer in (
        ada.get("/api/profile", headers={"Origin": "https://elsewhere.test"}),
        ada.log_in(),
        system.request("OPTIONS", "/api/orders", headers={"Origin": "https://elsewhere.test"}),
    ):
        assert not [name for name in answer.headers if name.startswith("access-control-")]
        assert "set-cookie" not in answer.headers
