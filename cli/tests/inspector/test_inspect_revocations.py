"""`signet token --revocations`: what the issuer's feed says of a token, as a service would have read it."""

from typing import TYPE_CHECKING, Literal

import pytest

from token_verification.testing import FakeIssuer
from token_verification.verifier import STEPS

if TYPE_CHECKING:
    from cli.tests.inspector.conftest import Inspect, Serve

AUDIENCE = "urn:test:api"
OF_REVOCATIONS = [step.number for step in STEPS if step.of_revocations]


@pytest.fixture
def revoking() -> FakeIssuer:
    return FakeIssuer("https://revoking.test", audience=AUDIENCE)


@pytest.fixture
def trust(revoking: FakeIssuer, serve: "Serve") -> tuple[str, ...]:
    """Return what a service is configured with, as options."""
    url = serve(revoking.asgi)
    named = ("--issuer", revoking.issuer, "--audience", AUDIENCE)
    return ("--jwks", f"{url}/jwks.json", *named, "--revocations", f"{url}/revocations")


@pytest.mark.parametrize(("kind", "reason"), [("sid", "login_ended"), ("jti", "token_revoked"), ("kid", "key_revoked")])
def test_it_says_what_has_been_revoked(
    kind: Literal["sid", "jti", "kid"], reason: str, revoking: FakeIssuer, trust: tuple[str, ...], inspect: "Inspect"
) -> None:
    """A token of an ended login, a revoked one and one under a revoked key are refused for that; another is not."""
    token = revoking.token(sid="login-1", jti="token-1")
    named = {"sid": "login-1", "jti": "token-1", "kid": revoking.key_id}[kind]
    if kind == "kid":
        revoking.rotate()  # the feed is signed by the successor
    seq = revoking.revoke(**{kind: named})
    ended = inspect("token", "--json", *trust, stdin=token.encode())
    said = ended.document
    assert (ended.status, said["verdict"], said["reason"]) == (1, "refused", reason)
    assert said["revocations_seq"] == seq
    assert {step["number"] for step in said["steps"]} == {step.number for step in STEPS}
    assert inspect("token", *trust, stdin=token.encode()).out.count(reason) == 1
    other = inspect("token", *trust, stdin=revoking.token(sid="login-2").encode())
    assert other.status == 0, other.out
    assert other.out.count("✓ yes") == len(STEPS)
    assert f"1 as of {seq}" in other.out
    assert "Accepted. " in other.out
    document = inspect("token", "--json", *trust, stdin=revoking.token(sid="login-2").encode()).document
    assert (document["certain"], document["proviso"]) == (True, None)


@pytest.mark.parametrize("behaviour", ["error", "wrong_signature", "wrong_issuer"])
def test_without_the_feed_it_cannot_tell(
    behaviour: Literal["error", "wrong_signature", "wrong_issuer"],
    revoking: FakeIssuer,
    trust: tuple[str, ...],
    inspect: "Inspect",
) -> None:
    """A feed that is away, or that nobody should believe, leaves it undecided whether the token has been revoked."""
    revoking.feed.behaviour = behaviour
    ended = inspect("token", "--json", *trust, stdin=revoking.token().encode())
    said = ended.document
    assert (ended.status, said["verdict"], said["reason"]) == (2, "undecided", "revocations_unavailable")
    assert said["revocations_seq"] is None
    unchecked = [step["number"] for step in said["steps"] if step["outcome"] == "not_checked"]
    assert unchecked == OF_REVOCATIONS
    page = inspect("token", *trust, stdin=revoking.token().encode(), columns=120)
    assert "503 revocations_unavailable" in page.out
    assert page.err == ""


def test_a_feed_needs_keys(revoking: FakeIssuer, trust: tuple[str, ...], inspect: "Inspect") -> None:
    """It is signed: without the key set there is nothing to believe it by. And it has to be a URL."""
    ended = inspect("token", *trust[2:], stdin=revoking.token().encode())
    assert (ended.status, ended.out) == (2, "")
    assert "--revocations needs --jwks" in ended.err
    ended = inspect("token", *trust[:-1], "file:///feed", stdin=revoking.token().encode())
    assert ended.status == 2
    assert "is not an http or https URL" in ended.err
