"""`signet jwks`: each fault that a key set can have is found, and no other with it."""

import json
from typing import TYPE_CHECKING, Any

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from token_verification.compact_jws import base64url_decoded, base64url_encoded
from token_verification.testing import FakeIssuer

if TYPE_CHECKING:
    from cli.tests.inspector.conftest import Ended, Inspect, Publisher

ISSUER = FakeIssuer()
ISSUER.rotate()
FIRST, SECOND = ISSUER.jwk_set["keys"]
ROCA = base64url_encoded((65537**128).to_bytes(257, "big")).decode()
SMALL_FACTOR = base64url_encoded((3 * 2**2047 + 3).to_bytes(257, "big")).decode()


FIRST_NUMBER = int.from_bytes(base64url_decoded(FIRST["n"].encode()), "big")


def codes(ended: "Ended") -> list[tuple[str, str]]:
    """Return what was found, in a document."""
    return [(fault["severity"], fault["code"]) for fault in ended.document["faults"]]


def number(value: int) -> str:
    return base64url_encoded(value.to_bytes((value.bit_length() + 7) // 8, "big")).decode()


def weak() -> str:
    return number(rsa.generate_private_key(65537, 1024).public_key().public_numbers().n)


@pytest.mark.parametrize(
    ("keys", "found"),
    [
        ([FIRST | {"d": "c2VjcmV0"}, SECOND], [("error", "private_members")]),
        ([FIRST | {"n": weak()}, SECOND], [("error", "weak_key")]),
        ([FIRST | {"n": number(FIRST_NUMBER**5)}, SECOND], [("error", "oversize_key")]),
        ([FIRST | {"e": "Aw"}, SECOND], [("error", "bad_exponent")]),
        ([FIRST | {"n": ROCA}, SECOND], [("error", "roca")]),
        ([FIRST | {"n": SMALL_FACTOR}, SECOND], [("error", "small_factor")]),
        ([FIRST | {"n": "A=="}, SECOND], [("error", "unreadable")]),
        ([FIRST | {"n": 7}, SECOND], [("error", "unreadable")]),
        ([FIRST, SECOND, SECOND | {"n": FIRST["n"]}], [("error", "kid_doubled"), ("warning", "key_doubled")]),
        ([FIRST, SECOND, SECOND | {"kid": "other"}], [("warning", "key_doubled")]),
        (["key", SECOND], [("error", "not_an_object")]),
        ([{name: FIRST[name] for name in FIRST if name != "kid"}, SECOND], [("warning", "kid_missing")]),
        ([FIRST | {"kid": 7}, SECOND], [("warning", "kid_missing")]),
        ([FIRST | {"kid": "k" * 257}, SECOND], [("warning", "kid_too_long")]),
        ([{name: FIRST[name] for name in FIRST if name != "use"}, SECOND], [("warning", "use_missing")]),
        ([{name: FIRST[name] for name in FIRST if name != "alg"}, SECOND], [("warning", "alg_missing")]),
        ([FIRST | {"kty": ["RSA"]}, SECOND], [("warning", "kty_missing")]),
        ([FIRST | {"kty": "oct", "alg": "HS256", "k": "c2VjcmV0"}, SECOND], [("error", "private_members")]),
        ([FIRST | {"use": "enc"}], [("error", "no_usable_key")]),
        ([], [("error", "no_usable_key")]),
    ],
)  # fmt: skip
def test_faults_of_keys(
    keys: list[Any], found: list[tuple[str, str]], publisher: "Publisher", inspect: "Inspect"
) -> None:
    """Each fault that a key can have is found, and no other with it; the exit status is 1."""
    url = publisher.publish({"keys": keys})
    ended = inspect("jwks", url, "--json")
    assert codes(ended) == found
    assert ended.status == 1
    page = inspect("jwks", url)
    assert page.status == 1
    assert all(code in page.out for _, code in found)
    assert "c2VjcmV0" not in page.out + ended.out


@pytest.mark.parametrize(
    ("headers", "found"),
    [
        ({"cache-control": None}, [("warning", "no_max_age")]),
        ({"cache-control": "public"}, [("warning", "no_max_age")]),
        ({"cache-control": "no-store, max-age=300"}, [("warning", "not_cacheable")]),
        ({"cache-control": "max-age=0"}, [("warning", "max_age_short")]),
        ({"cache-control": "max-age=31536000"}, [("warning", "max_age_long")]),
        ({"etag": None}, [("warning", "no_etag")]),
        ({"cache-control": None, "etag": None}, [("warning", "no_max_age"), ("warning", "no_etag")]),
        ({"content-type": "application/json"}, []),
        ({"content-type": "text/html"}, [("error", "wrong_media_type")]),
        ({"content-type": None}, [("error", "wrong_media_type")]),
        ({"content-encoding": "gzip"}, [("error", "compressed")]),
    ],
)
def test_faults_of_serving(
    headers: dict[str, str | None], found: list[tuple[str, str]], publisher: "Publisher", inspect: "Inspect"
) -> None:
    """Each fault of the answer around the keys is found, and no other with it."""
    ended = inspect("jwks", publisher.publish(ISSUER.jwk_set, headers=headers), "--json")
    assert codes(ended) == found
    assert ended.status == (1 if found else 0)
    assert len(ended.document["keys"]) == 2


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (b"\x00", "it is not valid JSON in UTF-8"),
        (b"[]", "it is not a JSON object"),
        (b'{"keys": {}}', "it has no list of keys"),
        (b'{"keys": [], "keys": []}', "it names a JSON member twice"),
    ],
)
def test_what_is_no_key_set(body: bytes, why: str, publisher: "Publisher", inspect: "Inspect") -> None:
    """An answer that is no JWK Set is a fault, and it says what is wrong with it."""
    ended = inspect("jwks", publisher.publish(body))
    assert ended.status == 1
    assert f"It is no JWK Set: {why}." in " ".join(ended.out.split())
    assert "No keys" in ended.out


def test_a_tag_that_is_not_honoured(publisher: "Publisher", inspect: "Inspect") -> None:
    """A server that shows an ETag and then sends everything again is found out."""
    ended = inspect("jwks", publisher.publish(ISSUER.jwk_set, honours_tags=False))
    assert ended.status == 1
    assert "not honoured: asked again, 200" in ended.out
    assert "etag_not_honoured" in ended.out


def test_redirects_and_endless_answers(publisher: "Publisher", inspect: "Inspect") -> None:
    """A redirect is not followed, and a set beyond 64 KiB not read: services do neither."""
    url = publisher.publish(b"", status=302, headers={"location": "/elsewhere"})
    publisher.publish(ISSUER.jwk_set, "/elsewhere")
    ended = inspect("jwks", url)
    assert ended.status == 1
    assert "The answer is a redirect (302) to /elsewhere, which services do not follow." in " ".join(ended.out.split())
    large = publisher.publish(json.dumps(ISSUER.jwk_set).encode() + b" " * 70_000)
    assert codes(inspect("jwks", large, "--json")) == [("error", "too_large")]


def test_a_set_that_is_not_served_over_https(
    publisher: "Publisher", inspect: "Inspect", monkeypatch: pytest.MonkeyPatch
) -> None:
    """Away from this machine, http is a fault. (The server stands in as a proxy, which is used then, and only then.)"""
    monkeypatch.setenv("http_proxy", publisher.url)
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    publisher.publish(ISSUER.jwk_set, "http://keys.example/jwks.json")
    assert codes(inspect("jwks", "http://keys.example/jwks.json", "--json")) == [("error", "not_https")]
    near = publisher.publish(ISSUER.jwk_set)
    assert inspect("jwks", near).status == 0
    assert inspect("jwks", near.replace("127.0.0.1", "localhost")).status == 0
