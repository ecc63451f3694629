"""The gateway's own pages: the index, and the documentation of everything behind the door.

Swagger UI comes with the installation and is served from here (docs/decisions/0004): nothing on these pages is loaded
from elsewhere, no script stands in them, and their Content-Security-Policy says so to the browser.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import distribution
from pathlib import Path
from typing import Final

from starlette.types import Scope, Send

from gateway.merged_openapi import MergedOpenAPI
from service_chassis.problems import Problem

_POLICY: Final = (
    "default-src 'none'; script-src 'self'; connect-src 'self'; img-src 'self' data:; "
    "style-src 'self' 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
"""Styles may stand inline because Swagger UI writes style attributes, and its images are data URLs in its style
sheet."""

_PAGE = b"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Signet: the interfaces of all services</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="/docs/swagger-ui.css">
</head>
<body>
<div id="swagger-ui"></div>
<script src="/docs/swagger-ui-bundle.js"></script>
<script src="/docs/start.js"></script>
</body>
</html>
"""

_START = b"""SwaggerUIBundle({
  url: "/docs/openapi.json",
  dom_id: "#swagger-ui",
  deepLinking: true,
  validatorUrl: null,
  persistAuthorization: false
});
"""

_INDEX = {
    "name": "Signet",
    "documentation": "/docs",
    "openapi": "/docs/openapi.json",
    "jwks_uri": "/.well-known/jwks.json",
    "catalogue": "/api/catalogue",
}

PATHS: Final = frozenset(
    {"/", "/docs", "/docs/openapi.json", "/docs/start.js", "/docs/swagger-ui-bundle.js", "/docs/swagger-ui.css"}
)
"""What the gateway answers by itself."""


_MERGED: Final = b"/docs/openapi.json"


@dataclass(frozen=True, slots=True)
class _Page:
    path: str
    media_type: str
    body: bytes
    etag: bytes


class Documentation:
    """The pages, ready to be sent; the OpenAPI document is put together when it is asked for."""

    def __init__(self, openapi: MergedOpenAPI) -> None:
        self._openapi = openapi
        self._pages = {page.path.encode(): page for page in _pages()}

    def has(self, raw_path: bytes) -> bool:
        """Whether one of the pages is at this path."""
        return raw_path in self._pages or raw_path == _MERGED

    async def answer(self, raw_path: bytes, scope: Scope, send: Send) -> None:
        """Answer a request for one of the pages.

        Raises `Problem` (405 method_not_allowed) for any method but GET and HEAD.
        """
        page = self._pages.get(raw_path)
        if scope["method"] not in {"GET", "HEAD"}:
            raise Problem(405, "method_not_allowed", "This page can only be read.", headers={"Allow": "GET, HEAD"})
        if page is None:
            page = _page("/docs/openapi.json", "application/json", await self._openapi.document())
        scope["route"] = page
        await _send_page(page, scope, send)


async def _send_page(page: _Page, scope: Scope, send: Send) -> None:
    known = any(name == b"if-none-match" and page.etag in value for name, value in scope["headers"])
    headers = [
        (b"etag", page.etag),
        (b"cache-control", b"no-cache"),
        (b"content-security-policy", _POLICY.encode()),
        (b"x-content-type-options", b"nosniff"),
        (b"referrer-policy", b"no-referrer"),
    ]
    if not known:
        headers += [(b"content-type", page.media_type.encode()), (b"content-length", b"%d" % len(page.body))]
    await send({"type": "http.response.start", "status": 304 if known else 200, "headers": headers})
    await send({"type": "http.response.body", "body": b"" if known or scope["method"] == "HEAD" else page.body})


def _pages() -> list[_Page]:
    return [
        _page("/", "application/json", json.dumps(_INDEX).encode()),
        _page("/docs", "text/html; charset=utf-8", _PAGE),
        _page("/docs/start.js", "text/javascript; charset=utf-8", _START),
        *(_page(f"/docs/{name}", media_type, body) for name, (media_type, body) in _swagger_ui().items()),
    ]


def _page(path: str, media_type: str, body: bytes) -> _Page:
    return _Page(path, media_type, body, b'"' + hashlib.sha256(body).hexdigest()[:32].encode() + b'"')


def _swagger_ui() -> Mapping[str, tuple[str, bytes]]:
    # Found through the installation's metadata: importing the package would bring all of its framework's pages along.
    static = Path(str(distribution("fastapi-offline").locate_file("fastapi_offline/static")))
    return {
        "swagger-ui.css": ("text/css; charset=utf-8", (static / "swagger-ui.css").read_bytes()),
        "swagger-ui-bundle.js": ("text/javascript; charset=utf-8", (static / "swagger-ui-bundle.js").read_bytes()),
    }
