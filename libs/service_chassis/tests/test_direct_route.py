"""An endpoint that is served directly answers as it would through FastAPI."""

from collections.abc import AsyncIterator, Mapping
from typing import Annotated

import httpx
import pytest
from fastapi import APIRouter, BackgroundTasks, Depends, FastAPI, Query, Request, Response, Security
from fastapi.routing import APIRoute

from service_chassis.direct_route import Endpoint, serve_directly
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


async def turned_round(request: Request, caller: Caller) -> Response:
    return Response(caller.subject)


async def answers_later(caller: Caller, request: Request, later: BackgroundTasks) -> Response:
    return Response(status_code=204)


async def gives_a_model(caller: Caller, request: Request) -> dict[str, str]:
    return {"sub": caller.subject}


_LOOKS_AWAY = Depends(look_away)


async def has_a_default(caller: Caller, request: Request, seen=_LOOKS_AWAY) -> Response:  # type: ignore[no-untyped-def]  # noqa: ANN001
    return Response(status_code=204)


async def has_no_types(caller: Caller, request: Request, q) -> Response:  # type: ignore[no-untyped-def]  # noqa: ANN001
    return Response(status_code=204)


async def by_names(*, caller: Caller, request: Request) -> Response:
    return Response(status_code=204)


def waits(caller: Caller, request: Request) -> Response:
    return Response(caller.subject)


@pytest.mark.parametrize(
    "endpoint",
    [
        change_parcel,
        search_parcel,
        peek_parcel,
        turned_round,
        answers_later,
        gives_a_model,
        has_a_default,
        has_no_types,
        by_names,
        waits,
    ],
)
def test_an_endpoint_that_needs_more_is_refused(endpoint: Endpoint) -> None:
    """Whoever takes more than a caller and a request, gives no Response, is no coroutine or answers no GET."""
    app = FastAPI()
    app.api_route("/it", methods=["DELETE" if endpoint is change_parcel else "GET"], dependencies=READ)(endpoint)
    with pytest.raises(ValueError, match="needs more"):
        serve_directly(app, endpoint)


class Locked(APIRoute):
    """A route with a way of its own."""


async def second_factor() -> None:
    raise Problem(403, "second_factor_needed", "The token alone is not enough.")


@pytest.mark.parametrize("how", ["a dependency that names scopes", "a kind of route", "a path with a parameter"])
def test_a_route_that_asks_for_more_is_refused(how: str) -> None:
    """What stands before the endpoint is skipped by the direct way, unless it is nothing but `requires_scope`."""
    router = APIRouter(route_class=Locked if how == "a kind of route" else APIRoute)
    more = [Security(second_factor, scopes=["read"])] if how == "a dependency that names scopes" else []
    path = "/{parcel}" if how == "a path with a parameter" else "/parcel"
    router.get(path, dependencies=[*READ, *more])(read_parcel)
    app = FastAPI()
    app.include_router(router)
    with pytest.raises(ValueError, match="needs more"):
        serve_directly(app, read_parcel)


def test_an_endpoint_that_is_never_reached_is_refused() -> None:
    """Because it is no route, or because another one answers before it."""
    app = FastAPI()
    with pytest.raises(ValueError, match="not the endpoint"):
        serve_directly(app, read_parcel)
    app.get("/{parcel}", dependencies=[requires_scope("all")])(gives_a_model)
    app.get("/parcel", dependencies=READ)(read_parcel)
    with pytest.raises(ValueError, match="before"):
        serve_directly(app, read_parcel)
    by_host = FastAPI()
    by_host.host("parcels.test", FastAPI())
    by_host.get("/parcel", dependencies=READ)(read_parcel)
    with pytest.raises(ValueError, match="before"):
        serve_directly(by_host, read_parcel)


def test_what_answers_no_get_may_come_before() -> None:
    """Another method on the same path, another path, or a websocket."""
    app = FastAPI()
    app.delete("/parcel", dependencies=READ)(change_parcel)
    app.get("/parcels", dependencies=READ)(gives_a_model)
    app.websocket("/parcel")(look_away)
    app.get("/parcel", dependencies=READ)(read_parcel)
    serve_directly(app, read_parcel)


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
