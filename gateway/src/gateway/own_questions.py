"""What the gateway itself asks a service, on behalf of the client whose request it serves."""

import json
from collections.abc import Mapping
from dataclasses import dataclass

from starlette.types import Message, Receive, Scope, Send

from gateway.forwarding import Forwarder
from gateway.response_framing import BrokenAnswer
from gateway.upstreams import Upstream

_LONGEST_ANSWER = 64 * 1024
_KEPT = frozenset({b"host", b"user-agent"})

Headers = list[tuple[bytes, bytes]]


@dataclass(frozen=True, slots=True)
class WholeAnswer:
    """An answer of a service, as it would go to a client."""

    status: int
    headers: Headers
    body: bytes

    async def send(self, send: Send) -> None:
        """Give it to a client after all."""
        await send({"type": "http.response.start", "status": self.status, "headers": self.headers})
        await send({"type": "http.response.body", "body": self.body})


def own_request(scope: Scope, path: str, document: Mapping[str, object]) -> tuple[Scope, Receive]:
    """Return a POST of a JSON document. It says the client's address and User-Agent, no more of it.

    It goes on when that client leaves: others may wait for the answer, and a logout is not given up half-way.
    """
    body = json.dumps(document).encode()
    headers = [field for field in scope["headers"] if field[0] in _KEPT]
    headers += [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
    wanted = {"method": "POST", "raw_path": path.encode(), "query_string": b"", "headers": headers, "extensions": {}}

    async def receive() -> Message:
        return {"type": "http.request", "body": body, "more_body": False}

    return {**scope, **wanted}, receive


async def whole_answer(forwarder: Forwarder, upstream: Upstream, scope: Scope, receive: Receive) -> WholeAnswer:
    """Forward a request, and return the answer instead of sending it. Raises `Problem` as the forwarder does.

    An answer that breaks off, or of more than 64 KiB, is no answer either.
    """
    status, headers = 0, Headers()
    body, ended = bytearray(), False

    async def keep(message: Message) -> None:
        nonlocal status, headers, ended
        if message["type"] == "http.response.start":
            status, headers = message["status"], message["headers"]
            return
        body.extend(message["body"])
        ended = not message.get("more_body", False)
        if len(body) > _LONGEST_ANSWER:
            raise upstream.failed(BrokenAnswer("The answer is too long."))

    await forwarder.forward(upstream, scope, receive, keep)
    if not ended:
        raise upstream.failed(BrokenAnswer("The answer breaks off."))
    return WholeAnswer(status, headers, bytes(body))
