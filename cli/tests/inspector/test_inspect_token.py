"""`signet token`: what it says is what a service says."""

import asyncio
import os
import pty
import re
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256

from signet.stack import EmbeddedStack
from token_verification import AccessTokenVerifier, InvalidToken
from token_verification.compact_jws import base64url_encoded
from token_verification.forgeries import FORGERIES, Forgery
from token_verification.testing import FakeIssuer, json_bytes
from token_verification.verifier import STEPS

if TYPE_CHECKING:
    from cli.tests.inspector.conftest import Inspect, Publisher

SIGNET = str(Path(sys.executable).with_name("signet"))
AUDIENCE = "urn:test:api"
TOKEN_FORGERIES = [forgery for forgery in FORGERIES if not forgery.name.startswith("transport-")]


def refusal_of(issuer: FakeIssuer, token: str) -> InvalidToken:
    verifier = AccessTokenVerifier(issuer=issuer.issuer, audience=AUDIENCE, key_set=issuer.key_set)
    with pytest.raises(InvalidToken) as refused:
        asyncio.run(verifier.verify(token))
    return refused.value


@pytest.mark.parametrize("forgery", TOKEN_FORGERIES, ids=str)
def test_its_verdict_is_the_verifiers(
    forgery: Forgery, issuer: FakeIssuer, trust: tuple[str, ...], inspect: "Inspect"
) -> None:
    """For every forgery the inspector names the reason that a service names, in the same words but for the second."""
    ((_, value),) = forgery.make(issuer, AUDIENCE).headers
    refused = refusal_of(issuer, value.decode("latin-1").removeprefix("Bearer "))
    ended = inspect("token", "--json", *trust, stdin=value)
    said = ended.document
    assert (ended.status, said["verdict"], said["reason"]) == (1, "refused", forgery.reason)
    assert re.sub(r"\d+ s", "", said["detail"]) == re.sub(r"\d+ s", "", refused.detail)
    first = next(step for step in said["steps"] if step["outcome"] not in {"passed", "not_checked"})
    assert (first["outcome"], first["reason"]) == ("failed", forgery.reason)


@pytest.mark.parametrize("forgery", TOKEN_FORGERIES[::7], ids=str)
def test_without_keys_it_says_no_more_than_it_can_know(
    forgery: Forgery, issuer: FakeIssuer, inspect: "Inspect"
) -> None:
    """Where no key decides, the reason is a service's all the same; where one does, the answer is: cannot tell."""
    ((_, value),) = forgery.make(issuer, AUDIENCE).headers
    ended = inspect("token", "--json", "--issuer", issuer.issuer, "--audience", AUDIENCE, stdin=value)
    said = ended.document
    assert said["signature_checked"] is False
    if said["verdict"] == "undecided":
        assert forgery.reason in {"unknown_kid", "bad_signature"}
        assert (ended.status, said["reason"], said["certain"]) == (2, "keys_unavailable", False)
    elif forgery.reason in {"unknown_kid", "bad_signature"}:
        assert (ended.status, said["verdict"], said["certain"]) == (1, "refused", False)
    else:
        assert (ended.status, said["reason"]) == (1, forgery.reason)


def test_a_good_token_is_accepted(issuer: FakeIssuer, trust: tuple[str, ...], inspect: "Inspect") -> None:
    """Every step that needs no feed passes, and the exit status is 0; the others are told to be unchecked."""
    ended = inspect("token", *trust, stdin=issuer.token().encode())
    assert ended.status == 0, ended.out + ended.err
    assert ended.out.count("✓ yes") == len([step for step in STEPS if not step.of_revocations])
    assert ended.out.count("? unchecked") == len([step for step in STEPS if step.of_revocations])
    said = " ".join(ended.out.split())
    not_asked = "whether its login has ended was not asked (--revocations)"
    assert f"Accepted, as far as was checked: {not_asked}. If it has not, {AUDIENCE} would let it in" in said
    assert "assume" not in ended.out
    document = inspect("token", "--json", *trust, stdin=issuer.token().encode()).document
    assert (document["verdict"], document["certain"], document["proviso"]) == ("accepted", False, not_asked)


def test_what_is_not_told_is_assumed_and_said_to_be(issuer: FakeIssuer, jwks: str, inspect: "Inspect") -> None:
    """Without --issuer and --audience they are the token's own, each of its audiences alike, and it says so."""
    token = issuer.token(aud=["urn:a", "urn:b"]).encode()
    said = inspect("token", "--jwks", jwks, "--json", stdin=token).document
    assert (said["verdict"], said["issuer"], said["audiences"]) == ("accepted", issuer.issuer, ["urn:a", "urn:b"])
    assert said["issuer_assumed"] is said["audience_assumed"] is True
    page = inspect("token", "--jwks", jwks, stdin=token, columns=120).out
    assert "assumed: the token's own, each alike" in page
    assert "urn:a or urn:b would let it in" in page
    assert "This assumes that the service trusts this issuer and is this audience." in page

    ended = inspect("token", "--jwks", jwks, "--audience", "urn:c", stdin=token)
    assert ended.status == 1
    assert "Refused: wrong_audience (401). The token is for urn:a, urn:b, this is urn:c." in ended.out


def test_without_keys_it_cannot_tell(issuer: FakeIssuer, inspect: "Inspect") -> None:
    """A token that is in order but for its unchecked signature is not called good: exit status 2."""
    ended = inspect("token", stdin=issuer.token().encode())
    assert ended.status == 2
    assert (
        "Cannot tell: all else that was checked is in order, but without keys the signature is unchecked."
        in " ".join(ended.out.split())
    )
    expired = inspect("token", stdin=issuer.token(iat=1000, exp=1300).encode())
    assert expired.status == 1
    assert "Refused: expired" in expired.out
    assert "Its signature was not checked. Were that bad, this would be the reason" in expired.out
    certain = inspect("token", stdin=issuer.token(header={"typ": "JWT"}).encode())
    assert "Refused: wrong_type" in certain.out
    assert "Were that bad" not in certain.out


def test_keys_that_are_not_to_be_had_decide_nothing(
    issuer: FakeIssuer, publisher: "Publisher", inspect: "Inspect"
) -> None:
    """Nobody there, or a set that a service refuses: 503 there and 2 here, also for a token that has expired."""
    for url in ("http://127.0.0.1:1/", publisher.publish(issuer.jwk_set, headers={"content-type": "text/html"})):
        for token in (issuer.token(), issuer.token(iat=1000, exp=1300)):
            ended = inspect("token", "--json", "--jwks", url, stdin=token.encode())
            assert (ended.status, ended.document["verdict"], ended.document["status"]) == (2, "undecided", 503)
    page = inspect("token", "--jwks", "http://127.0.0.1:1/", stdin=issuer.token().encode()).out
    assert "503 keys_unavailable" in page


@pytest.mark.parametrize(
    "before", ["", "Bearer ", "bearer  ", "  \r\n", "Authorization: Bearer ", "authorization:bearer "]
)
def test_what_surrounds_a_token_does_no_harm(
    before: str, issuer: FakeIssuer, trust: tuple[str, ...], inspect: "Inspect"
) -> None:
    """White space, and the words that stand before a token in a request, are taken off."""
    assert inspect("token", *trust, stdin=f"{before}{issuer.token()}\r\n".encode()).status == 0


def test_garbage_gets_a_sentence(inspect: "Inspect") -> None:
    """What is no token is refused as malformed; nothing at all, or far too much, is a mistake of usage."""
    for garbage, why in (
        (b"hello", "it has 1 parts instead of three"),
        (bytes(range(1, 256)), "it has characters that are not ASCII"),
        (b"a.b.c.d.e", "Five parts are those of an encrypted token (JWE)"),
    ):
        ended = inspect("token", stdin=garbage)
        assert (ended.status, ended.err) == (1, "")
        assert why in ended.out
        assert "Refused: malformed (401)" in ended.out
    nothing = inspect("token", stdin=b" \n")
    assert (nothing.status, nothing.err) == (2, "signet: There is no token: give it on standard input.\n")
    assert inspect("token", stdin=b"A" * (1024 * 1024 + 1)).status == 2
    for url in ("ftp://keys.example/", "keys.example", "http://", "http://a:b@keys.example/", "http://[/", "\x1b[2J"):
        ended = inspect("token", "--jwks", url, stdin=b"a.b.c")
        assert (ended.status, ended.out) == (2, "")
        assert "\x1b" not in ended.err


def test_a_foreign_token_is_explained_and_refused(publisher: "Publisher", inspect: "Inspect") -> None:
    """ES256, typ JWT, a certificate's thumbprint, no sid: explained, and each rule that it breaks is told."""
    key = ec.generate_private_key(ec.SECP256R1())
    point = key.public_key().public_numbers()
    entry = {
        "kty": "EC",
        "crv": "P-256",
        "x": base64url_encoded(point.x.to_bytes(32, "big")).decode(),
        "y": base64url_encoded(point.y.to_bytes(32, "big")).decode(),
        "kid": "ec-1",
    }
    other = FakeIssuer("https://foreign.test")
    url = publisher.publish({"keys": [entry, *other.jwk_set["keys"]]})
    now = int(time.time())
    header = json_bytes({"alg": "ES256", "typ": "JWT", "kid": "ec-1", "x5t": "AAAA"})
    payload = json_bytes(
        {"iss": "https://foreign.test", "sub": "1", "aud": "api", "iat": now, "exp": now - 60, "ver": "2"}
    )
    signed = base64url_encoded(header) + b"." + base64url_encoded(payload)
    token = signed + b"." + base64url_encoded(key.sign(signed, ec.ECDSA(SHA256())))

    said = inspect("token", "--json", "--jwks", url, stdin=token).document
    assert (said["reason"], said["missing_claims"]) == (
        "unsupported_algorithm",
        ["client_id", "jti", "sid", "auth_time", "scope"],
    )
    outcomes = {step["number"]: step["outcome"] for step in said["steps"] if step["outcome"] != "passed"}
    assert outcomes == {
        4: "failed",
        5: "would_fail_too",
        6: "would_fail_too",
        8: "not_checked",
        9: "would_fail_too",
        10: "not_reached",
        12: "would_fail_too",
        17: "would_fail_too",
        18: "not_reached",
        19: "would_fail_too",
        **dict.fromkeys((20, 21, 22), "not_checked"),
    }
    assert said["steps"][8]["note"] == (
        "The set has this key, but services do not use it: it has kty EC instead of RSA."
    )
    page = " ".join(inspect("token", "--jwks", url, stdin=token).out.split())
    assert "ECDSA on P-256 with SHA-256" in page
    assert "some JWT: nothing says that it is an access token" in page
    assert "Missing, and required: client_id, jti, sid, auth_time, scope." in page
    assert "Refused: unsupported_algorithm (401)" in page


def test_the_document_is_stable(issuer: FakeIssuer, trust: tuple[str, ...], inspect: "Inspect") -> None:
    """Programs may rely on these members."""
    document = inspect("token", "--json", *trust, stdin=issuer.token().encode()).document
    assert list(document) == [
        "version",
        "verdict",
        "reason",
        "status",
        "detail",
        "proviso",
        "certain",
        "signature_checked",
        "issuer",
        "issuer_assumed",
        "audiences",
        "audience_assumed",
        "jwks_uri",
        "revocations_uri",
        "revocations_seq",
        "checked_at",
        "characters",
        "bytes",
        "header",
        "claims",
        "missing_claims",
        "steps",
    ]
    assert document["version"] == 1
    assert list(document["steps"][0]) == ["number", "claim", "outcome", "reason", "detail", "note"]
    assert document["claims"]["sub"] == "subject-1"
    assert document["signature_checked"] is True


def test_as_an_argument_or_typed_unseen(issuer: FakeIssuer, trust: tuple[str, ...]) -> None:
    """A token is taken from the arguments too; at a terminal it is asked for, and not echoed."""
    token = issuer.token()
    ended = subprocess.run([SIGNET, "token", token, *trust], capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr

    pid, terminal = pty.fork()
    if pid == 0:  # pragma: no cover - another process
        os.execv(SIGNET, [SIGNET, "token", *trust])
    shown = b""
    while b"Token: " not in shown:
        shown += os.read(terminal, 1024)
    os.write(terminal, token.encode() + b"\n")
    while True:
        try:
            more = os.read(terminal, 65536)
        except OSError:
            break
        if not more:
            break
        shown += more
    _, status = os.waitpid(pid, 0)
    os.close(terminal)
    assert os.waitstatus_to_exitcode(status) == 0
    assert token[-20:].encode() not in shown
    assert b"Accepted, as far as was checked" in shown


def test_it_agrees_with_the_running_services(stack: EmbeddedStack, inspect: "Inspect") -> None:
    """A login's token, whole and altered: what orders answers is what the inspector says, reason and status."""
    account = {"email": "grace@example.org", "password": "seven levers and a spring", "name": "Grace"}
    httpx.post(f"{stack.url}/register", json=account, trust_env=False).raise_for_status()
    login = {name: account[name] for name in ("email", "password")}
    answers = [
        httpx.post(f"{stack.url}/login", json=login | more, trust_env=False).raise_for_status().json()
        for more in ({}, {"resource": ["urn:signet:profile"]})
    ]
    good, narrow = (answer["access_token"] for answer in answers)
    header, payload, signature = good.split(".")
    for token in (good, narrow, f"{header}.{payload}.{signature[::-1]}", f"{good}=", f"{header}.{payload}."):
        answer = httpx.get(f"{stack.url}/api/orders", headers={"authorization": f"Bearer {token}"}, trust_env=False)
        ended = inspect(
            "token", "--json", "--jwks", stack.url, "--issuer", stack.url, "--audience", "urn:signet:orders",
            stdin=token.encode(),
        )  # fmt: skip
        said = ended.document
        if answer.status_code == 200:
            assert (ended.status, said["verdict"]) == (0, "accepted")
        else:
            problem = answer.json()
            assert (said["status"], said["reason"], said["detail"]) == (
                answer.status_code,
                problem["reason"],
                problem["detail"],
            )
