"""How refusals answer."""

import pytest

from token_verification.errors import (
    InsufficientScope,
    InvalidRequest,
    InvalidToken,
    KeysUnavailable,
    NoCredentials,
    RevocationsUnavailable,
    VerificationError,
    shown,
)


@pytest.mark.parametrize(
    ("refusal", "status", "headers"),
    [
        (NoCredentials(), 401, {"www-authenticate": "Bearer"}),
        (
            InvalidToken("expired", "The token expired 12 s ago."),
            401,
            {"www-authenticate": 'Bearer error="invalid_token", error_description="The token expired 12 s ago."'},
        ),
        (
            InvalidRequest("Twice."),
            400,
            {"www-authenticate": 'Bearer error="invalid_request", error_description="Twice."'},
        ),
        (
            InsufficientScope("orders:read"),
            403,
            {
                "www-authenticate": 'Bearer error="insufficient_scope", '
                'error_description="This needs the scope orders:read.", scope="orders:read"'
            },
        ),
        (KeysUnavailable("No keys.", retry_after=7.2), 503, {"retry-after": "8"}),
        (KeysUnavailable("No keys.", retry_after=-4), 503, {"retry-after": "1"}),
        (RevocationsUnavailable("Not known.", retry_after=1.5), 503, {"retry-after": "2"}),
    ],
    ids=[
        "no-credentials",
        "invalid-token",
        "invalid-request",
        "insufficient-scope",
        "no-keys",
        "no-keys-at-once",
        "no-feed",
    ],
)
def test_answers_as_the_rfcs_say(refusal: VerificationError, status: int, headers: dict[str, str]) -> None:
    """Status, challenge (RFC 6750, section 3) and Retry-After belong to the error; no answer may be cached."""
    assert refusal.status == status
    assert refusal.headers == {"cache-control": "no-store"} | headers


def test_problem_names_the_scope() -> None:
    """The body is a problem of RFC 9457; a missing scope is named in it."""
    assert InsufficientScope("a b").problem == {
        "type": "about:blank",
        "title": "Forbidden",
        "status": 403,
        "detail": "This needs the scope a b.",
        "reason": "insufficient_scope",
        "scope": "a b",
    }


def test_foreign_text_cannot_break_out() -> None:
    """What an attacker wrote is bounded and printable before it reaches a header or a log line."""
    assert shown('a"\\\r\n\x00é\ud800\U0001f511~ ') == "a????????~ "
    assert shown("k" * 65) == "k" * 64 + "..."
    assert shown("k" * 64) == "k" * 64
    assert shown(None) == "None"
    refusal = InvalidToken("unknown_kid", 'x", error="none\r\nset-cookie: a=b' + "y" * 1000)
    assert len(refusal.detail) == 303
    assert refusal.challenge is not None
    assert refusal.challenge.count('"') == 4
    assert "\n" not in refusal.challenge + str(refusal)
