"""What bad input gets: a problem that names what is wrong."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.postgresql_plugin import on_one_database

if TYPE_CHECKING:
    from services.auth.tests.conftest import Auth

JSON = "application/json"


@on_one_database
@pytest.mark.parametrize("path", ["/login", "/register", "/refresh"])
@pytest.mark.parametrize(
    ("body", "media_type", "status", "reason"),
    [
        (b"", JSON, 422, "invalid_body"),
        (b"{", JSON, 400, "malformed_body"),
        (b"email=ada", JSON, 400, "malformed_body"),
        (b'{"email": "\xff"}', JSON, 400, "malformed_body"),
        (b"[" * 40 + b"]" * 40, JSON, 400, "malformed_body"),
        (b"[" * 30_000, JSON, 400, "malformed_body"),
        (b'{"email": ' + b"9" * 5000 + b"}", JSON, 400, "malformed_body"),
        (b'{"email": 1e999}', JSON, 422, "invalid_body"),
        (b'{"email": NaN}', JSON, 422, "invalid_body"),
        (b"null", JSON, 422, "invalid_body"),
        (b"[]", JSON, 422, "invalid_body"),
        (b'"login"', JSON, 422, "invalid_body"),
        (b"{}", JSON, 422, "invalid_body"),
        (b'{"\\ud800": 1}', JSON, 422, "invalid_body"),
        (b'{"\\u0000": 1}', JSON, 422, "invalid_body"),
        (b"email=ada&password=x", "application/x-www-form-urlencoded", 415, "unsupported_media_type"),
        (b"{}", "text/plain", 415, "unsupported_media_type"),
        (b"{}", "application/json; charset=utf-16", 415, "unsupported_media_type"),
        (b'{"email": "' + b"a" * 70_000 + b'"}', JSON, 413, "body_too_large"),
    ],
)
async def test_a_body_that_cannot_be_read_is_refused(
    auth: Auth, path: str, *, body: bytes, media_type: str, status: int, reason: str
) -> None:
    """Malformed, too deep, too large, of another type: each gets its own 4xx, and no work is done for it."""
    answer = await auth.client.post(path, content=body, headers={"Content-Type": media_type})
    assert (answer.status_code, answer.json()["reason"]) == (status, reason)
    assert answer.headers["content-type"] == "application/problem+json"
    assert auth.hasher.verified == []


async def test_a_known_path_does_not_know_every_method(auth: Auth) -> None:
    """Another method than a path's own gets 405 with Allow, once the caller has shown a token."""
    await auth.register()
    token = (await auth.log_in()).json()["access_token"]
    answer = await auth.client.delete("/login", headers={"Authorization": f"Bearer {token}"})
    assert (answer.status_code, answer.json()["reason"]) == (405, "method_not_allowed")
    assert answer.headers["allow"] == "POST"
    assert (await auth.client.delete("/login")).status_code == 401


async def test_a_bad_token_gets_its_reason_here_too(auth: Auth) -> None:
    """Auth refuses a forged token like any resource server."""
    await auth.register()
    token = (await auth.log_in()).json()["access_token"]
    head, payload, signature = token.split(".")
    for forged, reason in [
        ("nonsense", "malformed"),
        (f"{head}.{payload}.{signature[:-8]}AAAAAAAA", "bad_signature"),
        (f"eyJhbGciOiJub25lIn0.{payload}.{signature}", "unsupported_algorithm"),
    ]:
        answer = await auth.client.get("/anything", headers={"Authorization": f"Bearer {forged}"})
        assert (answer.status_code, answer.json()["reason"]) == (401, reason)
