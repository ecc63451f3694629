"""Walks every route of an application, for the test that proves that nothing was left open."""

import re
from collections.abc import Collection
from typing import Any, Final

import httpx
from fastapi import FastAPI
from fastapi.routing import iter_route_contexts
from starlette.routing import Mount

_PARAMETER = re.compile(r"\{[a-zA-Z_][a-zA-Z0-9_]*(?::([a-zA-Z_][a-zA-Z0-9_]*))?\}")
_SAMPLES: Final = {"uuid": "00000000-0000-4000-8000-000000000000", "int": "1", "float": "1.5", "path": "a/b"}
_SAMPLE = "1"


async def unprotected_routes(app: FastAPI, *, public: Collection[str] = ()) -> set[str]:
    """Drive every route of `app`, and return those, as "METHOD /path", that let a request without a token in.

    Those in `public` are left out and not driven. A route lets a request in unless it answers 401 with the bare
    challenge and `no_credentials`; a websocket ("WEBSOCKET /path") unless it is closed before it was accepted. Mounted
    applications are driven at their root and at their own routes. The best test names what it expects::

        assert await unprotected_routes(app) == {"GET /api/catalogue"}
    """
    found = set()
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://walk.test") as client:
        for method, path in _routes(app, ""):
            name = f"{method} {path}"
            if name in public:
                continue
            concrete = _PARAMETER.sub(lambda match: _SAMPLES.get(match[1] or "", _SAMPLE), path)
            refused = (
                await _refuses_socket(app, concrete)
                if method == "WEBSOCKET"
                else await _refuses(client, method, concrete)
            )
            if not refused:
                found.add(name)
    return found


def _routes(app: Any, prefix: str) -> list[tuple[str, str]]:  # noqa: ANN401 -- a mounted application may be anything
    found: list[tuple[str, str]] = []
    for context in iter_route_contexts(getattr(app, "routes", [])):
        path = prefix + (context.path or "")
        if isinstance(context.original_route, Mount):
            found += [("GET", f"{path}/"), *_routes(context.original_route.app, path)]
        elif context.methods is None:
            found.append(("WEBSOCKET", path))
        else:
            # A public GET is a public HEAD, and named once.
            found += [
                (method, path) for method in sorted(context.methods) if method != "HEAD" or "GET" not in context.methods
            ]
    return found


async def _refuses(client: httpx.AsyncClient, method: str, path: str) -> bool:
    answer = await client.request(method, path)
    return (
        answer.status_code == 401
        and answer.headers.get("www-authenticate") == "Bearer"
        and answer.headers.get("content-type") == "application/problem+json"
        and answer.json()["reason"] == "no_credentials"
    )


async def _refuses_socket(app: FastAPI, path: str) -> bool:
    sent: list[Any] = []

    async def receive() -> dict[str, Any]:
        return {"type": "websocket.connect"} if not sent else {"type": "websocket.disconnect", "code": 1006}

    async def send(message: Any) -> None:  # noqa: ANN401 -- an ASGI message
        sent.append(message)

    scope = {"type": "websocket", "path": path, "raw_path": path.encode(), "query_string": b"", "headers": [],
             "scheme": "ws", "subprotocols": []}  # fmt: skip
    await app(scope, receive, send)
    return [message["type"] for message in sent] == ["websocket.close"]
