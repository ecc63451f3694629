"""The FastAPI side: denied by default, whatever the path, the method or the kind of connection."""

import asyncio
import copy
from collections.abc import AsyncIterator, Iterator
from typing import Annotated, Any
from urllib.parse import unquote

import httpx
import pytest
from fastapi import APIRouter, Depends, FastAPI, Security, WebSocket

from token_verification import AccessTokenVerifier, KeysUnavailable, RemoteKeySet
from token_verification.fastapi import Caller, protect, required_scopes, requires_scope
from token_verification.testing import FakeIssuer

issuer = FakeIssuer()


@pytest.fixture
def verifier() -> AccessTokenVerifier:
    return AccessTokenVerifier(issuer=issuer.issuer, audience=issuer.audience, key_set=issuer.key_set)


def sample_app() -> FastAPI:
    app = FastAPI()

    @app.get("/who")
    async def who(caller: Caller) -> str:
        return caller.subject

    @app.post("/orders", dependencies=[requires_scope("orders:write", "orders:read")])
    async def place(caller: Caller) -> str:
        return caller.subject

    @app.get("/open")
    async def open_() -> str:
        return "open"

    @app.post("/open")
    async def not_open() -> str:
        return "not open"

    @app.get("/open/mistake")
    async def mistake(caller: Caller) -> str:
        return caller.subject

    @app.get("/late")
    async def late(caller: Caller) -> str:
        raise KeysUnavailable(f"No keys for {caller.subject}.", retry_after=7)

    router = APIRouter(prefix="/reports", dependencies=[requires_scope("reports:read")])

    @router.get("/daily")
    async def daily() -> str:
        return "daily"

    app.include_router(router)

    @app.websocket("/socket")
    async def socket(websocket: WebSocket) -> None:
        await websocket.accept()

    return app


PUBLIC = {"GET /open", "GET /open/mistake"}


@pytest.fixture
def app(verifier: AccessTokenVerifier) -> FastAPI:
    app = sample_app()
    protect(app, verifier, public=PUBLIC)
    return app


@pytest.fixture
async def client(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://api.test") as client:
        yield client


def bearing(**claims: Any) -> dict[str, str]:  # noqa: ANN401 -- any claim
    return {"authorization": f"Bearer {issuer.token(**claims)}"}


async def test_the_handler_gets_the_caller(client: httpx.AsyncClient) -> None:
    """A handler that asks for a Caller gets the verified token."""
    answer = await client.get("/who", headers=bearing(sub="alice"))
    assert (answer.status_code, answer.json()) == (200, "alice")


async def test_without_credentials(client: httpx.AsyncClient) -> None:
    """No token: 401, a bare challenge (RFC 6750, section 3.1), and a problem that says what to send."""
    answer = await client.get("/who")
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"] == "Bearer"
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["cache-control"] == "no-store"
    assert answer.json() == {
        "type": "about:blank",
        "title": "Unauthorized",
        "status": 401,
        "detail": "This needs an access token: Authorization: Bearer, a space, the token.",
        "reason": "no_credentials",
    }


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/open", 200),
        ("HEAD", "/open", 405),  # let through to the router, which knows no HEAD there
        ("GET", "/open?access_token=x", 200),
        ("POST", "/open", 401),
        ("OPTIONS", "/open", 401),
        ("get", "/open", 401),
        ("BREW", "/open", 401),
        ("GET", "/open/", 401),
        ("GET", "//open", 401),
        ("GET", "/./open", 401),
        ("GET", "/OPEN", 401),
        ("GET", "/open%20", 401),
        ("GET", "/open%00", 401),
        ("GET", "/open%0a", 401),
        ("GET", "/open;a=b", 401),
        ("GET", "/open%3Fa", 401),
        ("GET", "/open/../who", 401),
        ("GET", "/open%2F..%2Fwho", 401),
        ("GET", "/open/../open", 401),
        ("GET", "/%6Fpen", 200),  # another spelling of the same path, for us as for the router
        ("GET", "/nowhere", 401),
        ("GET", "/", 401),
        ("GET", "/docs", 401),
        ("GET", "/openapi.json", 401),
    ],
)
async def test_only_the_exact_public_routes_are_open(method: str, path: str, status: int, app: FastAPI) -> None:
    """A public route is one method and one exact path, as the router sees it; any other spelling is denied."""
    # As a server hands it over: clients would tidy the path up first.
    raw, _, query = path.partition("?")
    assert (
        await _status(app, method=method, path=unquote(raw), raw_path=raw.encode(), query_string=query.encode())
        == status
    )


async def test_a_public_route_looks_at_no_token(client: httpx.AsyncClient) -> None:
    """A bad token, or two of them, changes nothing where none is needed."""
    answer = await client.get("/open", headers=[("authorization", "Bearer x"), ("authorization", "Bearer y")])
    assert answer.json() == "open"


async def test_what_does_not_exist_is_told_only_to_callers(client: httpx.AsyncClient) -> None:
    """With a token the router's own answers come through: 404 and 405."""
    assert (await client.get("/nowhere", headers=bearing())).status_code == 404
    assert (await client.delete("/who", headers=bearing())).status_code == 405


@pytest.mark.parametrize("scope", ["orders:read", "orders:write", "orders", "orders:writeorders:read", "ORDERS:WRITE"])
async def test_a_missing_scope_is_named(scope: str, client: httpx.AsyncClient) -> None:
    """A good token without every scope: 403 insufficient_scope (RFC 6750, section 3.1), with what is needed."""
    answer = await client.post("/orders", headers=bearing(scope=scope))
    assert answer.status_code == 403
    assert answer.json()["reason"] == "insufficient_scope"
    assert answer.json()["scope"] == "orders:write orders:read"
    assert answer.headers["content-type"] == "application/problem+json"
    assert 'error="insufficient_scope"' in answer.headers["www-authenticate"]
    assert 'scope="orders:write orders:read"' in answer.headers["www-authenticate"]


async def test_with_every_scope_it_passes(client: httpx.AsyncClient) -> None:
    """The order of scopes, and more of them, do not matter; a router's demand holds for its routes."""
    answer = await client.post("/orders", headers=bearing(scope="a orders:read orders:write"))
    assert answer.status_code == 200
    assert (await client.get("/reports/daily", headers=bearing())).status_code == 403
    assert (await client.get("/reports/daily", headers=bearing(scope="reports:read"))).status_code == 200


def test_a_scope_requirement_names_something() -> None:
    """Requiring no scope at all is a mistake."""
    with pytest.raises(ValueError, match="at least one"):
        requires_scope()


def test_what_a_dependency_asks_for_is_told_of_those_that_ask_for_scopes() -> None:
    """Another one that merely documents scopes lets pass whom it likes, and is not taken for one of them."""
    assert required_scopes(requires_scope("orders:read", "orders:write")) == frozenset({"orders:read", "orders:write"})
    assert required_scopes(Security(lambda: None, scopes=["orders:read"])) is None


async def test_there_is_no_caller_on_a_public_route(client: httpx.AsyncClient) -> None:
    """A public route that asks for a Caller is a mistake of the program, told at its first request, token or not."""
    with pytest.raises(RuntimeError, match="public, or protect"):
        await client.get("/open/mistake", headers=bearing())


async def test_there_is_no_caller_without_protection() -> None:
    """Whoever forgets protect() gets no request through to a handler that wants a caller."""
    transport = httpx.ASGITransport(sample_app())
    async with httpx.AsyncClient(transport=transport, base_url="http://api.test") as client:
        with pytest.raises(RuntimeError, match="protect"):
            await client.get("/who", headers=bearing())


async def test_errors_of_handlers_are_answered_alike(client: httpx.AsyncClient) -> None:
    """A handler that raises a VerificationError later has it answered as the protection would."""
    answer = await client.get("/late", headers=bearing())
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "7")
    assert answer.json()["reason"] == "keys_unavailable"


async def test_unavailable_keys_are_503(verifier: AccessTokenVerifier) -> None:
    """Issuer gone and nothing stored: 503 with Retry-After and no challenge, and the public routes work."""
    gone = FakeIssuer("https://gone.test")
    gone.behaviour = "down"
    async with httpx.AsyncClient(transport=gone.transport) as http:
        key_set = RemoteKeySet(gone.jwks_uri, issuer=gone.issuer, http=http)
        app = sample_app()
        protect(
            app,
            AccessTokenVerifier(issuer=gone.issuer, audience=gone.audience, key_set=key_set),
            public=PUBLIC,
        )
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://api.test") as client:
            answer = await client.get("/who", headers={"authorization": f"Bearer {gone.token()}"})
            assert answer.status_code == 503
            assert answer.headers["retry-after"] == "10"
            assert "www-authenticate" not in answer.headers
            assert answer.json()["title"] == "Service Unavailable"
            assert (await client.get("/open")).status_code == 200


@pytest.mark.parametrize("headers", [[], [(b"authorization", b"Bearer x")]])
async def test_websockets_are_closed_unaccepted(headers: list[tuple[bytes, bytes]], app: FastAPI) -> None:
    """A socket would outlive its token: none is accepted."""
    assert await _events(app, {"type": "websocket", "path": "/socket", "headers": headers}) == ["websocket.close"]


async def test_unknown_kinds_of_connection_do_not_get_in(app: FastAPI) -> None:
    """What a future server may invent is not let in either."""
    assert await _events(app, {"type": "webtransport", "path": "/who", "headers": []}) == ["websocket.close"]


async def _events(app: FastAPI, scope: dict[str, Any]) -> list[str]:
    events: list[str] = []

    async def receive() -> dict[str, Any]:
        return {"type": "websocket.connect"}

    async def send(message: Any) -> None:  # noqa: ANN401 -- an ASGI message
        events.append(message["type"])

    await app(scope, receive, send)
    return events


async def test_the_lifespan_passes(verifier: AccessTokenVerifier) -> None:
    """Starting and stopping is not a request."""
    app = FastAPI()
    protect(app, verifier, public=())
    incoming: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
    incoming.put_nowait({"type": "lifespan.startup"})
    incoming.put_nowait({"type": "lifespan.shutdown"})
    sent = []

    async def send(message: Any) -> None:  # noqa: ANN401 -- an ASGI message
        sent.append(message["type"])

    await app({"type": "lifespan"}, incoming.get, send)
    assert sent == ["lifespan.startup.complete", "lifespan.shutdown.complete"]


async def test_headers_are_read_whatever_their_case(app: FastAPI) -> None:
    """A server that does not lower header names hides no second Authorization header."""
    good = b"Bearer " + issuer.token().encode()
    headers = [(b"authorization", good), (b"AUTHORIZATION", good)]
    assert await _status(app, method="GET", path="/who", query_string=b"", headers=headers) == 400
    assert await _status(app, method="GET", path="/who", query_string=b"", headers=headers[1:]) == 200


async def test_a_caller_in_the_scope_is_not_believed(app: FastAPI, verifier: AccessTokenVerifier) -> None:
    """What an outer application left in the scope is no verified token."""
    stranger = await verifier.verify(issuer.token())
    planted = {"token_verification.caller": stranger}
    assert await _status(app, method="GET", path="/who", query_string=b"", **planted) == 401
    with pytest.raises(RuntimeError, match="no caller"):
        await _status(app, method="GET", path="/open/mistake", query_string=b"", **planted)


async def _status(app: FastAPI, **scope: Any) -> int:  # noqa: ANN401 -- the members of an ASGI scope
    sent: list[Any] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request"}

    async def send(message: Any) -> None:  # noqa: ANN401 -- an ASGI message
        sent.append(message)

    await app({"type": "http", "headers": []} | scope, receive, send)
    status: int = sent[0]["status"]
    return status


@pytest.mark.parametrize(
    ("path", "status"), [("/open", 200), ("/v1/open", 200), ("/v1/v1/open", 401), ("/v1open", 401), ("/v1/who", 401)]
)
async def test_a_root_path_is_taken_off_once(path: str, status: int, app: FastAPI) -> None:
    """Behind a prefix the public path is the one the router sees."""
    transport = httpx.ASGITransport(app, root_path="/v1")
    async with httpx.AsyncClient(transport=transport, base_url="http://api.test") as client:
        assert (await client.get(path)).status_code == status


@pytest.mark.parametrize("root", ["", "/", "/v1", "/v1/", "/open", "/open/"])
@pytest.mark.parametrize(
    "path", ["/open", "/v1/open", "/v1//open", "/v1open", "/open/open", "/open//open", "//open", "/v1"]
)
async def test_public_is_what_the_router_takes_for_it(root: str, path: str, verifier: AccessTokenVerifier) -> None:
    """Whatever the root path ends in, who has no token reaches the public route wherever others do, and no other."""
    app = FastAPI()

    @app.get("/open")
    async def open_() -> str:
        return "open"

    @app.get("/{anything:path}")
    async def guarded(anything: str) -> str:
        return f"guarded {anything}"

    protect(app, verifier, public={"GET /open"})
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app, root_path=root), base_url="http://api.test"
    ) as client:
        reached = await client.get(path, headers={"authorization": f"Bearer {issuer.token()}"})
        anonymous = await client.get(path)
    assert anonymous.status_code == (200 if reached.text == '"open"' else 401)


@pytest.mark.parametrize(
    "entry",
    ["/open", "GET", "GET open", "get /open", "GET  /open", "* /open", "GET /open/{id}", "GET /open/*", "GET /open?a=b",
     "GET /open%20", "GET /open#a", "GET /a b", "GET /é", "", " "],
)  # fmt: skip
def test_public_entries_are_exact(entry: str, verifier: AccessTokenVerifier) -> None:
    """No pattern can be declared public, so no route becomes public because it resembles one."""
    with pytest.raises(ValueError, match="is not a"):
        protect(FastAPI(), verifier, public=[entry])


@pytest.fixture
def document(app: FastAPI) -> Iterator[dict[str, Any]]:
    document = app.openapi()
    before = copy.deepcopy(document)
    yield document
    assert app.openapi() == before


def test_openapi_says_what_is_protected(document: dict[str, Any]) -> None:
    """Every operation that is not public names the bearer scheme, the scopes and the refusals; no public one does."""
    assert document["components"]["securitySchemes"] == {
        "access_token": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}
    }
    place = document["paths"]["/orders"]["post"]
    assert place["security"] == [{"access_token": ["orders:write", "orders:read"]}]
    assert {"400", "401", "403", "503"} <= set(place["responses"])
    assert "WWW-Authenticate" in place["responses"]["401"]["headers"]
    assert "Retry-After" in place["responses"]["503"]["headers"]
    assert place["responses"]["401"]["content"] == {
        "application/problem+json": {"schema": {"$ref": "#/components/schemas/VerificationProblem"}}
    }
    assert document["paths"]["/reports/daily"]["get"]["security"] == [{"access_token": ["reports:read"]}]
    assert document["paths"]["/open"]["post"]["security"] == [{"access_token": []}]
    assert "403" not in document["paths"]["/who"]["get"]["responses"]
    public = document["paths"]["/open"]["get"]
    assert "security" not in public
    assert set(public["responses"]) == {"200"}


async def test_openapi_keeps_what_a_route_documents_itself(verifier: AccessTokenVerifier) -> None:
    """A response that the route describes is left as it is."""
    app = FastAPI()

    @app.get("/own", responses={401: {"description": "Mine."}})
    async def own() -> None: ...

    protect(app, verifier, public=())
    assert app.openapi()["paths"]["/own"]["get"]["responses"]["401"]["description"] == "Mine."


async def test_the_caller_works_inside_other_dependencies(verifier: AccessTokenVerifier) -> None:
    """A service's own dependency may build on Caller."""
    app = FastAPI()

    async def greeting(caller: Caller) -> str:
        return f"Hello {caller.name}"

    @app.get("/hello")
    async def hello(text: Annotated[str, Depends(greeting)]) -> str:
        return text

    protect(app, verifier, public=())
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://api.test") as client:
        assert (await client.get("/hello", headers=bearing(name="Alice"))).json() == "Hello Alice"
