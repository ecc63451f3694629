"""Register, log in, and be known to two services that have never heard of the login."""

import base64
import hashlib
import json
import re
from time import perf_counter, time
from typing import Any

import httpx
import pytest
from tests.running_system import Person, System, problem

from token_verification import AccessTokenVerifier, StaticKeySet

EVERYONES_SCOPES = "profile:read profile:write orders:read orders:write logins:manage"
AUDIENCES = ["urn:signet:auth", "urn:signet:profile", "urn:signet:orders"]


def decoded(part: str) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    return document


def test_register_and_log_in(system: System) -> None:
    """An account is made, and a login answers with a bearer token that no cache may keep."""
    person = system.person("Grace")
    answer = person.log_in()
    assert answer.status_code == 200
    assert answer.json().keys() == {
        "access_token",
        "token_type",
        "expires_in",
        "scope",
        "refresh_token",
        "refresh_expires_in",
    }
    assert answer.json()["token_type"] == "Bearer"
    assert answer.json()["expires_in"] == 300
    assert answer.json()["scope"] == EVERYONES_SCOPES
    assert answer.headers["cache-control"] == "no-store"


async def test_the_token_is_what_the_protocol_says(system: System, ada: Person) -> None:
    """The token has exactly the header and claims of the protocol, and anyone can verify it with the published keys."""
    token = ada.fresh_token()
    header, claims = (decoded(part) for part in token.split(".")[:2])
    key_set = system.get("/.well-known/jwks.json").json()

    assert header.keys() == {"alg", "typ", "kid"}
    assert (header["alg"], header["typ"]) == ("RS256", "at+jwt")
    assert header["kid"] in {key["kid"] for key in key_set["keys"]}
    assert claims.keys() == {
        *("iss", "sub", "aud", "client_id", "iat", "exp", "jti", "sid", "auth_time", "scope", "name"),
    }
    assert claims["iss"] == system.url
    assert claims["sub"] == ada.sub
    assert claims["aud"] == AUDIENCES
    assert claims["client_id"] == "signet"
    assert claims["exp"] - claims["iat"] == 300
    assert abs(claims["iat"] - time()) < 5
    assert claims["auth_time"] == claims["iat"]
    assert claims["scope"] == EVERYONES_SCOPES
    assert claims["name"] == ada.name
    assert ada.email not in json.dumps(claims)
    assert len(token) < 8192

    for audience in AUDIENCES:
        verifier = AccessTokenVerifier(issuer=system.url, audience=audience, key_set=StaticKeySet(key_set))
        assert (await verifier.verify(token)).subject == ada.sub


def test_each_login_is_another(ada: Person) -> None:
    """Two logins of one account have the same subject, and neither token id nor login id in common."""
    one, two = (decoded(ada.fresh_token().split(".")[1]) for _ in range(2))
    assert one["sub"] == two["sub"]
    assert one["jti"] != two["jti"]
    assert one["sid"] != two["sid"]


def test_profile_greets_by_name(system: System) -> None:
    """The first GET of a profile works without any write before it, and takes the name from the token."""
    person = system.person("Hedy")
    answer = person.get("/api/profile")
    assert answer.status_code == 200
    assert (answer.json()["sub"], answer.json()["name"]) == (person.sub, "Hedy")
    assert answer.headers["etag"].startswith('"')


def test_profile_changes_under_a_condition(system: System) -> None:
    """A change names the version it changes: 428 without a condition, 412 for a lost update, 200 otherwise."""
    person = system.person("Mary")
    etag = person.get("/api/profile").headers["etag"]
    assert problem(person.change_profile(None, bio="x")) == (428, "precondition_required")
    changed = person.change_profile(etag, bio="Wrote compilers.")
    assert (changed.status_code, changed.json()["bio"]) == (200, "Wrote compilers.")
    assert problem(person.change_profile(etag, bio="Lost.")) == (412, "precondition_failed")
    now = person.get("/api/profile")
    assert (now.json()["bio"], now.headers["etag"]) == ("Wrote compilers.", changed.headers["etag"])
    assert person.get("/api/profile", headers={"If-None-Match": now.headers["etag"]}).status_code == 304


def test_orders_cost_what_the_service_says(system: System, ada: Person) -> None:
    """An order is placed at the catalogue's price, shown newest first; no client names one."""
    items = system.get("/api/catalogue").json()["items"]
    cheap, dear = items[0], items[1]
    placed = ada.order((cheap["sku"], 2), (dear["sku"], 1))
    assert placed.status_code == 201, placed.text
    order = placed.json()
    expected = 2 * cheap["price"]["amount"] + dear["price"]["amount"]
    assert order["total"] == {"amount": expected, "currency": cheap["price"]["currency"]}
    location = placed.headers["location"]
    assert ada.get(location).json() == order

    later = ada.order((dear["sku"], 1)).json()
    listed = [one["id"] for one in ada.get("/api/orders").json()["orders"]]
    assert listed[:2] == [later["id"], order["id"]]

    priced = {"items": [{"sku": cheap["sku"], "quantity": 1, "unit_price": {"amount": 1, "currency": "EUR"}}]}
    assert problem(system.post("/api/orders", token=ada.token, json=priced)) == (422, "invalid_body")


def test_anothers_order_is_not_there(system: System, ada: Person, bob: Person) -> None:
    """Another caller's order is 404, in the same words as one that never was."""
    sku = system.get("/api/catalogue").json()["items"][0]["sku"]
    mine = ada.order((sku, 1)).json()["id"]
    anothers, nobodys = bob.get(f"/api/orders/{mine}"), bob.get("/api/orders/ord_AAAAAAAAAAAAAAAAAAAAAA")
    assert problem(anothers) == (404, "not_found")
    assert anothers.content == nobodys.content
    assert mine not in bob.get("/api/orders").text


def test_key_set(system: System) -> None:
    """The JWK Set has two public RSA keys with exactly six members, named by their thumbprints, and caching headers."""
    answer = system.get("/.well-known/jwks.json")
    assert answer.headers["content-type"] == "application/jwk-set+json"
    assert answer.headers["cache-control"] == "public, max-age=300"
    assert answer.json().keys() == {"keys"}
    assert len(answer.json()["keys"]) == 2
    for key in answer.json()["keys"]:
        assert key.keys() == {"kty", "n", "e", "kid", "use", "alg"}
        assert (key["kty"], key["use"], key["alg"], key["e"]) == ("RSA", "sig", "RS256", "AQAB")
        assert len(key["n"]) == 512  # 3072 bits
        canonical = json.dumps({name: key[name] for name in ("e", "kty", "n")}, separators=(",", ":"))
        thumbprint = base64.urlsafe_b64encode(hashlib.sha256(canonical.encode()).digest()).rstrip(b"=").decode()
        assert key["kid"] == thumbprint


def test_key_set_is_conditional(system: System) -> None:
    """A strong ETag answers 304 with the caching headers and no body; another one gets the whole set."""
    etag = system.get("/.well-known/jwks.json").headers["etag"]
    assert re.fullmatch(r'"[^"]+"', etag)
    same = system.get("/.well-known/jwks.json", headers={"If-None-Match": etag})
    assert (same.status_code, same.content, same.headers["etag"]) == (304, b"", etag)
    assert same.headers["cache-control"] == "public, max-age=300"
    assert system.get("/.well-known/jwks.json", headers={"If-None-Match": '"other"'}).status_code == 200


def test_metadata(system: System) -> None:
    """The metadata names the issuer as tokens do, and a `jwks_uri` that anyone outside can fetch. [RFC 8414]"""
    metadata = system.get("/.well-known/oauth-authorization-server").json()
    assert metadata["issuer"] == system.url
    assert metadata["jwks_uri"].startswith(system.url)
    fetched = system.get(metadata["jwks_uri"].removeprefix(system.url))
    assert fetched.json() == system.get("/.well-known/jwks.json").json()
    assert set(EVERYONES_SCOPES.split()) <= set(metadata["scopes_supported"])


def test_a_taken_email(system: System, ada: Person) -> None:
    """A taken e-mail is 409, however it is spelled."""
    for spelling in (ada.email, ada.email.upper(), ada.email.capitalize()):
        body = {"email": spelling, "password": "another passphrase", "name": "Eve"}
        answer = system.post("/register", json=body)
        assert problem(answer) == (409, "email_taken")
        assert ada.email not in answer.text


def test_wrong_password_and_unknown_user_are_one_answer(system: System) -> None:
    """Nobody learns whether an account exists: not from the answer, and not from how long it takes."""
    person = system.person("Joan")

    def attempt(email: str) -> tuple[float, httpx.Response]:
        began = perf_counter()
        answer = system.post("/login", json={"email": email, "password": "not the password"})
        return perf_counter() - began, answer

    # In turn, and at their quickest: what else this machine does is no difference between them.
    pairs = [(attempt(person.email), attempt(f"no.{person.email}")) for _ in range(7)]
    known, unknown = zip(*pairs, strict=True)
    seen = set()
    for _, answer in known + unknown:
        assert problem(answer) == (401, "wrong_credentials")
        headers = {name: value for name, value in answer.headers.items() if name not in {"date", "x-request-id"}}
        headers["server-timing"] = re.sub(r"=[\d.]+", "", headers.get("server-timing", ""))  # how long is asked below
        seen.add((answer.content, tuple(sorted(headers.items()))))
    assert len(seen) == 1
    of_known, of_unknown = (min(seconds for seconds, _ in attempts) for attempts in (known, unknown))
    assert 0.4 < of_unknown / of_known < 2.5


@pytest.mark.parametrize("resource", ["urn:signet:orders", ["urn:signet:orders"]], ids=["text", "list"])
def test_a_login_for_one_service_only(system: System, ada: Person, resource: str | list[str]) -> None:
    """A token that was asked for orders alone is refused by profile, and both services say so by themselves."""
    token = ada.fresh_token(resource=resource)
    assert decoded(token.split(".")[1])["aud"] in ("urn:signet:orders", ["urn:signet:orders"])
    assert system.get("/api/orders", token=token).status_code == 200
    refused = system.get("/api/profile", token=token)
    assert problem(refused) == (401, "wrong_audience")
    assert 'error="invalid_token"' in refused.headers["www-authenticate"]


def test_a_login_for_fewer_scopes(system: System, ada: Person) -> None:
    """A token that was asked for reading reads; placing an order is 403 and names the scope that is missing."""
    answer = ada.log_in(scope="orders:read")
    assert answer.json()["scope"] == "orders:read"
    token = answer.json()["access_token"]
    assert system.get("/api/orders", token=token).status_code == 200
    refused = system.post("/api/orders", token=token, json={"items": [{"sku": "SEAL-BRASS", "quantity": 1}]})
    assert problem(refused) == (403, "insufficient_scope")
    assert refused.json()["scope"] == "orders:write"
    assert 'error="insufficient_scope"' in refused.headers["www-authenticate"]
    assert 'scope="orders:write"' in refused.headers["www-authenticate"]
    assert problem(system.get("/api/profile", token=token)) == (403, "insufficient_scope")


def test_a_login_cannot_ask_for_more(ada: Person) -> None:
    """Unknown resources and scopes, and scopes of administrators, are refused rather than left out."""
    assert problem(ada.log_in(resource="urn:signet:elsewhere")) == (400, "invalid_target")
    assert problem(ada.log_in(scope="everything")) == (400, "invalid_scope")
    assert problem(ada.log_in(scope="profiles:read")) == (400, "invalid_scope")


def test_administrator(system: System, bob: Person, administrator: Person) -> None:
    """The administrator made by the documented command reads another's profile; a plain user does not."""
    etag = bob.get("/api/profile").headers["etag"]
    assert bob.change_profile(etag, bio="Builds things.").status_code == 200
    path = f"/api/profiles/{bob.sub}"
    read = administrator.get(path)
    assert (read.status_code, read.json()["sub"], read.json()["bio"]) == (200, bob.sub, "Builds things.")
    refused = bob.get(path)
    assert problem(refused) == (403, "insufficient_scope")
    assert refused.json()["scope"] == "profiles:read"
    assert problem(system.get(path)) == (401, "no_credentials")


def test_the_first_administrator_is_made_once(system: System, administrator: Person) -> None:
    """The command makes the first administrator and no second one, and says so in a sentence."""
    again = system.create_administrator("second@example.com", "Second", "another passphrase")
    assert again.returncode == 1
    assert "administrator" in again.stderr
    assert "Traceback" not in again.stderr
