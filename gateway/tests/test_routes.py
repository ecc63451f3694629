"""The table, and that nothing which it does not name can be reached through it."""

import httpx
import pytest
from fastapi import FastAPI
from starlette.requests import Request

from gateway.routes import EXACT, PREFIXES, RouteTable
from gateway.testing import Street
from service_chassis.fit_out import observe
from service_chassis.problems import Problem

INTERNAL = ("/healthz", "/readyz", "/metrics", "/openapi.json")

SPELLINGS = (
    "{}",
    "{}/",
    "/{}",
    "//{}",
    "/.{}",
    "/..{}",
    "/%2e{}",
    "/./{}",
    "{};x",
    "{}%20",
    "{}%00",
    "{}%0d%0a",
    "{}?x=/api/orders",
    "/api/catalogue/..{}",
    "/api/catalogue/../..{}",
    "/api/orders/../..{}",
    "/api/orders/..{}",
    "/api/orders/%2e%2e/%2e%2e{}",
    "/api/orders/%2E%2E/%2E%2E{}",
    "/api/orders/.%2e/%2e.{}",
    "/api/orders/..%2f..{}",
    "/api/orders/..%2F..%2F{}",
    "/api/orders/%2e%2e%2f%2e%2e{}",
    "/api/orders/%252e%252e/%252e%252e{}",
    "/api/orders/%25252e%25252e/%25252e%25252e{}",
    "/api/orders/..;/..;{}",
    "/api/orders/..;x=y/..;{}",
    "/api/orders/%2e%2e;/..;{}",
    "/api/orders/..\\..{}",
    "/api/orders/..%5c..{}",
    "/api/orders/%2e%2e%5c%2e%2e{}",
    "/api/orders/..%00/..{}",
    "/api/orders/x/../../..{}",
    "/api/orders//..//..{}",
    "/api/orders/./../..{}",
    "/api/profiles/../..{}",
    "/api/orders/http://orders{}",
    "/api/orders/%c0%ae%c0%ae/%c0%ae%c0%ae{}",
    "/api/orders/%uff0e%uff0e{}",
    "/api/orders%2f..%2f..{}",
    "http://orders{}",
    "http://orders:8002{}",
    "{}#/api/orders/",
)


@pytest.mark.parametrize("internal", INTERNAL)
async def test_internal_paths_cannot_be_reached_under_any_spelling(street: Street, internal: str) -> None:
    """A service as it really is served shows its probes, figures and description to nobody at the door."""
    seen: list[str] = []
    service = FastAPI()
    observe(service, readiness={})

    @service.middleware("http")
    async def note(request: Request, call_next):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
        seen.append(request.url.path)
        return await call_next(request)

    origin = await street.app(service)
    door = await street.door(auth=origin, profile=origin, orders=origin)
    letters = "".join(f"%{ord(letter):02x}" for letter in internal[1:])
    for spelling in [template.format(internal) for template in SPELLINGS] + [f"/{letters}", internal.upper()]:
        response = await door.get(spelling)
        assert response.status in {400, 404}, spelling
        assert b"alive" not in response.body, spelling
    assert not set(INTERNAL) & set(seen)
    # Asked without the door it answers: the table is what stands between.
    async with httpx.AsyncClient() as directly:
        assert (await directly.get(origin + internal)).status_code == 200


@pytest.mark.parametrize("rest", ["a%2Fb", "%7Ex", "/x", "a.b..c", "...", "100%25"])
def test_what_only_looks_like_a_trick_passes(rest: str) -> None:
    """Escapes, empty segments and dots within a name are a service's own business."""
    route = RouteTable().find(f"/api/orders/{rest}".encode())
    assert route is not None
    assert route.upstream == "orders"


DOTTED = [
    "../x",
    "./x",
    "x/..",
    "x/.",
    "..;/x",
    "..;a=b/x",
    "%2e%2e/x",
    "%2E./x",
    ".%2e%2fx",
    "..%2fx",
    "%2e%2e;/x",
    "%252e%252e/x",
    "%25252e%25252e%252fx",
    "x%00",
    "x%0d",
    "..%5cx",
    "x%5cy",
    "%255c",
]


@pytest.mark.parametrize("rest", DOTTED)
def test_a_path_that_another_server_might_resolve_is_refused(rest: str) -> None:
    """Services take paths as they are, today; the door does not rely on it."""
    with pytest.raises(Problem) as refused:
        RouteTable().find(f"/api/orders/{rest}".encode())
    assert refused.value.status == 400


NOT_NAMED = (
    b"/api/order /api/ordersx /api/Orders /API/orders /api%2Forders /api/%6frders /login/ /api /api/ /logi%6e "
    b"/api/profiles //login /"
).split()


@pytest.mark.parametrize("path", NOT_NAMED)
def test_only_what_is_named_is_public(path: bytes) -> None:
    """A path is compared as it came: no case folding, no decoding, no slash added or taken."""
    assert RouteTable().find(path) is None


def test_every_entry_finds_its_upstream() -> None:
    """The table is asked in the two ways that it is written in."""
    table = RouteTable()
    for path, upstream in {**EXACT, **{f"{prefix}x": name for prefix, name in PREFIXES.items()}}.items():
        assert table.upstream_of(path) == upstream
        route = table.find(path.encode())
        assert route is not None
        assert route.upstream == upstream
    assert table.upstream_names() == {"auth", "profile", "orders"}


def test_a_prefix_ends_with_a_slash() -> None:
    """Else it would make public what only begins alike."""
    with pytest.raises(ValueError, match="/api/orders"):
        RouteTable({}, {"/api/orders": "orders"})


async def test_a_path_that_is_not_public_is_404_with_a_problem(street: Street) -> None:
    """Also for methods with a body."""
    door = await street.door()
    response = await door.get("/nowhere")
    assert response.status == 404
    assert b'"reason": "not_found"' in response.body
