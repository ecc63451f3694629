"""Logging in for cookies: the wish is taken out of the body, and the tokens out of the answer."""

import asyncio
import json

import structlog
from starlette.types import Receive, Scope, Send

from gateway.cookies import Cookies, CookieTooLarge
from gateway.csrf import refuse_other_origins
from gateway.dressed_answer import dressed
from gateway.forwarding import Forwarder
from gateway.login_tokens import LoginTokens
from gateway.own_questions import WholeAnswer, own_request, whole_answer
from gateway.response_framing import BrokenAnswer
from gateway.security_headers import POLICY
from gateway.upstreams import Upstream
from service_chassis.problems import Problem
from service_chassis.request_bodies import replayed

_log = structlog.get_logger()

_LONGEST_WISH = 16 * 1024
"""Bytes of a body that is looked into; a longer one goes to auth as it is, which knows no `transport`."""


class CookieLogin:
    """`POST /login`: served as everything else unless its body says `"transport": "cookie"`."""

    def __init__(self, cookies: Cookies, own_origin: bytes, forwarder: Forwarder, auth: Upstream) -> None:
        self._cookies = cookies
        self._own_origin = own_origin
        self._forwarder = forwarder
        self._auth = auth

    async def serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve the log-in.

        With cookies the answer's body has no token in it. Raises `Problem`, among others 403 cross_site: who makes a
        browser log in as somebody else reads what its user then writes.
        """
        beginning = await self._beginning(receive)
        if beginning is None:
            return
        body, more = beginning
        wish = None if more or len(body) > _LONGEST_WISH else _without_transport(body)
        if wish is None:
            await self._forwarder.forward(self._auth, scope, replayed(body, receive, more=more), send)
            return
        refuse_other_origins(scope["headers"], self._own_origin)
        # What is compressed could not be read here.
        headers = [field for field in scope["headers"] if field[0] != b"accept-encoding"]
        answer = await whole_answer(self._forwarder, self._auth, {**scope, "headers": headers}, replayed(wish, receive))
        if answer.status == 200:
            await self._begin(answer, scope, send)
        else:
            await answer.send(send)

    async def _begin(self, answer: WholeAnswer, scope: Scope, send: Send) -> None:
        try:
            tokens = LoginTokens.of(answer.body)
        except ValueError:  # says what it has read, which may be a token
            raise self._auth.failed(BrokenAnswer("It let somebody in without the tokens for it.")) from None
        try:
            set_cookies = self._cookies.setting(tokens)
        except CookieTooLarge:
            await self._end(tokens, scope)
            raise
        await tokens_in_cookies(tokens, self._cookies).send(dressed(send, set_cookies))

    async def _end(self, tokens: LoginTokens, scope: Scope) -> None:
        """End a login that nobody will hear of."""
        request, receive = own_request(scope, "/logout", {"refresh_token": tokens.refresh})
        try:
            ended = (await whole_answer(self._forwarder, self._auth, request, receive)).status == 200
        except Problem:
            ended = False
        if not ended:
            _log.warning("login_not_ended", reason="its token does not fit into a cookie, and auth cannot be asked")

    async def _beginning(self, receive: Receive) -> tuple[bytes, bool] | None:
        """Return the body and False, or its first 16 KiB and True; None if the client has left."""
        body, more = bytearray(), True
        try:
            async with asyncio.timeout(self._forwarder.limits.upload_pause_seconds):
                while more and len(body) <= _LONGEST_WISH:
                    message = await receive()
                    if message["type"] == "http.disconnect":
                        return None
                    body += message.get("body", b"")
                    more = message.get("more_body", False)
        except TimeoutError:
            raise Problem(
                408, "body_timeout", "The body took too long to arrive.", headers={"Connection": "close"}
            ) from None
        return bytes(body), more


def tokens_in_cookies(tokens: LoginTokens, cookies: Cookies) -> WholeAnswer:
    """Return the answer to who has got a login's tokens in cookies: it says all about them but what they are."""
    document = {
        "transport": "cookie",
        "expires_in": tokens.expires_in,
        "scope": tokens.scope,
        "set_cookie": cookies.described(tokens),
    }
    body = json.dumps(document, ensure_ascii=False).encode()
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", b"%d" % len(body)),
        POLICY,
    ]
    return WholeAnswer(200, headers, body)


def _without_transport(body: bytes) -> bytes | None:
    """Return a log-in's body as auth takes it; None if it does not ask for cookies, or is none: then auth says so."""
    if b'"transport"' not in body:
        return None
    try:
        members = json.loads(body, object_pairs_hook=_unique_members)
    except (ValueError, RecursionError):
        return None
    if not isinstance(members, dict) or members.get("transport") != "cookie":
        return None
    del members["transport"]
    return json.dumps(members).encode()


def _unique_members(pairs: list[tuple[str, object]]) -> dict[str, object]:
    # Auth refuses a member that stands twice, and could not see it any more.
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("a member stands twice")
    return members
