"""What has to be true of whoever is measured, looked at before any time is taken: a fast wrong answer wins nothing."""

import http.client
import secrets
from collections.abc import Mapping
from typing import NamedTuple

from benchmarks.load import Asking
from benchmarks.servers import HOST

ECHO = "/api/orders/echo"
"""Where the upstream of the gateways tells what it was asked."""


class Unequal(Exception):  # noqa: N818 -- what was found, for the report
    """Someone does not do the work that the others do; the message says what was seen."""


class Answer(NamedTuple):
    """A status, a body, and the cookie that came with it, if any, as it is to be sent back."""

    status: int
    body: bytes
    cookie: str = ""


def ask(port: int, path: str, header: str | None = None, *, method: str = "GET") -> Answer:
    """Ask once, over a connection of its own; `header` is a whole line."""
    connection = http.client.HTTPConnection(HOST, port, timeout=10)
    try:
        name, _, value = (header or "").partition(": ")
        connection.request(method, path, headers={name: value} if header else {})
        answer = connection.getresponse()
        return Answer(answer.status, answer.read(), (answer.getheader("Set-Cookie") or "").partition(";")[0])
    finally:
        connection.close()


def must_answer(asking: Asking, body: bytes) -> None:
    """Raise Unequal unless the first, the middle and the last of the headers each get 200 and these bytes."""
    for place in (0, len(asking.headers) // 2, -1):
        answer = ask(asking.port, asking.path, asking.headers[place] if asking.headers else None)
        if (answer.status, answer.body) != (200, body):
            raise Unequal(f"it answers {answer.status} {answer.body[:200]!r} where 200 {body[:200]!r} was due")


def must_refuse(asking: Asking, forgeries: Mapping[str, str | None]) -> None:
    """Raise Unequal unless each header, named by what is wrong with it, is refused with 401 or 403."""
    for fault, header in forgeries.items():
        answer = ask(asking.port, asking.path, header)
        if answer.status not in {401, 403}:
            raise Unequal(f"it answers {answer.status} to {fault}")


def must_forward(asking: Asking) -> None:
    """Raise Unequal unless what is asked, path and query, reaches the upstream, and its very answer comes back."""
    path = f"{ECHO}/{secrets.token_hex(8)}?question={secrets.token_hex(8)}"
    answer = ask(asking.port, path)
    if (answer.status, answer.body) != (200, path.encode("ascii")):
        raise Unequal(f"it answers {answer.status} {answer.body[:200]!r} where the upstream says 200 {path!r}")
