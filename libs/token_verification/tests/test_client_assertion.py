"""A client proves itself by a signed assertion, and by nothing that resembles one."""

import functools
import hmac
import json
import time
from collections.abc import Callable, Mapping
from typing import Any

import httpx
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from token_verification import AccessTokenVerifier, InvalidToken, KeysUnavailable, RemoteKeySet, StaticKeySet
from token_verification.client_assertion import (
    LONGEST_LIFE,
    TYPE,
    ClientAssertion,
    ClientAssertions,
    ClientAssertionVerifier,
    ClientKey,
    InvalidAssertion,
)
from token_verification.compact_jws import base64url_decoded, base64url_encoded
from token_verification.forgeries import FORGERIES
from token_verification.key_set import KeySet
from token_verification.testing import FakeClock, FakeIssuer, json_bytes, key_id_of

ISSUER = "https://issuer.test"
CLIENT = FakeIssuer("orders")
"""Not an issuer here: it has keys, and signs whatever it is told to."""
OTHER = FakeIssuer("reports")
NOW = 1_800_000_000


async def keys_of(client_id: str) -> KeySet | None:
    return {"orders": CLIENT.key_set, "reports": OTHER.key_set}.get(client_id)


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock(NOW)


@pytest.fixture
def verifier(clock: FakeClock) -> ClientAssertionVerifier:
    return ClientAssertionVerifier(issuer=ISSUER, keys_of=keys_of, clock=clock)


def header(**members: object) -> dict[str, object]:
    return {"alg": "RS256", "typ": TYPE, "kid": CLIENT.key_id} | members


def claims(**members: object) -> dict[str, object]:
    good: dict[str, object] = {
        "iss": "orders",
        "sub": "orders",
        "aud": ISSUER,
        "iat": NOW,
        "exp": NOW + 60,
        "jti": "one",
    }
    return {name: value for name, value in (good | members).items() if value is not None}


def assertion(*, head: Mapping[str, object] | None = None, **members: object) -> str:
    """Sign an assertion: a good one, unless the arguments make it a bad one. None leaves a claim out."""
    return CLIENT.sign(json_bytes(head or header()), json_bytes(claims(**members)))


def without(name: str) -> str:
    return CLIENT.sign(json_bytes(header()), json_bytes(claims(**{name: None})))


def client_key() -> ClientKey:
    return ClientKey(CLIENT.private_key)


def test_what_the_client_makes_says_what_it_should(clock: FakeClock) -> None:
    """Header and claims are exactly those of the protocol, the audience is the issuer, and the life is 60 s."""
    made = ClientAssertions("orders", client_key(), issuer=ISSUER, clock=clock).new()
    # PyJWT is a second opinion on what was signed.
    key = jwt.PyJWK(CLIENT.jwk_set["keys"][0])
    options: Any = {"verify_exp": False, "verify_iat": False}
    said = jwt.decode(made, key, algorithms=["RS256"], audience=ISSUER, options=options)
    assert said.pop("jti")
    assert said == {"iss": "orders", "sub": "orders", "aud": ISSUER, "iat": NOW, "exp": NOW + 60}
    assert jwt.get_unverified_header(made) == {"alg": "RS256", "typ": TYPE, "kid": CLIENT.key_id}
    assert LONGEST_LIFE == 60


async def test_what_the_client_makes_is_accepted(verifier: ClientAssertionVerifier, clock: FakeClock) -> None:
    """A new assertion proves the client; each has an id of its own and says until when it must be remembered."""
    maker = ClientAssertions("orders", client_key(), issuer=ISSUER, clock=clock)
    verified = [await verifier.verify(maker.new()) for _ in range(3)]
    assert [(one.client_id, one.expires_at) for one in verified] == [("orders", NOW + 60)] * 3
    assert len({one.assertion_id for one in verified}) == 3
    assert all(len(one.assertion_id) >= 22 for one in verified), "16 random bytes"


async def test_clocks_are_those_of_the_machine_by_default() -> None:
    """Without a clock passed in, both sides go by the wall clock."""
    made = ClientAssertions("orders", client_key(), issuer=ISSUER, life=10).new()
    verified = await ClientAssertionVerifier(issuer=ISSUER, keys_of=keys_of).verify(made)
    assert abs(verified.expires_at - 10 - time.time()) < 5


@pytest.mark.parametrize(
    "members",
    [
        {"aud": [ISSUER]},
        {"iat": NOW + 5, "exp": NOW + 65},
        {"iat": NOW - 64, "exp": NOW - 4},
        {"nbf": NOW + 5},
        {"exp": NOW + 1},
        {"more": {"than": "needed"}},
    ],
    ids=str,
)
async def test_accepts_what_the_protocol_allows(verifier: ClientAssertionVerifier, members: dict[str, Any]) -> None:
    """The audience may be a list of the issuer alone, clocks may be 5 s apart, and other claims do not matter."""
    assert (await verifier.verify(assertion(**members))).client_id == "orders"


def hmac_by_the_public_key() -> str:
    secret = CLIENT.private_key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    signed = b".".join(base64url_encoded(json_bytes(part)) for part in (header(alg="HS256"), claims()))
    return (signed + b"." + base64url_encoded(hmac.digest(secret, signed, "sha256"))).decode()


REFUSED: dict[str, tuple[str, Callable[[], str]]] = {
    # The algorithm.
    "alg-none": ("unsupported_algorithm", lambda: assertion(head=header(alg="none"))),
    "alg-none-unsigned": ("malformed", lambda: assertion(head=header(alg="none")).rpartition(".")[0] + "."),
    "alg-none-in-capitals": ("unsupported_algorithm", lambda: assertion(head=header(alg="NONE"))),
    "alg-hs256": ("unsupported_algorithm", lambda: assertion(head=header(alg="HS256"))),
    "alg-hs256-by-the-public-key": ("unsupported_algorithm", hmac_by_the_public_key),
    "alg-rs384": ("unsupported_algorithm", lambda: assertion(head=header(alg="RS384"))),
    "alg-ps256": ("unsupported_algorithm", lambda: assertion(head=header(alg="PS256"))),
    "alg-es256": ("unsupported_algorithm", lambda: assertion(head=header(alg="ES256"))),
    "alg-lower-case": ("unsupported_algorithm", lambda: assertion(head=header(alg="rs256"))),
    "alg-missing": ("unsupported_algorithm", lambda: assertion(head={"typ": TYPE, "kid": CLIENT.key_id})),
    "alg-list": ("unsupported_algorithm", lambda: assertion(head=header(alg=["RS256"]))),
    # The type.
    "typ-jwt": ("wrong_type", lambda: assertion(head=header(typ="JWT"))),
    "typ-access-token": ("wrong_type", lambda: assertion(head=header(typ="at+jwt"))),
    "typ-feed": ("wrong_type", lambda: assertion(head=header(typ="revocations+jwt"))),
    "typ-missing": ("wrong_type", lambda: assertion(head={"alg": "RS256", "kid": CLIENT.key_id})),
    "typ-as-media-type": ("wrong_type", lambda: assertion(head=header(typ=f"application/{TYPE}"))),
    # The rest of the header.
    "kid-missing": ("malformed", lambda: assertion(head={"alg": "RS256", "typ": TYPE})),
    "kid-empty": ("malformed", lambda: assertion(head=header(kid=""))),
    "kid-number": ("malformed", lambda: assertion(head=header(kid=7))),
    "kid-endless": ("malformed", lambda: assertion(head=header(kid="k" * 257))),
    "kid-unknown": ("unknown_kid", lambda: assertion(head=header(kid="elsewhere"))),
    "kid-of-another-client": ("unknown_kid", lambda: assertion(head=header(kid=OTHER.key_id))),
    "jwk-in-the-header": ("malformed", lambda: assertion(head=header(jwk=CLIENT.jwk_set["keys"][0]))),
    "jku-in-the-header": ("malformed", lambda: assertion(head=header(jku="https://evil.test/keys"))),
    "crit-in-the-header": ("malformed", lambda: assertion(head=header(crit=["exp"]))),
    # The signature.
    "another-clients-key": ("bad_signature", lambda: signed_with(OTHER.private_key)),
    "a-strangers-key": ("bad_signature", lambda: signed_with(CLIENT.attackers_key())),
    "another-clients-key-and-kid": (
        "unknown_kid",
        lambda: OTHER.sign(json_bytes(header(kid=OTHER.key_id)), json_bytes(claims())),
    ),
    "another-clients-name": ("unknown_kid", lambda: assertion(iss="reports", sub="reports")),
    "payload-changed": ("bad_signature", lambda: with_payload_of(assertion(), assertion(jti="two"))),
    # Who.
    "client-unknown": ("unknown_client", lambda: assertion(iss="nobody", sub="nobody")),
    "client-empty": ("malformed", lambda: assertion(iss="", sub="")),
    "iss-is-not-sub": ("wrong_subject", lambda: assertion(sub="reports")),
    "sub-is-not-iss": ("wrong_subject", lambda: assertion(iss="reports")),
    "iss-list": ("malformed", lambda: assertion(iss=["orders"], sub=["orders"])),
    # For whom.
    "aud-token-endpoint": ("wrong_audience", lambda: assertion(aud=f"{ISSUER}/oauth/token")),
    "aud-with-a-slash": ("wrong_audience", lambda: assertion(aud=f"{ISSUER}/")),
    "aud-other": ("wrong_audience", lambda: assertion(aud="https://other.test")),
    "aud-client": ("wrong_audience", lambda: assertion(aud="orders")),
    "aud-and-more": ("wrong_audience", lambda: assertion(aud=[ISSUER, "https://other.test"])),
    "aud-and-token-endpoint": ("wrong_audience", lambda: assertion(aud=[ISSUER, f"{ISSUER}/oauth/token"])),
    "aud-twice": ("wrong_audience", lambda: assertion(aud=[ISSUER, ISSUER])),
    "aud-nobody": ("wrong_audience", lambda: assertion(aud=[])),
    # When.
    "expired": ("expired", lambda: assertion(iat=NOW - 65, exp=NOW - 5)),
    "life-too-long": ("life_too_long", lambda: assertion(exp=NOW + 61)),
    "life-of-years": ("life_too_long", lambda: assertion(iat=0, exp=NOW + 1)),
    "life-none": ("life_too_long", lambda: assertion(exp=NOW)),
    "life-backwards": ("life_too_long", lambda: assertion(iat=NOW + 2, exp=NOW + 1)),
    "iat-in-the-future": ("not_yet_valid", lambda: assertion(iat=NOW + 6, exp=NOW + 20)),
    "nbf-in-the-future": ("not_yet_valid", lambda: assertion(nbf=NOW + 6)),
    "exp-boolean": ("malformed", lambda: assertion(exp=True)),
    "exp-float": ("malformed", lambda: assertion(exp=NOW + 0.5)),
    "exp-string": ("malformed", lambda: assertion(exp=str(NOW + 60))),
    "jti-empty": ("malformed", lambda: assertion(jti="")),
    "jti-number": ("malformed", lambda: assertion(jti=1)),
    "jti-endless": ("malformed", lambda: assertion(jti="j" * 256)),
    **{f"{name}-missing": ("missing_claim", functools.partial(without, name)) for name in claims()},
    # The form.
    "empty": ("malformed", str),
    "two-parts": ("malformed", lambda: assertion().rpartition(".")[0]),
    "padded": ("malformed", lambda: f"{assertion()}="),
    "spaces": ("malformed", lambda: f" {assertion()}"),
    "line-end": ("malformed", lambda: f"{assertion()}\n"),
    "not-ascii": ("malformed", lambda: f"{assertion()}é"),
    "oversize": ("malformed", lambda: assertion(pad="p" * 6200)),
    "header-member-twice": (
        "malformed",
        lambda: CLIENT.sign(json_bytes(header())[:-1] + b',"alg":"RS256"}', json_bytes(claims())),
    ),
    "claim-twice": (
        "malformed",
        lambda: CLIENT.sign(json_bytes(header()), json_bytes(claims())[:-1] + b',"jti":"two"}'),
    ),
    "payload-array": ("malformed", lambda: CLIENT.sign(json_bytes(header()), b"[]")),
    "payload-not-json": ("malformed", lambda: CLIENT.sign(json_bytes(header()), b"iss=orders")),
    "access-token-of-the-issuer": ("wrong_type", lambda: FakeIssuer(ISSUER, clock=lambda: NOW).token()),
    "access-token-of-the-client": ("wrong_type", lambda: assertion(head=CLIENT.header(), client_id="orders")),
}


def signed_with(key: RSAPrivateKey) -> str:
    return CLIENT.sign(json_bytes(header()), json_bytes(claims()), key=key)


def with_payload_of(signed: str, other: str) -> str:
    head, _, signature = signed.split(".")
    return ".".join((head, other.split(".")[1], signature))


@pytest.mark.parametrize("name", REFUSED)
async def test_refuses(verifier: ClientAssertionVerifier, name: str) -> None:
    """Whatever deviates from a good assertion in one way is refused for that."""
    reason, make = REFUSED[name]
    told = make()
    with pytest.raises(InvalidAssertion) as refusal:
        await verifier.verify(told)
    assert refusal.value.reason == reason
    assert told == "" or all(part not in str(refusal.value) for part in told.split(".") if len(part) > 30)


async def test_no_forged_access_token_is_an_assertion(verifier: ClientAssertionVerifier) -> None:
    """None of the library's forgeries passes, sent as an assertion."""
    sent = 0
    for forgery in FORGERIES:
        for _, value in forgery.make(CLIENT, "urn:test:api").headers:
            with pytest.raises(InvalidAssertion):
                await verifier.verify(value.decode("latin-1").removeprefix("Bearer "))
            sent += 1
    assert sent > 100


async def test_an_assertion_is_no_access_token() -> None:
    """A resource server that trusts the client's keys for tokens, by whatever mistake, still takes no assertion."""
    claims_of_both = claims(client_id="orders", sid="s", auth_time=NOW, scope="read")
    told = CLIENT.sign(json_bytes(header()), json_bytes(claims_of_both))
    resource_server = AccessTokenVerifier(
        issuer="orders", audience=ISSUER, key_set=CLIENT.key_set, clock=lambda: float(NOW)
    )
    with pytest.raises(InvalidToken) as refusal:
        await resource_server.verify(told)
    assert refusal.value.reason == "wrong_type"


async def test_keys_that_cannot_be_had_are_no_refusal() -> None:
    """While the client's key set is unreachable, nobody can tell: KeysUnavailable, and never InvalidAssertion."""
    client = FakeIssuer("away")
    client.behaviour = "down"
    async with (
        httpx.AsyncClient(transport=client.transport) as http,
        RemoteKeySet(client.jwks_uri, issuer="away", http=http) as key_set,
    ):

        async def away(_: str) -> KeySet:
            return key_set

        verifier = ClientAssertionVerifier(issuer=ISSUER, keys_of=away, clock=lambda: float(NOW))
        with pytest.raises(KeysUnavailable):
            await verifier.verify(assertion(iss="away", sub="away"))


async def test_the_payload_chooses_among_known_key_sets_alone() -> None:
    """Before the signature is verified, `keys_of` is asked for the one client named, and nothing else happens."""
    asked = []

    async def recording(client_id: str) -> KeySet | None:
        asked.append(client_id)
        return await keys_of(client_id)

    verifier = ClientAssertionVerifier(issuer=ISSUER, keys_of=recording, clock=lambda: float(NOW))
    await verifier.verify(assertion())
    for bad in (assertion(aud=7), assertion(sub="reports"), assertion(head=header(typ="JWT"))):
        with pytest.raises(InvalidAssertion):
            await verifier.verify(bad)
    assert asked == ["orders"]


def test_a_key_survives_being_written_down() -> None:
    """What `to_bytes` writes, `from_bytes` reads: the same key, under the same id."""
    key = client_key()
    again = ClientKey.from_bytes(key.to_bytes())
    assert (again.key_id, again.jwk) == (key.key_id, key.jwk)
    assert again.sign(b"x") == key.sign(b"x")


def test_a_key_is_named_by_its_thumbprint_and_shows_its_public_half() -> None:
    """The key id is the RFC 7638 thumbprint; the JWK has six members and none of them is private."""
    key = client_key()
    assert key.key_id == key_id_of(CLIENT.private_key.public_key())
    assert sorted(key.jwk) == ["alg", "e", "kid", "kty", "n", "use"]
    assert StaticKeySet({"keys": [key.jwk]}).known(key.key_id) is not None


def test_a_key_never_shows_its_private_half() -> None:
    """Neither printing a key nor dumping what it says of itself shows a private number."""
    key = client_key()
    numbers = CLIENT.private_key.private_numbers()
    for said in (repr(key), str(key), json.dumps(key.jwk), repr(ClientAssertions("orders", key, issuer=ISSUER))):
        assert str(numbers.d) not in said
        assert f"{numbers.p:x}" not in said


@pytest.mark.parametrize(("made", "bits"), [(ClientKey.make, 3072), (lambda: ClientKey.make(2048), 2048)])
def test_a_new_key_has_the_size_asked_for(made: Callable[[], ClientKey], bits: int) -> None:
    """RSA 3072 by default, 2048 selectable."""
    assert len(base64url_decoded(made().jwk["n"].encode())) * 8 == bits


@pytest.mark.parametrize("kind", ["garbage", "empty", "elliptic", "encrypted", "cut"])
def test_what_is_no_key_is_refused(kind: str) -> None:
    """Bytes that are no unencrypted RSA key in PKCS #8 are a ValueError, whatever the library underneath raises."""
    der, pkcs8 = Encoding.DER, PrivateFormat.PKCS8
    serialised = {
        "garbage": b"\x30\x00 nothing",
        "empty": b"",
        "elliptic": generate_private_key(SECP256R1()).private_bytes(der, pkcs8, NoEncryption()),
        "encrypted": CLIENT.private_key.private_bytes(der, pkcs8, BestAvailableEncryption(b"x")),
        "cut": client_key().to_bytes()[:-9],
    }[kind]
    with pytest.raises(ValueError, match="this is not a private RSA key"):
        ClientKey.from_bytes(serialised)


def test_a_verified_assertion_cannot_be_changed() -> None:
    """What was verified stays as it was verified."""
    verified = ClientAssertion("orders", "one", NOW)
    with pytest.raises(AttributeError):
        verified.client_id = "reports"  # type: ignore[misc]
