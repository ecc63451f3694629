"""The gateway's own pages: the index, the playground, and the documentation of everything behind the door.

Swagger UI comes with the installation and is served from here (docs/decisions/0004): nothing on these pages is loaded
from elsewhere, neither script nor style stands in them, and their Content-Security-Policy says so to the browser.
"""

import json
from collections.abc import Mapping
from importlib.metadata import distribution
from pathlib import Path
from typing import Final

from starlette.types import Scope, Send

from gateway.merged_openapi import MergedOpenAPI
from gateway.pages import Page, page, refuse_writing, send_page, wants
from gateway.playground_pages import FOLDER, START, playground_pages
from service_chassis.problems import Problem

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
  persistAuthorization: false,
  requestInterceptor: (request) => {
    if (request.headers.Authorization) {
      request.credentials = "omit";
    }
    return request;
  }
});
"""
"""The browser adds its cookies by itself, and a login in them beside a token would be two credentials: 400."""

_INDEX = {
    "name": "Signet",
    "playground": START,
    "documentation": "/docs",
    "openapi": "/docs/openapi.json",
    "jwks_uri": "/.well-known/jwks.json",
    "catalogue": "/api/catalogue",
}

PATHS: Final = frozenset(
    {"/", "/docs", "/docs/openapi.json", "/docs/start.js", "/docs/swagger-ui-bundle.js", "/docs/swagger-ui.css"}
)
"""What the gateway answers by itself, besides the playground's files."""

_ROOT: Final = b"/"
_MERGED: Final = b"/docs/openapi.json"
_PLAYGROUND: Final = FOLDER.encode()


class OwnPages:
    """The pages, ready to be sent; the OpenAPI document is put together when it is asked for."""

    def __init__(self, openapi: MergedOpenAPI, *, laboratory: Mapping[str, str]) -> None:
        """`laboratory`: where the page finds what runs for comparison, by name."""
        self._openapi = openapi
        self._pages = {shown.path.encode(): shown for shown in (*_documentation(), *playground_pages())}
        self._index = page(
            "/", json.dumps(_INDEX | {"laboratory": dict(laboratory)}).encode(), suffix="json", more={"Vary": "Accept"}
        )
        self._front = page("/", self._pages[START.encode()].body, suffix="html", more={"Vary": "Accept"})

    def has(self, raw_path: bytes) -> bool:
        """Whether this path is one of the pages', be there a page at it or not."""
        return raw_path in self._pages or raw_path in {_ROOT, _MERGED} or raw_path.startswith(_PLAYGROUND)

    async def answer(self, raw_path: bytes, scope: Scope, send: Send) -> None:
        """Answer a request for one of the pages.

        Raises `Problem`: 405 method_not_allowed for any method but GET and HEAD, 404 not_found.
        """
        refuse_writing(scope["method"])
        if raw_path == _ROOT:
            shown = self._front if wants(scope, b"text/html") else self._index
        elif raw_path == _MERGED:
            shown = page("/docs/openapi.json", await self._openapi.document(), suffix="json")
        elif raw_path in self._pages:
            shown = self._pages[raw_path]
        else:
            raise Problem(404, "not_found", "The playground has no such file.")
        await send_page(shown, scope, send)


def _documentation() -> list[Page]:
    # Found through the installation's metadata: importing the package would bring all of its framework's pages along.
    static = Path(str(distribution("fastapi-offline").locate_file("fastapi_offline/static")))
    return [
        page("/docs", _PAGE, suffix="html"),
        page("/docs/start.js", _START, suffix="js"),
        page("/docs/swagger-ui.css", (static / "swagger-ui.css").read_bytes(), suffix="css"),
        page("/docs/swagger-ui-bundle.js", (static / "swagger-ui-bundle.js").read_bytes(), suffix="js"),
    ]
