"""An answer on its way to a browser: cookies are added to its head, and a refused token is looked into first."""

import json
from collections.abc import Callable, Iterable

from starlette.types import Message, Send

_LONGEST_PROBLEM = 8 * 1024


def dress(message: Message, set_cookies: Iterable[str]) -> Message:
    """Return an answer's head with cookies added. No cache may keep it then: it has a login in it.

    Without any, a shared cache has to be told whose the answer is, unless its service says something of caching: what
    it knows to keep from others goes by `Authorization`, which this request did not have there. [RFC 9111 section 3.5]
    """
    added = [(b"set-cookie", each.encode()) for each in set_cookies]
    headers: list[tuple[bytes, bytes]] = message["headers"]
    if added:
        headers = [field for field in headers if field[0] != b"cache-control"]
        headers += [(b"cache-control", b"no-store"), *added]
    elif not any(name == b"cache-control" for name, _ in headers):
        headers = [*headers, (b"cache-control", b"private, no-cache")]
    return {**message, "headers": headers}


def dressed(send: Send, set_cookies: Iterable[str]) -> Send:
    """Return a `send` that adds cookies to the answer's head."""

    async def send_dressed(message: Message) -> None:
        await send(dress(message, set_cookies) if message["type"] == "http.response.start" else message)

    return send_dressed


class DressedAnswer:
    """One answer of a service. Everything but a refused token goes through as it comes.

    A 401 with a small problem document is held until `release`, so that there can be another answer in its place;
    `reason` is what that document says, None while nothing is held. `set_cookies` tells by status and reason which
    cookies are set with an answer.
    """

    def __init__(self, send: Send, set_cookies: Callable[[int, str | None], Iterable[str]]) -> None:
        self._send = send
        self._set_cookies = set_cookies
        self._held: list[Message] = []
        self._size = 0
        self.reason: str | None = None

    async def send(self, message: Message) -> None:
        """Take the next message of the answer."""
        if message["type"] == "http.response.start":
            if message["status"] == 401:
                self._held.append(message)
                return
            message = dress(message, self._set_cookies(message["status"], None))
        elif self._held:
            self._held.append(message)
            self._size += len(message["body"])
            if not message.get("more_body", False):
                self.reason = _reason(b"".join(each["body"] for each in self._held[1:]))
            elif self._size > _LONGEST_PROBLEM:
                await self.release()
            return
        await self._send(message)

    async def release(self) -> None:
        """Let go of what is held. An answer that has broken off is not ended: then neither is this one."""
        held, self._held = self._held, []
        if held:
            held[0] = dress(held[0], self._set_cookies(held[0]["status"], self.reason))
        for message in held:
            await self._send(message)


def _reason(body: bytes) -> str | None:
    try:
        document = json.loads(body)
    except ValueError:
        return None
    reason = document.get("reason") if isinstance(document, dict) else None
    return reason if isinstance(reason, str) else None
