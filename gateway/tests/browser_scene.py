"""For tests alone: a browser at the door, auth and a service behind it, each of which remembers what it was asked."""

import asyncio
import base64
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

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


async def set_scene(street: Street) -> Scene:
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
