"""A browser with a login in cookies, at the door: what it sends, what services and auth get, and what it gets back."""

import asyncio
import base64
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest
from starlette.types import Receive, Scope, Send

from gateway.app import Clocks
from gateway.testing import Door, Response, Street

NOW = 1_700_000_000.0
ACCESS, REFRESH = "__Host-signet-access", "__Host-signet-refresh"
CLEARED = [f"{name}=; Max-Age=0; Path=/; Secure; HttpOnly; SameSite=Strict" for name in (ACCESS, REFRESH)]
OURS = "Sec-Fetch-Site: same-origin\r\n"


def access_token(*, left: float = 300.0, life: float = 300.0, mark: str = "", key: str = "old") -> str:
    """Return what looks like an access token of the login `s1`; `mark` tells it from others."""
    claims = {"sid": "s1", "iat": NOW + left - life, "exp": NOW + left, "mark": mark}
    parts = (
        base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=") for part in ({"kid": key}, claims)
    )
    return f"{'.'.join(parts)}.c2ln"


@dataclass
class Asked:
    method: str
    path: str
    headers: dict[str, str]
    body: bytes


Reply = tuple[int, Mapping[str, object]] | tuple[int, Mapping[str, object], dict[str, str]]


@dataclass
class Service:
    """A service that records what it is asked, and answers `reply`, or what `replies` says for a method and path."""

    reply: Reply = (200, {"ok": True})
    replies: dict[str, Callable[[Asked], Reply]] = field(default_factory=dict)
    asked: list[Asked] = field(default_factory=list)
    was_asked: asyncio.Event = field(default_factory=asyncio.Event)
    may_answer: asyncio.Event | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        body, more = b"", True
        while more:
            message = await receive()
            body += message.get("body", b"")
            more = message.get("more_body", False)
        headers = {name.decode(): value.decode() for name, value in scope["headers"]}
        asked = Asked(scope["method"], scope["path"], headers, body)
        self.asked.append(asked)
        self.was_asked.set()
        if self.may_answer is not None:
            await self.may_answer.wait()
        reply = self.replies.get(f"{asked.method} {asked.path}")
        status, document, *more_headers = self.reply if reply is None else reply(asked)
        content = json.dumps(document).encode()
        fields = {"content-type": "application/json", **(more_headers[0] if more_headers else {})}
        await send(
            {
                "type": "http.response.start",
                "status": status,
                "headers": [(b"content-length", b"%d" % len(content))]
                + [(name.encode(), value.encode()) for name, value in fields.items()],
            }
        )
        await send({"type": "http.response.body", "body": content})

    def paths(self) -> list[str]:
        return [asked.path for asked in self.asked]


class Auth(Service):
    """Auth as far as the door knows it: its refresh tokens are r0, r1, r2 and so on."""

    def __init__(self) -> None:
        super().__init__()
        self.replies = {"POST /login": self.log_in, "POST /refresh": self.refresh}
        self.access = access_token(mark="login")
        self.key = "new"

    def log_in(self, _: Asked) -> Reply:
        return 200, tokens("r0", self.access), {"cache-control": "no-store"}

    def refresh(self, asked: Asked) -> Reply:
        used = int(json.loads(asked.body)["refresh_token"].removeprefix("r"))
        return 200, tokens(f"r{used + 1}", access_token(mark=f"renewed {used + 1}", key=self.key))

    def refuse_refreshes(self) -> None:
        self.replies["POST /refresh"] = lambda _: (400, {"reason": "invalid_grant"})


def tokens(refresh: str, access: str) -> dict[str, object]:
    return {
        "access_token": access,
        "token_type": "Bearer",
        "expires_in": 300,
        "scope": "a b",
        "refresh_token": refresh,
        "refresh_expires_in": 1800,
    }


@dataclass
class Browser:
    """Sends requests as a page of ours would: with the cookies it has, unless they are said."""

    door: Door
    jar: dict[str, str] = field(default_factory=dict)

    async def ask(
        self,
        method: str,
        path: str,
        *,
        body: bytes | None = None,
        said: str = OURS,
        cookies: str | None = None,
    ) -> Response:
        carried = cookies if cookies is not None else "; ".join(f"{name}={value}" for name, value in self.jar.items())
        fields = said + (f"Cookie: {carried}\r\n" if carried else "")
        if body is not None:
            fields += f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n"
        head = f"{method} {path} HTTP/1.1\r\nHost: door.test\r\n{fields}\r\n"
        answer = await self.door.ask(head.encode() + (body or b""))
        for set_cookie in answer.values("set-cookie"):
            (name, _, value), *rest = set_cookie.partition("; ")[0].partition("="), set_cookie
            if "Max-Age=0;" in rest[0]:
                self.jar.pop(name, None)
            else:
                self.jar[name] = value
        return answer

    async def log_in(self, **members: object) -> Response:
        wish = {"email": "ada@example.com", "password": "correct", "transport": "cookie"} | members
        return await self.ask("POST", "/login", body=json.dumps(wish).encode())

    def hold(self, access: str = "", refresh: str = "") -> None:
        self.jar = {name: value for name, value in ((ACCESS, access), (REFRESH, refresh)) if value}


@dataclass
class Scene:
    auth: Auth
    orders: Service
    door: Door
    browser: Browser
    clocks: dict[str, float]

    def refreshes(self) -> list[str]:
        return [json.loads(asked.body)["refresh_token"] for asked in self.auth.asked if asked.path == "/refresh"]


@pytest.fixture
async def scene(street: Street) -> Scene:
    auth, orders = Auth(), Service()
    now = {"monotonic": 0.0, "wall": NOW}
    clocks = Clocks(monotonic=lambda: now["monotonic"], wall=lambda: now["wall"])
    door = await street.door(auth=await street.app(auth), orders=await street.app(orders), clocks=clocks)
    return Scene(auth, orders, door, Browser(door), now)


def reason(answer: Response) -> tuple[int, str]:
    return answer.status, json.loads(answer.body)["reason"]


def mark(asked: Asked) -> str:
    """Return which access token a service was shown."""
    return str(shown(asked, 1)["mark"])


def shown(asked: Asked, number: int) -> dict[str, Any]:
    part = asked.headers["authorization"].removeprefix("Bearer ").split(".")[number]
    document: dict[str, Any] = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    return document


async def test_a_login_for_cookies_has_no_token_in_its_body(scene: Scene) -> None:
    """The tokens are in `Set-Cookie` alone; the body says all about the cookies but their values."""
    answer = await scene.browser.log_in(scope="a b")
    assert answer.status == 200
    assert scene.browser.jar == {ACCESS: scene.auth.access, REFRESH: "r0"}
    attributes = "Path=/; Secure; HttpOnly; SameSite=Strict"
    described = [f"{ACCESS}=…; Max-Age=300; {attributes}", f"{REFRESH}=…; Max-Age=1800; {attributes}"]
    said = json.loads(answer.body)
    assert said == {"transport": "cookie", "expires_in": 300, "scope": "a b", "set_cookie": described}
    assert [
        each.replace(scene.auth.access, "…").replace("r0", "…") for each in answer.values("set-cookie")
    ] == described
    assert answer.values("cache-control") == ["no-store"]
    (asked,) = scene.auth.asked
    assert json.loads(asked.body) == {"email": "ada@example.com", "password": "correct", "scope": "a b"}


@pytest.mark.parametrize(
    "body",
    [
        b'{"email": "a", "password": "b"}',
        b'{"email": "a", "password": "b", "transport": "body"}',
        b'{"email": "a", "email": "b", "transport": "cookie"}',
        b'{"transport": "cookie", "transport": "cookie"}',
        b'["transport", "cookie"]',
        b'{"transport": "cookie"',
        b'{"transport": "cookie", "password": "' + b"x" * 20_000 + b'"}',
        b"[" * 15_000 + b'"transport"',
        b"",
    ],
)
async def test_any_other_login_goes_to_auth_as_it_is(scene: Scene, body: bytes) -> None:
    """Auth answers it, and refuses what it does not know; no cookie is set, and nobody asks where it comes from."""
    answer = await scene.browser.ask("POST", "/login", body=body, said="")
    assert [asked.body for asked in scene.auth.asked] == [body]
    assert json.loads(answer.body)["refresh_token"] == "r0"
    assert answer.values("set-cookie") == []


async def test_a_login_that_comes_in_pieces_is_one(scene: Scene) -> None:
    """Chunked, and over several packets: auth gets it whole, with its length."""
    parts = (b'{"email": "a", "trans', b'port": "cook', b'ie", "password": "b"}')
    async with scene.door.client() as client:
        await client.send(
            f"POST /login HTTP/1.1\r\nHost: door.test\r\n{OURS}Transfer-Encoding: chunked\r\n\r\n".encode()
        )
        for part in parts:
            await client.send(b"%x\r\n%b\r\n" % (len(part), part))
            await asyncio.sleep(0.01)
        answer = await client.ask(b"0\r\n\r\n")
    assert answer.status == 200
    assert len(answer.values("set-cookie")) == 2
    assert scene.auth.asked[0].body == b'{"email": "a", "password": "b"}'
    assert scene.auth.asked[0].headers["content-length"] == "31"


async def test_a_refused_login_sets_nothing(scene: Scene) -> None:
    """Auth's refusal goes through."""
    scene.auth.replies["POST /login"] = lambda _: (401, {"reason": "wrong_credentials"})
    answer = await scene.browser.log_in()
    assert reason(answer) == (401, "wrong_credentials")
    assert answer.values("set-cookie") == []


@pytest.mark.parametrize("said", ["", "Sec-Fetch-Site: cross-site\r\n", "Origin: http://evil.test\r\n"])
async def test_another_sites_page_logs_nobody_in(scene: Scene, said: str) -> None:
    """Login CSRF: whoever makes a browser log in as somebody else reads what its user then writes."""
    body = json.dumps({"email": "a", "password": "b", "transport": "cookie"}).encode()
    answer = await scene.browser.ask("POST", "/login", body=body, said=said)
    assert reason(answer) == (403, "cross_site")
    assert scene.auth.asked == []


async def test_a_login_whose_token_fits_no_cookie_is_refused_and_ended(scene: Scene) -> None:
    """A browser would drop the cookie without a word, and the login would stay open with nobody to end it."""
    scene.auth.access = "e30." + "x" * 4096 + ".c2ln"
    answer = await scene.browser.log_in()
    assert reason(answer) == (422, "cookie_too_large")
    assert answer.values("set-cookie") == []
    assert scene.auth.paths() == ["/login", "/logout"]
    assert json.loads(scene.auth.asked[1].body) == {"refresh_token": "r0"}


async def test_a_login_that_sends_its_body_slowly_is_let_go(street: Street) -> None:
    """What is looked into at the door has the deadline of everything else there."""
    auth = Auth()
    door = await street.door(auth=await street.app(auth), upload_pause_seconds=0.2)
    async with door.client() as client:
        await client.send(b"POST /login HTTP/1.1\r\nHost: door.test\r\nContent-Length: 50\r\n\r\n{")
        answer = await asyncio.wait_for(client.response(), 10)
    assert reason(answer) == (408, "body_timeout")
    assert auth.asked == []


async def test_a_service_sees_a_bearer_token_and_no_cookie(scene: Scene) -> None:
    """It need not know that there are browsers; nothing else of the request is changed, and no cookie is set anew."""
    scene.browser.hold(access_token(mark="held"), "r0")
    scene.browser.jar |= {"other": "1"}
    answer = await scene.browser.ask("POST", "/api/orders?a=b", body=b'{"a": 1}')
    assert answer.status == 200
    (asked,) = scene.orders.asked
    assert mark(asked) == "held"
    assert "cookie" not in asked.headers
    assert asked.body == b'{"a": 1}'
    assert answer.values("set-cookie") == []
    assert scene.refreshes() == []
    assert answer.values("cache-control") == ["private, no-cache"], "a shared cache minds Authorization, not cookies"


async def test_two_credentials_are_refused(scene: Scene) -> None:
    """Our cookie beside `Authorization`, and our cookie twice; another cookie beside `Authorization` is fine."""
    one = f"{ACCESS}={access_token()}"
    bearer = f"{OURS}Authorization: Bearer x\r\n"
    for path in ("/api/orders", "/api/catalogue", "/logins"):
        for said, cookies in ((bearer, one), (bearer, f"{REFRESH}=r0"), (OURS, f"{one}; {one}")):
            assert reason(await scene.browser.ask("GET", path, said=said, cookies=cookies)) == (400, "invalid_request")
    assert scene.orders.asked == []
    assert (await scene.browser.ask("GET", "/api/orders", said=bearer, cookies="a=b")).status == 200


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
async def test_only_our_pages_change_anything(scene: Scene, method: str) -> None:
    """By any method that is not known to be safe, with either cookie, on every path."""
    for held in ((access_token(), ""), ("", "r0")):
        scene.browser.hold(*held)
        for path in ("/api/orders", "/logout", "/refresh", "/register", "/logins/s1"):
            for said in ("", "Sec-Fetch-Site: same-site\r\n", "Origin: http://door.test:81\r\n"):
                assert reason(await scene.browser.ask(method, path, said=said)) == (403, "cross_site")
    assert scene.orders.asked == scene.auth.asked == []


async def test_anybody_may_make_a_browser_read(scene: Scene) -> None:
    """Reading changes nothing: not even a login is ended, or refreshed, by GET."""
    scene.browser.hold(access_token(), "r0")
    for path in ("/api/orders", "/logout", "/refresh", "/logins/s1", "/logout/everywhere"):
        answer = await scene.browser.ask("GET", path, said="Sec-Fetch-Site: cross-site\r\n")
        assert answer.status == 200
        assert answer.values("set-cookie") == []
    assert [asked.method for asked in scene.auth.asked] == ["GET"] * 4


@pytest.mark.parametrize("left", [None, -1.0, 0.0, 30.0])
async def test_a_token_that_is_gone_expired_or_about_to_is_renewed_on_the_way(scene: Scene, left: float | None) -> None:
    """The service sees the new one, the browser gets both, and no cache keeps the answer."""
    scene.orders.reply = (200, {}, {"cache-control": "public, max-age=60"})
    scene.browser.hold("" if left is None else access_token(left=left), "r0")
    answer = await scene.browser.ask("POST", "/api/orders", body=b"{}")
    assert answer.status == 200
    assert [mark(asked) for asked in scene.orders.asked] == ["renewed 1"]
    assert scene.browser.jar == {ACCESS: access_token(mark="renewed 1", key="new"), REFRESH: "r1"}
    assert answer.values("cache-control") == ["no-store"]
    assert scene.refreshes() == ["r0"]
    assert "cookie" not in scene.auth.asked[0].headers
    assert scene.auth.asked[0].headers["forwarded"] == 'for=127.0.0.1;host="door.test";proto=http'


async def test_a_token_with_a_tenth_of_its_life_left_is_not_renewed(scene: Scene) -> None:
    """Nor is anything else than needs it."""
    scene.browser.hold(access_token(left=31), "r0")
    await scene.browser.ask("GET", "/api/orders")
    scene.browser.hold(access_token(left=-1))  # no refresh cookie: the service says what it has to say
    await scene.browser.ask("GET", "/api/orders")
    assert [mark(asked) for asked in scene.orders.asked] == ["", ""]
    scene.browser.hold("", "r0")
    await scene.browser.ask("GET", "/api/catalogue")  # asks nobody who they are
    assert "authorization" not in scene.orders.asked[-1].headers
    assert scene.refreshes() == []


async def test_one_refresh_for_all_requests_of_a_login(scene: Scene) -> None:
    """Twenty at once wait for one question to auth, and each answer brings the same cookies."""
    scene.auth.may_answer = asyncio.Event()
    browsers = [Browser(scene.door, {REFRESH: "r0"}) for _ in range(20)]
    asking = [asyncio.create_task(browser.ask("GET", "/api/orders")) for browser in browsers]
    async with asyncio.timeout(10):
        await scene.auth.was_asked.wait()
    await asyncio.sleep(0.1)  # a second question would come now
    scene.auth.may_answer.set()
    assert [answer.status for answer in await asyncio.gather(*asking)] == [200] * 20
    assert scene.refreshes() == ["r0"]
    assert {mark(asked) for asked in scene.orders.asked} == {"renewed 1"}
    assert all(browser.jar[REFRESH] == "r1" for browser in browsers)


async def test_whoever_sends_the_old_cookie_a_moment_later_gets_the_new_ones(scene: Scene) -> None:
    """The answer may have been lost, or the request was under way before it came. After a while auth decides."""
    for seconds, refreshes in ((0, 1), (9, 1), (2, 2)):
        scene.clocks["monotonic"] += seconds
        scene.browser.hold("", "r0")
        answer = await scene.browser.ask("GET", "/api/orders")
        assert answer.status == 200
        assert scene.browser.jar[REFRESH] == "r1"
        assert len(scene.refreshes()) == refreshes


async def test_a_login_that_is_over_takes_its_cookies_along(scene: Scene) -> None:
    """Auth refuses the refresh: 401 with its reason, no service is asked, and the browser holds nothing dead."""
    scene.auth.refuse_refreshes()
    for path, held in (
        ("/api/orders", ("", "r0")),
        ("/api/orders", (access_token(left=10), "r1")),
        ("/api/orders", ("", "no token")),
    ):
        scene.browser.hold(*held)
        answer = await scene.browser.ask("GET", path)
        assert reason(answer) == (401, "invalid_grant")
        assert answer.values("www-authenticate") == ["Bearer"]
        assert answer.values("set-cookie") == CLEARED
    assert scene.orders.asked == []
    assert scene.refreshes() == ["r0", "r1"], "what cannot be a refresh token is not asked about"


async def test_a_login_that_a_service_knows_to_be_over_takes_them_too(scene: Scene) -> None:
    """The feed was faster than the access token's end."""
    scene.orders.reply = (401, {"reason": "login_ended"})
    scene.browser.hold(access_token(), "r0")
    answer = await scene.browser.ask("GET", "/api/orders")
    assert reason(answer) == (401, "login_ended")
    assert answer.values("set-cookie") == CLEARED
    assert scene.refreshes() == []


@pytest.mark.parametrize("status", [500, 503, 200])
async def test_without_auth_cookies_stay(scene: Scene, status: int) -> None:
    """503, and to be tried again: the login may be fine. Also when what auth answers is no tokens."""
    scene.auth.replies["POST /refresh"] = lambda _: (status, {})
    scene.browser.hold("", "r0")
    answer = await scene.browser.ask("GET", "/api/orders")
    assert reason(answer) == (503, "refresh_unavailable")
    assert answer.values("retry-after") == ["1"]
    assert answer.values("set-cookie") == []
    assert scene.orders.asked == []
    await scene.browser.ask("GET", "/api/orders")
    assert len(scene.refreshes()) == 1, "a crowd does not ask one by one"
    scene.auth.replies["POST /refresh"] = scene.auth.refresh
    scene.clocks["monotonic"] += 1
    assert (await scene.browser.ask("GET", "/api/orders")).status == 200


async def test_an_auth_that_hangs_is_not_waited_for_longer_than_any_service(street: Street) -> None:
    """And one that is gone is told at once."""
    auth, orders = Auth(), Service()
    auth.may_answer = asyncio.Event()
    for url, seconds in ((await street.app(auth), 0.3), ("", 60)):
        door = await street.door(auth=url, orders=await street.app(orders), upstream_answer_seconds=seconds)
        answer = await asyncio.wait_for(Browser(door, {REFRESH: "r0"}).ask("GET", "/api/orders"), 10)
        assert reason(answer) == (503, "refresh_unavailable")
    auth.may_answer.set()
    assert orders.asked == []


async def test_a_refresh_that_trickles_is_not_waited_for_either(street: Street) -> None:
    """The deadline is for the whole of auth's answer, as for a service's head."""

    async def trickle(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
        for _byte in range(300):
            writer.write(b" ")
            await writer.drain()
            await asyncio.sleep(0.1)

    _, url = await street.upstream(trickle)
    door = await street.door(auth=url, upstream_answer_seconds=0.5)
    answer = await asyncio.wait_for(Browser(door, {REFRESH: "r0"}).ask("GET", "/api/orders"), 10)
    assert reason(answer) == (503, "refresh_unavailable")


async def test_a_token_that_still_counts_is_used_while_it_cannot_be_renewed(scene: Scene) -> None:
    """Renewing early shall not make an outage of auth longer than it is."""
    for status in (503, 429):
        scene.auth.replies["POST /refresh"] = lambda _, status=status: (status, {}, {"retry-after": "7"})  # type: ignore[misc]
        scene.browser.hold(access_token(left=5, mark="old"), f"r{status}")
        assert (await scene.browser.ask("GET", "/api/orders")).status == 200
        assert mark(scene.orders.asked[-1]) == "old"
        scene.browser.hold(access_token(left=0), f"r{status}")
        assert (await scene.browser.ask("GET", "/api/orders")).status == status


async def test_too_many_refreshes_are_told_as_auth_tells_them(scene: Scene) -> None:
    """With its time, and without touching the cookies."""
    scene.auth.replies["POST /refresh"] = lambda _: (429, {}, {"retry-after": "7"})
    scene.browser.hold("", "r0")
    answer = await scene.browser.ask("GET", "/api/orders")
    assert reason(answer) == (429, "too_many_refreshes")
    assert (answer.values("retry-after"), answer.values("set-cookie")) == (["7"], [])


def refuse_revoked_key(asked: Asked) -> Reply:
    return (401, {"reason": "key_revoked"}) if shown(asked, 0)["kid"] == "old" else (200, {"ok": mark(asked)})


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
async def test_a_login_outlives_the_key_of_its_token(scene: Scene, method: str) -> None:
    """A service says that the key was revoked: the token is renewed, and what is idempotent is asked once more."""
    scene.orders.replies[f"{method} /api/orders/1"] = refuse_revoked_key
    scene.browser.hold(access_token(mark="of the old key"), "r0")
    body = b'{"a": "' + b"x" * 10_000 + b'"}' if method == "PUT" else None
    answer = await scene.browser.ask(method, "/api/orders/1", body=body)
    assert (answer.status, json.loads(answer.body)) == (200, {"ok": "renewed 1"})
    assert [mark(asked) for asked in scene.orders.asked] == ["of the old key", "renewed 1"]
    assert [asked.body for asked in scene.orders.asked] == [body or b""] * 2
    assert scene.browser.jar[REFRESH] == "r1"
    assert scene.refreshes() == ["r0"]


async def test_what_is_kept_of_the_old_key_does_not_count(scene: Scene) -> None:
    """A refresh of a moment before the key was revoked led to another token of it: auth is asked again."""
    scene.auth.key = "old"
    scene.browser.hold("", "r0")
    await scene.browser.ask("GET", "/api/orders")
    scene.auth.key = "new"
    scene.orders.replies["GET /api/orders"] = refuse_revoked_key
    crowd = [Browser(scene.door, {ACCESS: access_token(), REFRESH: "r0"}) for _ in range(5)]
    answers = await asyncio.gather(*(browser.ask("GET", "/api/orders") for browser in crowd))
    assert [json.loads(answer.body) for answer in answers] == [{"ok": "renewed 1"}] * 5
    assert scene.refreshes()[0] == "r0"
    assert {browser.jar[REFRESH] for browser in crowd} == {"r1"}


async def test_what_is_not_idempotent_is_not_sent_again(scene: Scene) -> None:
    """Its sender decides; the next time there is a token of the new key. So it is with a body too large to keep."""
    for method, body in (("POST", b"{}"), ("PUT", b"x" * 70_000)):
        scene.orders.replies[f"{method} /api/orders/1"] = refuse_revoked_key
        scene.orders.asked.clear()
        scene.browser.hold(access_token(), "r0")
        answer = await scene.browser.ask(method, "/api/orders/1", body=body)
        assert reason(answer) == (401, "key_revoked")
        assert len(scene.orders.asked) == 1
        assert scene.browser.jar == {ACCESS: access_token(mark="renewed 1", key="new"), REFRESH: "r1"}


async def test_a_key_revoked_twice_over_is_told(scene: Scene) -> None:
    """Once, and no more: also when the first token was renewed on the way."""

    def refuse(asked: Asked) -> Reply:
        scene.auth.key = "newest"
        return 401, {"reason": "key_revoked"}

    scene.orders.replies["GET /api/orders"] = refuse
    scene.browser.hold("", "r0")
    assert reason(await scene.browser.ask("GET", "/api/orders")) == (401, "key_revoked")
    assert [mark(asked) for asked in scene.orders.asked] == ["renewed 1", "renewed 2"]
    assert scene.refreshes() == ["r0", "r1"]
    assert scene.browser.jar[REFRESH] == "r2"


async def test_any_other_refusal_goes_through(scene: Scene) -> None:
    """Also a 401 that is no problem document, or a large one, or one to HEAD."""
    scene.browser.hold(access_token(), "r0")
    for document in ({"reason": "wrong_audience"}, {"reason": ["key_revoked"]}, {"a": "x" * 100_000}):
        scene.orders.reply = (401, document)
        answer = await scene.browser.ask("GET", "/api/orders")
        assert (answer.status, json.loads(answer.body)) == (401, document)
        assert answer.values("set-cookie") == []
    assert scene.refreshes() == []


async def test_a_large_refusal_is_not_gathered(street: Street) -> None:
    """What is no problem document for sure goes on as it comes: the gateway's memory is not its size."""
    go_on = asyncio.Event()

    async def refuse(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 20000\r\n\r\n" + b"x" * 10_000)
        await go_on.wait()
        writer.write(b"x" * 10_000)

    _, url = await street.upstream(refuse)
    door = await street.door(orders=url)
    async with door.client() as client:
        await client.send(f"GET /api/orders HTTP/1.1\r\nHost: door.test\r\nCookie: {ACCESS}=x\r\n\r\n".encode())
        head = await asyncio.wait_for(client.reader.readuntil(b"\r\n\r\n"), 1.5)
        assert head.startswith(b"HTTP/1.1 401 ")
        go_on.set()
        assert await client.reader.readexactly(20_000) == b"x" * 20_000


async def test_cookies_come_with_the_doors_own_refusals_too(scene: Scene, street: Street) -> None:
    """A token that was renewed must not be lost because the service behind it is gone."""
    scene.browser.hold("", "r0")
    answer = await scene.browser.ask("GET", "/api/profile")
    assert reason(answer) == (502, "upstream_unreachable")
    assert scene.browser.jar[REFRESH] == "r1"


async def test_refreshing_by_hand(scene: Scene) -> None:
    """`POST /refresh` without a body goes on with the cookies' login before it has to, and always asks auth."""
    scene.browser.hold(access_token(), "r0")
    answer = await scene.browser.ask("POST", "/refresh")
    said = json.loads(answer.body)
    assert (answer.status, said["transport"], said["expires_in"], said["scope"]) == (200, "cookie", 300, "a b")
    assert scene.browser.jar == {ACCESS: access_token(mark="renewed 1", key="new"), REFRESH: "r1"}
    assert "renewed" not in answer.body.decode()
    scene.browser.hold("", "r0")
    await scene.browser.ask("POST", "/refresh")
    assert scene.refreshes() == ["r0", "r0"]
    scene.auth.refuse_refreshes()
    answer = await scene.browser.ask("POST", "/refresh")
    assert reason(answer) == (401, "invalid_grant")
    assert answer.values("set-cookie") == CLEARED
    scene.browser.hold(access_token())
    assert reason(await scene.browser.ask("POST", "/refresh")) == (401, "no_credentials")


async def test_a_body_beside_the_cookies_is_a_second_credential(scene: Scene) -> None:
    """`/refresh` and `/logout` would otherwise have to guess whose login is meant."""
    scene.browser.hold(access_token(), "r0")
    for path in ("/refresh", "/logout"):
        answer = await scene.browser.ask("POST", path, body=b'{"refresh_token": "r7"}')
        assert reason(answer) == (400, "invalid_request")
    assert scene.auth.asked == []


@pytest.mark.parametrize("left", [None, -1.0, 300.0])
async def test_logging_out_ends_the_login_and_clears_the_cookies(scene: Scene, left: float | None) -> None:
    """By the refresh cookie, whatever has become of the access cookie."""
    scene.auth.replies["POST /logout"] = lambda _: (200, {"ended": 1, "seq": 7})
    scene.browser.hold("" if left is None else access_token(left=left), "r0")
    answer = await scene.browser.ask("POST", "/logout")
    assert (answer.status, json.loads(answer.body)) == (200, {"ended": 1, "seq": 7})
    assert answer.values("set-cookie") == CLEARED
    (asked,) = scene.auth.asked
    assert (asked.method, asked.path, json.loads(asked.body)) == ("POST", "/logout", {"refresh_token": "r0"})
    assert "authorization" not in asked.headers


async def test_logging_out_with_the_access_cookie_alone(scene: Scene) -> None:
    """It is what there is."""
    scene.browser.hold(access_token(mark="alone"))
    answer = await scene.browser.ask("POST", "/logout")
    assert answer.values("set-cookie") == CLEARED
    assert mark(scene.auth.asked[0]) == "alone"


async def test_cookies_outlast_a_logout_that_did_not_happen(scene: Scene, street: Street) -> None:
    """A logout that only deletes the cookie would leave a login that nobody can end."""
    for status, cookies in ((503, []), (429, []), (422, CLEARED)):  # the last: it is no refresh token, and ends nothing
        scene.auth.replies["POST /logout"] = lambda _, status=status: (status, {"reason": "any"})  # type: ignore[misc]
        scene.browser.hold(access_token(), "r0")
        answer = await scene.browser.ask("POST", "/logout")
        assert (answer.status, answer.values("set-cookie")) == (status, cookies)
    door = await street.door()
    answer = await Browser(door, {REFRESH: "r0"}).ask("POST", "/logout")
    assert (answer.status, answer.values("set-cookie")) == (502, [])


@pytest.mark.parametrize(
    ("method", "path", "ends"),
    [
        ("POST", "/logout/everywhere", True),
        ("DELETE", "/logins/s1", True),
        ("DELETE", "/logins/s2", False),
        ("PUT", "/password", False),
        ("GET", "/logins", False),
    ],
)
async def test_cookies_go_with_the_login_they_hold(scene: Scene, method: str, path: str, *, ends: bool) -> None:
    """However it ends; and stay when another one does, or when it does not after all."""
    for held in ((access_token(), "r0"), ("", "r0")):
        scene.browser.hold(*held)
        answer = await scene.browser.ask(method, path)
        assert answer.status == 200
        assert (answer.values("set-cookie") == CLEARED) is ends
    scene.auth.reply = (503, {"reason": "storage_unavailable"})
    scene.browser.hold(access_token(), "r0")
    assert (await scene.browser.ask(method, path)).values("set-cookie") == []


async def test_another_stacks_cookies_are_nothing_here(street: Street) -> None:
    """Doors on two ports of one host are sent each other's cookies."""
    orders = Service()
    door = await street.door(orders=await street.app(orders), public_url="http://localhost:8080")
    cookies = f"__Host-signet-9090-access={access_token()}; {ACCESS}={access_token()}; __Host-signet-twin=x"
    answer = await Browser(door).ask("POST", "/api/orders", cookies=cookies, said="Authorization: Bearer own\r\n")
    assert answer.status == 200
    assert orders.asked[0].headers["authorization"] == "Bearer own"


async def test_a_login_that_is_dead_keeps_nobody_from_logging_in(scene: Scene) -> None:
    """What stands in the jar is of no concern where nobody is asked who they are."""
    scene.auth.refuse_refreshes()
    scene.browser.hold(access_token(left=-5), "r7")
    assert (await scene.browser.log_in()).status == 200
    assert scene.browser.jar[REFRESH] == "r0"
    assert scene.auth.paths() == ["/login"]


async def test_nothing_of_a_login_is_said_in_refusals(scene: Scene) -> None:
    """No answer of the door repeats what is in a cookie."""
    secret = access_token(left=-1, mark="secret")
    scene.auth.refuse_refreshes()
    sent: list[dict[str, Any]] = [
        {"cookies": f"{ACCESS}={secret}; {REFRESH}=secret"},
        {"cookies": f"{ACCESS}={secret}; {ACCESS}={secret}"},
        {"cookies": f"{ACCESS}={secret}", "said": f"{OURS}Authorization: Bearer {secret}\r\n"},
    ]
    for each in sent:
        answer = await scene.browser.ask("GET", "/api/orders", **each)
        assert answer.status >= 400
        assert secret not in answer.body.decode()
        assert "secret" not in answer.body.decode()
