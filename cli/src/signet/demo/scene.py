"""What the steps share: the running stack, who the caller is, and how to ask something in sight of the audience."""

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

import httpx

from signet.demo.abbreviation import abbreviated_token
from signet.demo.telling import NotAsToldError, Telling
from signet.demo.token_parts import taken_apart
from signet.stack import EmbeddedStack

BOTH = {"/api/profile", "/api/orders"}
"""Where a token is shown to both services."""

PATIENCE_SECONDS = 10.0
"""How long a service may go on honouring what it should not, before the story goes on without it."""

FRESH_SECONDS = 60
"""Of a token's life; the next step may take all that is left of it."""


@dataclass(frozen=True)
class Answer:
    """An answer: `body` is its JSON, or None; `at` is when it had come, in seconds of the monotonic clock."""

    status: int
    headers: Mapping[str, str]
    body: Any
    at: float = 0.0

    def __getitem__(self, name: str) -> Any:  # noqa: ANN401 - JSON
        """Return a member of the body. Raises NotAsToldError when there is none."""
        if not isinstance(self.body, dict) or name not in self.body:
            raise NotAsToldError(f"The answer has no {name}, which the story needs.")
        return self.body[name]


@dataclass
class Scene:
    """The stage. As a context manager it holds the connections to the door."""

    stack: EmbeddedStack
    telling: Telling
    email: str = "ada@example.org"
    password: str = "engine of brass and ivory"  # noqa: S105 - of an account that lives as long as the demo
    token: str = ""
    refresh_token: str = ""
    order_id: str = ""
    delivered_order: str = ""
    spare_order: str = ""
    pending_order: str = ""
    dead_token: str = ""
    key_ids: list[str] = field(default_factory=list)
    _http: httpx.Client = field(default_factory=lambda: httpx.Client(timeout=10, trust_env=False))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the connections."""
        self._http.close()

    def ask(
        self,
        method: str,
        path: str,
        *,
        expect: int,
        reason: str | None = None,
        token: str | None = None,
        body: object = None,
        send: Mapping[str, str] | None = None,
        headers: tuple[str, ...] = (),
        members: tuple[str, ...] | None = None,
        process: str | None = None,
    ) -> Answer:
        """Send a request through the door, show it and its answer, and check the answer's status and reason.

        `send`: further headers of the request. `headers`: which of the answer's are worth a line here. `members`: which
        members of its body are; None for all of them. `process`: who is asked at its own address, in place of the door.
        Raises NotAsToldError when there is no answer.
        """
        more = dict(send or {})
        shown = {"Authorization": f"Bearer {abbreviated_token(token)}"} if token is not None else {}
        address = "" if process is None else self.stack.service_url(process)
        self.telling.request(method, f"{address}{path}", headers=shown | more, body=body)
        try:
            response = self._http.request(
                method,
                f"{address or self.stack.url}{path}",
                headers=({"Authorization": f"Bearer {token}"} if token is not None else {}) | more,
                json=body,
            )
        except httpx.HTTPError as error:
            whom = process or "the door"
            raise NotAsToldError(f"No answer from {whom}: {str(error) or type(error).__name__}.") from None
        at = time.monotonic()
        try:
            content = response.json() if response.content else None
        except json.JSONDecodeError:
            content = response.text
        self.telling.answer(
            response.status_code,
            expected=expect,
            headers={name: response.headers[name] for name in headers if name in response.headers},
            body=_essence(content, members),
        )
        if reason is not None:
            actual = content.get("reason") if isinstance(content, dict) else None
            self.telling.check(f"The reason it gives is {reason}", expected=reason, actual=actual)
        return Answer(response.status_code, response.headers, content, at)

    def show_when_refused(self, token: str, *, since: float) -> None:
        """Ask both services over and over until each refuses a token, and show after how long that was."""
        table = self.telling.table("at", "refused after")
        took: dict[str, float] = {}
        while len(took) < len(BOTH):
            for path in BOTH - took.keys():
                answer = self._http.get(f"{self.stack.url}{path}", headers={"Authorization": f"Bearer {token}"})
                if answer.status_code == 401:
                    took[path] = time.monotonic() - since
            if time.monotonic() - since > PATIENCE_SECONDS:
                raise NotAsToldError(
                    f"After {PATIENCE_SECONDS:g} s it is still honoured at {', '.join(BOTH - took.keys())}."
                )
        for path, seconds in sorted(took.items()):
            table.add_row(path, f"{1000 * seconds:.0f} ms")
        self.telling.show(table)
        self.telling.check("Both had heard of it within a second", expected=True, actual=max(took.values()) < 1)

    def keep_fresh(self) -> None:
        """Log in anew when a good part of the token's life is over: with --pause, people take their time."""
        issued = taken_apart(self.token).payload.get("iat")
        if time.time() - (issued if isinstance(issued, int) else 0) > FRESH_SECONDS:
            self.telling.say("Some time has passed, and a token is short-lived: Ada logs in once more.")
            self.take(self.log_in())

    def take(self, answer: Answer) -> None:
        """Go on with the tokens of an answer."""
        self.token, self.refresh_token = str(answer["access_token"]), str(answer["refresh_token"])

    def log_in(self, *, members: tuple[str, ...] | None = ("access_token", "expires_in"), **more: object) -> Answer:
        """Log in, in sight; `members` of the answer are shown, and `more` are further members of the request."""
        body = {"email": self.email, "password": self.password, **more}
        return self.ask("POST", "/login", body=body, expect=200, headers=("cache-control",), members=members)

    def call_both(self, *, token: str) -> None:
        """Call profile and orders with a token that they should honour, and see that they are who they were."""
        profile = self.ask("GET", "/api/profile", token=token, expect=200, members=("sub", "name"))
        self.telling.check("Profile knows her", expected="Ada Lovelace", actual=profile["name"])
        orders = self.ask("GET", "/api/orders", token=token, expect=200, members=())["orders"]
        known = [order.get("id") for order in orders]
        self.telling.check(f"Orders has her order, {self.order_id}", expected=True, actual=self.order_id in known)


def _essence(content: Any, members: tuple[str, ...] | None) -> Any:  # noqa: ANN401 - JSON
    """Leave out what is not asked for, and of a problem what the status line has said already."""
    if not isinstance(content, dict):
        return content
    if "reason" in content:
        return {name: value for name, value in content.items() if name in {"reason", "detail"}}
    if members is None:
        return content
    return {name: value for name, value in content.items() if name in members} or None
