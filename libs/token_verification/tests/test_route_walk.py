"""The walk that proves that no route was left open."""

from uuid import UUID

import pytest
from fastapi import APIRouter, FastAPI, Request, WebSocket
from fastapi.responses import JSONResponse, PlainTextResponse
from starlette.routing import Mount, Route

from token_verification import AccessTokenVerifier
from token_verification.fastapi import protect
from token_verification.route_walk import unprotected_routes
from token_verification.testing import FakeIssuer

EVERY_ROUTE = {
    "GET /items/{item:int}",
    "POST /items/{item:int}",
    "GET /v1/nested/{key}",
    "DELETE /v1/nested/{key}",
    "GET /files/{path:path}",
    "GET /plain",
    "GET /mounted/",
    "GET /mounted/inside",
    "GET /raw/",
    "WEBSOCKET /socket",
    "GET /openapi.json",
    "GET /docs",
    "GET /docs/oauth2-redirect",
    "GET /redoc",
}


@pytest.fixture
def app() -> FastAPI:
    app = FastAPI()

    @app.api_route("/items/{item:int}", methods=["GET", "POST"])
    async def items(item: int) -> int:
        return item

    @app.get("/files/{path:path}")
    async def files(path: str) -> str:
        return path

    @app.websocket("/socket")
    async def socket(websocket: WebSocket) -> None:
        await websocket.accept()
        await websocket.close()

    nested = APIRouter(prefix="/nested")

    @nested.get("/{key}")
    async def read(key: UUID) -> UUID:
        return key

    @nested.delete("/{key}")
    async def delete(key: UUID) -> None:
        raise RuntimeError(key)

    versioned = APIRouter(prefix="/v1")
    versioned.include_router(nested)
    app.include_router(versioned)

    async def plain(_: Request) -> PlainTextResponse:
        return PlainTextResponse("plain")

    app.router.routes.append(Route("/plain", plain))
    app.router.routes.append(Mount("/mounted", routes=[Route("/inside", plain)]))
    app.mount("/raw", PlainTextResponse("any ASGI application"))
    return app


@pytest.fixture
def verifier() -> AccessTokenVerifier:
    issuer = FakeIssuer()
    return AccessTokenVerifier(issuer=issuer.issuer, audience=issuer.audience, key_set=issuer.key_set)


async def test_finds_every_route_of_an_open_application(app: FastAPI) -> None:
    """Without protection the walk finds them all: nested, mounted, with parameters, sockets, and FastAPI's own."""
    assert await unprotected_routes(app) == EVERY_ROUTE


async def test_finds_none_in_a_protected_application(app: FastAPI, verifier: AccessTokenVerifier) -> None:
    """With protection and nothing public there is none, also not among routes that were added afterwards."""
    protect(app, verifier, public=())

    @app.get("/late")
    async def late() -> str:
        return "late"

    assert await unprotected_routes(app) == set()


async def test_finds_what_is_public(app: FastAPI, verifier: AccessTokenVerifier) -> None:
    """What was declared public, and nothing but that, is found; what the caller knows of is left out."""
    protect(app, verifier, public={"GET /plain", "GET /mounted/inside"})
    assert await unprotected_routes(app) == {"GET /plain", "GET /mounted/inside"}
    assert await unprotected_routes(app, public={"GET /plain"}) == {"GET /mounted/inside"}


async def test_another_401_is_not_ours() -> None:
    """A handler that answers 401 by itself was reached: that is no protection."""
    app = FastAPI(openapi_url=None)

    @app.get("/login")
    async def login() -> JSONResponse:
        return JSONResponse({"reason": "wrong_credentials"}, 401, {"www-authenticate": "Bearer"})

    assert await unprotected_routes(app) == {"GET /login"}
