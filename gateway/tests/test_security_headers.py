"""What every answer of the door tells a browser, whoever gave it."""

import pytest

from gateway.routes import Route, RouteTable
from gateway.security_headers import HSTS
from gateway.testing import Response, Street, get

LOOSE = (
    b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Security-Policy: default-src *\r\nReferrer-Policy: unsafe-url\r\n"
    b"Strict-Transport-Security: max-age=0\r\nCross-Origin-Resource-Policy: cross-origin\r\n\r\nok"
)

FRIEND = "https://app.example"


class Broken(RouteTable):
    """A table that nobody foresaw."""

    def find(self, raw_path: bytes) -> Route | None:
        raise RuntimeError(raw_path)


def said(response: Response) -> dict[str, list[str]]:
    return {
        name: response.values(name)
        for name in (
            "x-content-type-options",
            "referrer-policy",
            "cross-origin-resource-policy",
            "cross-origin-opener-policy",
            "content-security-policy",
        )
    }


@pytest.mark.parametrize(
    ("status", "request_"),
    [
        (200, get("/api/orders")),
        (400, get("/api/orders/..%2f")),
        (404, get("/nothing")),
        (405, get("/docs", "Content-Length: 0\r\n", method="POST")),
        (431, get("/api/orders", f"X-Long: {'x' * 20_000}\r\n")),
        (400, b"nonsense\r\n\r\n"),
        (502, get("/api/profile")),
        (204, get("/api/profile", f"Origin: {FRIEND}\r\nAccess-Control-Request-Method: GET\r\n", method="OPTIONS")),
    ],
    ids=lambda value: str(value)[:30],
)
async def test_every_answer_is_no_page(street: Street, status: int, request_: bytes) -> None:
    """A service's answer, the gateway's problems and the guard's refusals say the same, once; a service has no say."""
    _, url = await street.upstream(LOOSE)
    door = await street.door(orders=url, cors_origins=[FRIEND])
    response = await door.ask(request_)
    assert response.status == status
    assert said(response) == {
        "x-content-type-options": ["nosniff"],
        "referrer-policy": ["no-referrer"],
        "cross-origin-resource-policy": ["same-origin"],
        "cross-origin-opener-policy": ["same-origin"],
        "content-security-policy": ["default-src 'none'; frame-ancestors 'none'"],
    }
    assert response.values("strict-transport-security") == []


async def test_an_unforeseen_error_is_no_exception(street: Street) -> None:
    """A 500 says the same as every other answer."""
    door = await street.door(routes=Broken())
    response = await door.get("/api/orders")
    assert response.status == 500
    assert all(len(values) == 1 for values in said(response).values())


@pytest.mark.parametrize(
    "request_", [get("/api/orders"), get("/"), b"nonsense\r\n\r\n"], ids=["api", "page", "refusal"]
)
async def test_browsers_stay_with_tls_where_there_is_tls(street: Street, request_: bytes) -> None:
    """HSTS is on every answer if the public URL is one of https, and on none otherwise."""
    _, url = await street.upstream(LOOSE)
    door = await street.door(orders=url, public_url="https://id.example")
    assert (await door.ask(request_)).values("strict-transport-security") == [HSTS]
