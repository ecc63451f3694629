"""What the world may read: the key set, the metadata, and nothing else without a token."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from tests.postgresql_plugin import on_one_database

from auth_service.app import PUBLIC_ROUTES
from token_verification.route_walk import unprotected_routes

if TYPE_CHECKING:
    from services.auth.tests.conftest import Auth, Start

KEY_SET = "/.well-known/jwks.json"


async def test_the_key_set_has_public_members_and_no_other(auth: Auth) -> None:
    """Each key has exactly `kty n e kid use alg`; it is served as a JWK Set that caches may keep for five minutes."""
    answer = await auth.client.get(KEY_SET)
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/jwk-set+json"
    assert answer.headers["cache-control"] == "public, max-age=300"
    document = answer.json()
    assert list(document) == ["keys"]
    assert [list(key) for key in document["keys"]] == [["kty", "n", "e", "kid", "use", "alg"]] * 2
    assert {(key["kty"], key["use"], key["alg"], key["e"]) for key in document["keys"]} == {
        ("RSA", "sig", "RS256", "AQAB")
    }


@pytest.mark.parametrize("spelling", ["{}", "W/{}", '"other", {}', '"other" , W/{},"x"', "*"])
async def test_an_unchanged_key_set_is_not_sent_again(auth: Auth, spelling: str) -> None:
    """Whoever names the strong entity tag gets 304 with the same headers and no body. [RFC 9110 section 13.1.2]"""
    first = await auth.client.get(KEY_SET)
    tag = first.headers["etag"]
    assert tag.startswith('"')
    again = await auth.client.get(KEY_SET, headers={"If-None-Match": spelling.format(tag)})
    assert (again.status_code, again.content) == (304, b"")
    assert again.headers["etag"] == tag
    assert again.headers["cache-control"] == first.headers["cache-control"]


@pytest.mark.parametrize("named", ['"other"', "", "nonsense", '"other", W/"more"'])
async def test_another_entity_tag_gets_the_key_set(auth: Auth, named: str) -> None:
    """A tag that is not the set's own gets all of it."""
    assert (await auth.client.get(KEY_SET, headers={"If-None-Match": named})).status_code == 200


async def test_the_life_of_a_cached_key_set_is_a_setting(start: Start) -> None:
    """`max-age` follows the setting."""
    async with start(key_set_max_age=7, access_token_life=9) as auth:
        assert (await auth.client.get(KEY_SET)).headers["cache-control"] == "public, max-age=7"
        await auth.register()
        assert (await auth.log_in()).json()["expires_in"] == 9


async def test_the_metadata_says_what_there_is(auth: Auth) -> None:
    """Issuer, key set, endpoints and scopes; no endpoint and no grant that does not exist. [RFC 8414 section 2]"""
    answer = await auth.client.get("/.well-known/oauth-authorization-server")
    assert answer.headers["content-type"] == "application/json"
    metadata = answer.json()
    assert metadata["issuer"] == "http://localhost:8080"
    assert metadata["jwks_uri"] == "http://localhost:8080/.well-known/jwks.json"
    assert metadata["token_endpoint"] == "http://localhost:8080/oauth/token"
    assert metadata["response_types_supported"] == []
    assert metadata["revocation_endpoint"] == "http://localhost:8080/oauth/revoke"
    grants = ["urn:ietf:params:oauth:grant-type:token-exchange", "refresh_token"]
    assert metadata["grant_types_supported"] == grants
    for endpoint in ("token_endpoint", "revocation_endpoint"):
        assert metadata[f"{endpoint}_auth_methods_supported"] == ["private_key_jwt", "none"]
        assert metadata[f"{endpoint}_auth_signing_alg_values_supported"] == ["RS256"]
    assert len(metadata["scopes_supported"]) == 9
    assert [name for name in metadata if name.endswith("_endpoint")] == ["token_endpoint", "revocation_endpoint"]


async def test_no_route_is_open_but_the_listed_ones(auth: Auth) -> None:
    """Every route without a token is one that is listed as public, and every listed one exists.

    Logging out is listed, and asks for a token by itself where none is in the body.
    """
    assert await unprotected_routes(auth.app) == PUBLIC_ROUTES - {"POST /logout"}


@on_one_database
@pytest.mark.parametrize(
    "path", ["/", "/docs", "/admin/anything", "/login/", "//login", "/.well-known/", "/register/x"]
)
async def test_what_is_not_there_asks_for_a_token_first(auth: Auth, path: str) -> None:
    """A stranger cannot tell what auth has and has not."""
    answer = await auth.client.get(path)
    assert (answer.status_code, answer.json()["reason"]) == (401, "no_credentials")
    assert answer.headers["www-authenticate"] == "Bearer"


async def test_readiness_names_the_database_and_the_keys(auth: Auth) -> None:
    """`/readyz` is 200 once the database answers, the keys are loaded and the log is watched."""
    async with asyncio.timeout(30):
        while (answer := await auth.client.get("/readyz")).status_code == 503:  # noqa: ASYNC110 -- as any prober
            await asyncio.sleep(0.01)
    assert answer.status_code == 200
    assert answer.json()["checks"] == dict.fromkeys(["database", "signing_keys", "revocations"], "ready")
