"""The browser's way in: a login in two cookies on the outside, a bearer token towards the services.

What it does to a request, in this order:

1. Our cookie twice, or beside an `Authorization` header: 400. Nobody has to guess which of them counts.
2. A method that may change something needs to come from a page of ours: 403. (`csrf`)
3. `POST /login` may ask for cookies (`cookie_login`); `POST /refresh` and `POST /logout` work on them.
4. Everything else goes to its service with the access token as its `Authorization`. (`cookie_passage`)
5. The answer sets the cookies that came of it, or clears them when the login is over. (`cookies`, `dressed_answer`)

Whatever has no cookie of ours, and wants none, never gets here.
"""

from starlette.types import Receive, Scope, Send

from gateway.cookie_login import CookieLogin, tokens_in_cookies
from gateway.cookie_passage import CookiePassage
from gateway.cookies import Carried, Cookies
from gateway.csrf import refuse_other_origins
from gateway.dressed_answer import DressedAnswer, dressed
from gateway.forwarding import Forwarder
from gateway.methods import READING
from gateway.own_questions import own_request
from gateway.problem_answer import send_problem
from gateway.refreshing import LoginOver, Refresher
from gateway.routes import Route
from gateway.upstreams import Upstream
from service_chassis.problems import Problem


class BrowserEdge:
    """Serves browsers that hold a login in cookies.

    `public_url`: where they find the door, an origin. `passage`: the way of all requests that are about neither
    beginning a login, nor going on with it, nor ending it.
    """

    def __init__(
        self,
        public_url: str,
        *,
        cookies: Cookies,
        refresher: Refresher,
        passage: CookiePassage,
        forwarder: Forwarder,
        auth: Upstream,
    ) -> None:
        self._own_origin = public_url.encode()
        self._cookies = cookies
        self._refresher = refresher
        self._passage = passage
        self._forwarder = forwarder
        self._auth = auth
        self._login = CookieLogin(cookies, self._own_origin, forwarder, auth)

    def concerns(self, scope: Scope) -> bool:
        """Whether a request may have a cookie of ours, or may ask for one. Every request pays for this question."""
        mark = self._cookies.mark
        for name, value in scope["headers"]:
            if name == b"cookie" and mark in value:
                return True
        return scope["raw_path"] == b"/login" and scope["method"] == "POST"  # type: ignore[no-any-return]

    async def serve(self, route: Route, upstream: Upstream, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request that `concerns` this, from the upstream of its route.

        Raises `Problem` where no cookie has to be set or cleared with it.
        """
        carried = self._cookies.carried(scope["headers"])
        if carried is not None:
            self._refuse_doubtful(scope)
        match scope["method"], scope["raw_path"], carried:
            case "POST", b"/login", _:
                await self._login.serve(scope, receive, send)
            case "POST", b"/refresh", Carried():
                await self._refresh(carried, scope, send)
            case "POST", b"/logout", Carried(refresh=token) if token:
                await self._log_out(token, scope, send)
            case _, _, Carried() if not route.anonymous:
                await self._passage.serve(carried, upstream, scope, receive, send)
            case _:
                await self._forwarder.forward(upstream, scope, receive, send)

    def _refuse_doubtful(self, scope: Scope) -> None:
        headers = scope["headers"]
        if any(name == b"authorization" for name, _ in headers):
            raise Problem(400, "invalid_request", "The request has a login in a cookie and a token in Authorization.")
        if scope["method"] not in READING:
            refuse_other_origins(headers, self._own_origin)

    async def _refresh(self, carried: Carried, scope: Scope, send: Send) -> None:
        """Give a login its next tokens, whether it needs them or not."""
        _refuse_body(scope)
        if not carried.refresh:
            raise Problem(
                401, "no_credentials", "There is no cookie to refresh by.", headers={"WWW-Authenticate": "Bearer"}
            )
        try:
            tokens = await self._refresher.refreshed(carried.refresh, scope, anew=True)
        except LoginOver as over:
            await send_problem(over, dressed(send, self._cookies.clearing()))
            return
        await tokens_in_cookies(tokens, self._cookies).send(dressed(send, self._cookies.setting(tokens)))

    async def _log_out(self, refresh_token: str, scope: Scope, send: Send) -> None:
        """End a login by its refresh token, which is good for that whatever has become of the access token.

        The cookies stay when auth does not say so: the login has not ended, and they can still end it. With what can be
        no refresh token they never could, and go.
        """
        _refuse_body(scope)
        request, receive = own_request(scope, "/logout", {"refresh_token": refresh_token})
        answer = DressedAnswer(send, lambda status, _: self._cookies.clearing() if status in {200, 422} else ())
        await self._forwarder.forward(self._auth, request, receive, answer.send)
        await answer.release()


def _refuse_body(scope: Scope) -> None:
    for name, value in scope["headers"]:
        if (name == b"content-length" and value.strip(b"0")) or name == b"transfer-encoding":
            raise Problem(400, "invalid_request", "The request has a login in a cookie and a body besides.")
