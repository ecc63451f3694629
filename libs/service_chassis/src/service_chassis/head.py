"""HEAD, for every route that knows GET: the same answer without its body."""

from starlette.types import ASGIApp, Message, Receive, Scope, Send


class AnswerHead:
    """ASGI middleware: a HEAD request is served as the GET it stands for, and only its headers are sent.

    FastAPI gives a GET route no HEAD, which a general-purpose server has to know. [RFC 9110 sections 9.1 and 9.3.2]
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http" or scope["method"] != "HEAD":
            await self._app(scope, receive, send)
            return

        async def send_headers(message: Message) -> None:
            await send({**message, "body": b""} if message["type"] == "http.response.body" else message)

        # A copy: the server itself has to go on seeing a HEAD request, and frames its answer accordingly.
        served = {**scope, "method": "GET"}
        await self._app(served, receive, send_headers)
        scope["route"] = served.get("route")
