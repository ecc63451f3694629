"""An endpoint that is served directly answers as it would through FastAPI."""

from collections.abc import AsyncIterator, Mapping
from typing import Annotated

import httpx
import pytest
from fastapi import APIRouter, Depends, FastAPI, Query, Request, Response

from service_chassis.direct_route import serve_directly
from service_chassis.fit_out import observe, take_json
from service_chassis.problems import Problem
from token_verification import AccessTokenVerifier
from token_verification.fastapi import Caller, protect, requires_scope
from token_verification.route_walk import unprotected_routes
from token_verification.testing import FakeIssuer

ISSUER = FakeIssuer()
READ = [requires_scope("read")]


async def read_parcel(caller: Caller, request: Request) -> Response:
    """Return whose parcel it is."""
    if "x-fail" in request.headers:
        raise Problem(410, "gone", "It was here.")
    return Response(caller.subject, headers={"ETag": '"1"'}, media_type="text/plain")


async def change_parcel(caller: Caller, request: Request) -> Response:
    return Response(status_code=204)


async def search_parcel(caller: Caller, request: Request, q: Annotated[str, Query()]) -> Response:
    return Response(q)


async def look_away() -> None:
    """Have nothing to do with scopes."""


async def peek_parcel(caller: Caller, request: Request, seen: Annotated[None, Depends(look_away)]) -> Response:
    return Response(status_code=204)


def application(*, directly: bool) -> FastAPI:
    app = FastAPI()
    app.get("/parcel", dependencies=READ)(read_parcel)
    app.delete("/parcel", dependencies=READ)(change_parcel)
    take_json(app)
    if directly:
        serve_directly(app, read_parcel)
    protect(app, AccessTokenVerifier(issuer=ISSUER.issuer, audience=ISSUER.audience, key_set=ISSUER.key_set), public=())
    observe(app, readiness={})
    return app


async def seen(
    app: FastAPI,
    method: str,
    path: str,
    headers: Mapping[str, str] | None = None,
    *,
    body: bytes | AsyncIterator[bytes] | None = None,
    root_path: str = "",
) -> tuple[int, bytes, dict[str, str]]:
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app, root_path=root_path), base_url="http://chassis"
    ) as client:
        answer = await client.request(method, path, headers={"X-Request-Id": "one", **(headers or {})}, content=body)
    return answer.status_code, answer.content, dict(answer.headers)


@pytest.mark.parametrize(
    ("method", "path", "scope", "headers", "status"),
    [
        ("GET", "/parcel", "read", {}, 200),
        ("GET", "/parcel?q=1", "read", {}, 200),
        ("GET", "/parcel?q=1&q=2", "read", {}, 422),
        ("HEAD", "/parcel", "read", {}, 200),
        ("GET", "/parcel", "read", {"X-Fail": "yes"}, 410),
        ("GET", "/parcel", "write", {}, 403),
        ("GET", "/parcel/", "read", {}, 307),
        ("DELETE", "/parcel", "read", {}, 204),
        ("POST", "/parcel", "read", {}, 405),
    ],
)
async def test_it_answers_as_through_the_framework(
    method: str, path: str, scope: str, headers: dict[str, str], status: int
) -> None:
    """Status, body and headers are the same, refusals' and those of the path's other methods too."""
    headers = headers | {"Authorization": f"Bearer {ISSUER.token(scope=scope)}"}
    direct, usual = [await seen(application(directly=directly), method, path, headers) for directly in (True, False)]
    assert direct == usual
    assert direct[0] == status


@pytest.mark.parametrize("announced", [True, False])
async def test_a_body_is_looked_at_as_on_any_other_way(*, announced: bool) -> None:
    """Whether its length is announced or not: what is no JSON is refused, where a body has no meaning too."""

    async def in_pieces() -> AsyncIterator[bytes]:
        yield b"<parcel/>"

    headers = {"Authorization": f"Bearer {ISSUER.token(scope='read')}", "Content-Type": "text/xml"}
    for directly in (True, False):
        body = b"<parcel/>" if announced else in_pieces()
        status, _, _ = await seen(application(directly=directly), "GET", "/parcel", headers, body=body)
        assert status == 415


@pytest.mark.parametrize(("root_path", "path", "status"), [("/all", "/all/parcel", 200), ("/parcel", "/parcel", 404)])
async def test_under_another_root_it_is_found_as_any_other(root_path: str, path: str, status: int) -> None:
    """What a proxy has cut off counts for both ways alike."""
    headers = {"Authorization": f"Bearer {ISSUER.token(scope='read')}"}
    for directly in (True, False):
        assert (await seen(application(directly=directly), "GET", path, headers, root_path=root_path))[0] == status


async def test_it_is_protected_counted_and_documented_as_any_other() -> None:
    """Without a token it is 401 before any route; it is counted by its path; and its documentation is FastAPI's."""
    app = application(directly=True)
    operations = {"GET /healthz", "GET /metrics", "GET /readyz"}
    assert await unprotected_routes(app, public=operations) == set()
    assert app.openapi() == application(directly=False).openapi()
    open_app = FastAPI()
    open_app.get("/parcel", dependencies=READ)(read_parcel)
    serve_directly(open_app, read_parcel)
    with pytest.raises(RuntimeError, match="no caller"):
        await seen(open_app, "GET", "/parcel")


def test_an_endpoint_that_needs_more_is_refused() -> None:
    """Whoever reads parameters, answers other methods, has other dependencies, or is no route, is a ValueError."""
    app = FastAPI()
    app.delete("/parcel", dependencies=READ)(change_parcel)
    app.get("/search", dependencies=READ)(search_parcel)
    with pytest.raises(ValueError, match="not the endpoint"):
        serve_directly(app, read_parcel)
    app.get("/peek", dependencies=READ)(peek_parcel)
    for endpoint in (change_parcel, search_parcel, peek_parcel):
        with pytest.raises(ValueError, match="needs more"):
            serve_directly(app, endpoint)  # type: ignore[arg-type]


async def test_what_stands_around_the_route_counts() -> None:
    """The scopes that an application, an inclusion and a router ask for are asked for, under the whole path."""
    router = APIRouter(dependencies=[requires_scope("router")])
    router.get("/parcel", dependencies=READ)(read_parcel)
    app = FastAPI(dependencies=[requires_scope("app")])
    app.include_router(router, prefix="/all", dependencies=[requires_scope("inclusion")])
    serve_directly(app, read_parcel)
    protect(app, AccessTokenVerifier(issuer=ISSUER.issuer, audience=ISSUER.audience, key_set=ISSUER.key_set), public=())
    scopes = ["app", "inclusion", "router", "read"]
    for missing in (None, *scopes):
        token = ISSUER.token(scope=" ".join(scope for scope in scopes if scope != missing))
        status, _, _ = await seen(app, "GET", "/all/parcel", {"Authorization": f"Bearer {token}"})
        assert status == (403 if missing else 200)
