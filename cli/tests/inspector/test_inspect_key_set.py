"""`signet jwks`: what a key set is, how it is served, and each fault that there can be."""

import base64
import datetime as dt
import re
from typing import TYPE_CHECKING

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding

from signet.stack import EmbeddedStack
from token_verification.compact_jws import base64url_encoded
from token_verification.testing import Behaviour, FakeIssuer, key_id_of

if TYPE_CHECKING:
    from cli.tests.inspector.conftest import Ended, Inspect, Publisher, Serve

ISSUER = FakeIssuer()
ISSUER.rotate()
FIRST, SECOND = ISSUER.jwk_set["keys"]


def codes(ended: "Ended") -> list[tuple[str, str]]:
    """Return what was found, in a document."""
    return [(fault["severity"], fault["code"]) for fault in ended.document["faults"]]


def number(value: int) -> str:
    return base64url_encoded(value.to_bytes((value.bit_length() + 7) // 8, "big")).decode()


def test_the_running_systems_key_set_is_without_a_fault(stack: EmbeddedStack, inspect: "Inspect") -> None:
    """Auth's own set: two keys under their thumbprints, cached, its ETag honoured, and nothing to complain of."""
    ended = inspect("jwks", f"{stack.url}/.well-known/jwks.json")
    assert ended.status == 0, ended.out + ended.err
    assert "No faults found" in ended.out
    assert len(re.findall(r"^  \d [\w-]{43} matches RSA 3072 sig RS256 yes *$", ended.out, re.MULTILINE)) == 2
    assert re.search(r"Cache-Control +public, max-age=300 +good for 5 min", ended.out)
    assert re.search(r'ETag +"[^"]+" +honoured: asked again, 304', " ".join(ended.out.split()))
    assert re.search(r"Content-Type +application/jwk-set\+json", ended.out)


def test_an_issuer_is_enough(stack: EmbeddedStack, inspect: "Inspect") -> None:
    """Of an issuer's URL the metadata is read, and followed to the key set; and it says so."""
    ended = inspect("jwks", stack.url, "--json")
    document = ended.document
    assert (ended.status, document["issuer"], len(document["keys"])) == (0, stack.url, 2)
    assert document["metadata"] == f"{stack.url}/.well-known/oauth-authorization-server"
    assert document["jwks_uri"] == f"{stack.url}/.well-known/jwks.json"
    assert "named as jwks_uri by" in inspect("jwks", stack.url).out
    direct = inspect("jwks", document["metadata"], "--json")
    assert (direct.status, direct.document["jwks_uri"]) == (0, document["jwks_uri"])


def test_a_foreign_issuer_is_enough_too(publisher: "Publisher", inspect: "Inspect") -> None:
    """OpenID Connect's metadata is found where it lies; an issuer that calls itself otherwise is noticed."""
    keys = publisher.publish(ISSUER.jwk_set)
    tenant = f"{publisher.url}/tenant"
    publisher.publish({"issuer": tenant, "jwks_uri": keys}, "/tenant/.well-known/openid-configuration")
    assert codes(inspect("jwks", tenant, "--json")) == []
    publisher.publish({"issuer": "https://other", "jwks_uri": keys}, "/tenant/.well-known/openid-configuration")
    assert codes(inspect("jwks", tenant, "--json")) == [("warning", "issuer_differs")]
    publisher.publish({"jwks_uri": "file:///etc/passwd"}, "/tenant/.well-known/openid-configuration")
    assert inspect("jwks", tenant).status == 2


@pytest.mark.parametrize("status", [404, 500])
def test_what_cannot_be_fetched(status: int, publisher: "Publisher", inspect: "Inspect") -> None:
    """An error, or nobody there: exit status 2 and a sentence, or a document with it."""
    url = publisher.publish(b"", status=status)
    ended = inspect("jwks", url)
    assert (ended.status, ended.out) == (2, "")
    assert ended.err == f"signet: {url} could not be fetched: the answer was {status}.\n"
    document = inspect("jwks", url, "--json").document
    assert document == {
        "version": 1,
        "url": url,
        "fetched": False,
        "failure": f"{url} could not be fetched: the answer was {status}.",
    }
    assert inspect("jwks", "http://127.0.0.1:1/").err.startswith("signet: http://127.0.0.1:1/ could not be fetched: ")


@pytest.mark.parametrize("url", ["ftp://a/", "localhost:8080", "http://", "https://u:p@a/", "http://[", "http://a:b/"])
def test_what_is_no_url(url: str, inspect: "Inspect") -> None:
    """What cannot be asked, and what holds a password, is a mistake of usage."""
    ended = inspect("jwks", url, "--json")
    assert (ended.status, ended.out) == (2, "")
    assert ended.err.startswith("signet: ")
    assert "u:p" not in ended.err


@pytest.mark.parametrize(
    "behaviour",
    [
        "well", "error", "hang", "garbage", "html", "array", "huge", "redirect", "compressed", "empty",
        "private_members", "weak_key", "encryption_key", "twice_the_same_kid",
    ],
)  # fmt: skip
def test_it_agrees_with_the_services(behaviour: Behaviour, serve: "Serve", inspect: "Inspect") -> None:
    """Where a service would take no key from an answer, neither does the inspector, and it says so."""
    issuer = FakeIssuer()
    url = serve(issuer.asgi)
    issuer.behaviour = behaviour
    ended = inspect("jwks", url, "--json")
    document = ended.document
    used = [key["kid"] for key in document.get("keys", []) if key["used"]]
    if behaviour == "well":
        assert (ended.status, used) == (0, [issuer.key_id])
    else:
        assert ended.status == (2 if behaviour in {"error", "hang"} else 1)
        assert not document["fetched"] or [fault for fault in document["faults"] if fault["severity"] == "error"]
        if behaviour != "html":  # the keys are shown, and are good ones
            assert used == []
    issuer.behaviour = "well"


def certificate(private: rsa.RSAPrivateKey, born: dt.datetime) -> str:
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "keys")])
    made = x509.CertificateBuilder(name, name, private.public_key(), 1, born, born + dt.timedelta(days=365))
    return base64.b64encode(made.sign(private, SHA256()).public_bytes(Encoding.DER)).decode()


def test_a_foreign_issuers_keys_are_told_apart(publisher: "Publisher", inspect: "Inspect") -> None:
    """EC, Edwards and certified RSA keys: what each is, how old, and whether and why not a Signet service uses it."""
    point = ec.generate_private_key(ec.SECP256R1()).public_key().public_numbers()
    edwards = ed25519.Ed25519PrivateKey.generate().public_key().public_bytes_raw()
    born = dt.datetime.now(dt.UTC) - dt.timedelta(days=3, hours=1)
    certified = FIRST | {"x5c": [certificate(ISSUER.attackers_key(), born)]}
    public = {"use": "sig"}
    own = SECOND | {"x5c": [certificate(ISSUER.private_key, born)]}
    keys = [
        public | {"kty": "EC", "crv": "P-256", "x": number(point.x), "y": number(point.y), "alg": "ES256", "kid": "a"},
        public | {"kty": "OKP", "crv": "Ed25519", "x": base64url_encoded(edwards).decode(), "alg": "EdDSA", "kid": "b"},
        own,
        certified,
        FIRST | {"kid": "broken", "n": SECOND["n"], "alg": "RS512", "x5c": ["AAAA"], "iat": 1},
    ]  # fmt: skip
    url = publisher.publish({"keys": keys}, headers={"age": "90", "last-modified": "Thu, 01 Jan 2026 00:00:00 GMT"})
    ended = inspect("jwks", url, "--json")
    found = ended.document["keys"]
    assert [(key["used"], key["not_used_because"]) for key in found] == [
        (False, "has kty EC instead of RSA"),
        (False, "has kty OKP instead of RSA"),
        (True, None),
        (True, None),
        (False, "has alg RS512 instead of RS256"),
    ]
    assert found[2]["born"] == int(born.timestamp())
    assert codes(ended) == [("error", "certificate_differs"), ("warning", "key_doubled")]
    page = inspect("jwks", url, columns=120).out
    assert re.search(r"1 +a +differs +EC P-256 +sig +ES256 +unknown +no", page)
    assert re.search(r"2 +b +differs +OKP Ed25519 +sig +EdDSA +unknown +no", page)
    assert re.search(r"3 +[\w-]{43} +matches +RSA 2048 +sig +RS256 +3 d 1 h +yes", page)
    assert "Key 1 is not used: it has kty EC instead of RSA." in page
    assert re.search(r"Age +90 +a cache had kept it for 1 min 30 s", page)
    assert re.search(r"Last-Modified +Thu, 01 Jan 2026 00:00:00 GMT +\d+ d ago", page)


def test_thumbprints_are_those_of_the_standards(publisher: "Publisher", inspect: "Inspect") -> None:
    """The examples of RFC 7638 (RSA) and RFC 8037 (Ed25519) have the thumbprints that stand there."""
    keys = [
        {
            "kty": "RSA",
            "n": "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjB"
            "ZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8"
            "KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_"
            "xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw",
            "e": "AQAB",
            "alg": "RS256",
            "kid": "2011-04-29",
        },
        {"kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"},
    ]
    found = inspect("jwks", publisher.publish({"keys": keys}), "--json").document["keys"]
    assert [key["thumbprint"] for key in found] == [
        "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs",
        "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k",
    ]
    assert [key["kid_is_thumbprint"] for key in found] == [False, None]
    assert key_id_of(ISSUER.private_key.public_key()) == SECOND["kid"]


HOSTILE = "\x1b]0;owned\x07\x1b[2J\x9b\x7f\r\n\u202e[bold red]markup[/]"


@pytest.mark.parametrize("colours", [True, False])
def test_a_key_set_cannot_talk_to_the_terminal(colours: object, publisher: "Publisher", inspect: "Inspect") -> None:
    """Whatever a server writes into its keys, headers and metadata is shown, and obeyed by nobody."""
    entry = dict.fromkeys(("kid", "kty", "use", "alg", "crv", HOSTILE), HOSTILE)
    header = "\x9b2J \x85 \xad [bold red]markup[/]"
    served = {"cache-control": header, "etag": header, "age": header, "last-modified": header}
    keys = publisher.publish({"keys": [entry, entry, FIRST | {"d": 1}, SECOND]}, headers=served)
    publisher.publish({"issuer": HOSTILE, "jwks_uri": keys}, "/.well-known/openid-configuration")
    elsewhere = publisher.publish(b"", "/there", status=302, headers={"location": header, "content-type": header})
    for arguments in ((publisher.url,), (elsewhere,), (publisher.url, "--json")):
        ended = inspect("jwks", *arguments, colours=colours)
        printed = re.sub(r"\x1b\[[0-9;]*m", "", ended.out) if colours else ended.out
        assert [char for char in printed if not char.isprintable() and char != "\n"] == []
        assert "[boldred]markup[/]" in "".join(printed.split())


def test_the_document_is_stable(publisher: "Publisher", inspect: "Inspect") -> None:
    """Programs may rely on these members."""
    document = inspect("jwks", publisher.publish({"keys": [FIRST | {"e": "Aw"}, SECOND]}), "--json").document
    assert list(document) == [
        "version", "url", "fetched", "jwks_uri", "metadata", "issuer", "fetched_at", "status", "bytes", "content_type",
        "cache_control", "max_age", "etag", "etag_honoured", "last_modified", "age", "keys", "faults",
    ]  # fmt: skip
    assert list(document["keys"][0]) == [
        "number", "kid", "kty", "crv", "use", "alg", "bits", "thumbprint", "kid_is_thumbprint", "born", "members",
        "used", "not_used_because",
    ]  # fmt: skip
    assert document["faults"][0].keys() == {"severity", "code", "key", "sentence"}
    assert (document["version"], document["etag_honoured"], document["faults"][0]["key"]) == (1, True, 1)


@pytest.mark.parametrize("columns", [80, 120])
def test_lines_end_where_the_terminal_does(columns: int, publisher: "Publisher", inspect: "Inspect") -> None:
    """No line is wider than the terminal, and a thumbprint as a kid stands on one line, to be copied."""
    url = publisher.publish({"keys": [FIRST | {"e": "Aw"}, SECOND]}, headers={"cache-control": "x" * 200})
    ended = inspect("jwks", url, columns=columns)
    assert max(map(len, ended.out.splitlines())) <= columns
    assert FIRST["kid"] in ended.out
