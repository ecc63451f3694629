"""`/admin/keys`: what administrators see of the signing keys, and the two things they can do."""

from __future__ import annotations

from typing import TYPE_CHECKING

import jwt
import pytest
from services.auth.tests.conftest import PASSWORD

from auth_service.first_administrator import create_first_administrator

if TYPE_CHECKING:
    import httpx
    from services.auth.tests.conftest import Auth

KEYS = "/admin/keys"
ROOT = "root@example.com"


class Administrator:
    """An administrator with a token for auth alone."""

    def __init__(self, auth: Auth, token: str) -> None:
        self._auth = auth
        self.token = token
        self.signed_by = str(jwt.get_unverified_header(token)["kid"])
        self._headers = {"Authorization": f"Bearer {token}"}

    @classmethod
    async def of(cls, auth: Auth) -> Administrator:
        return cls(auth, (await auth.log_in(ROOT, resource="urn:signet:auth")).json()["access_token"])

    async def get(self, path: str = KEYS) -> httpx.Response:
        return await self._auth.client.get(path, headers=self._headers)

    async def post(self, path: str) -> httpx.Response:
        return await self._auth.client.post(f"{KEYS}{path}", headers=self._headers)


@pytest.fixture
async def administrator(auth: Auth) -> Administrator:
    await create_first_administrator(auth.settings, email=ROOT, name="Root", password=PASSWORD)
    return await Administrator.of(auth)


async def published(auth: Auth) -> tuple[set[str], str]:
    answer = await auth.client.get("/.well-known/jwks.json")
    return {key["kid"] for key in answer.json()["keys"]}, answer.headers["etag"]


async def test_the_list_says_of_each_key_where_it_stands_and_what_is_next(
    auth: Auth, administrator: Administrator
) -> None:
    """State, since when, what becomes of it when, and from when on by hand: and no member of the key itself."""
    answer = await administrator.get()
    assert answer.headers["cache-control"] == "no-store"
    keys = {key["state"]: key for key in answer.json()["keys"]}
    began = "2027-01-15T08:00:00Z"
    turn = {"at": "2027-01-16T08:00:00Z", "possible_at": began}
    assert keys == {
        "active": {"kid": administrator.signed_by, "state": "active", "since": began,
                   "next": {"state": "retiring", **turn}},
        "pending": {"kid": keys["pending"]["kid"], "state": "pending", "since": began,
                    "next": {"state": "active", **turn}},
    }  # fmt: skip
    assert (await published(auth))[0] == {key["kid"] for key in keys.values()}


async def test_a_rotation_and_then_another_too_early(auth: Auth, administrator: Administrator) -> None:
    """The pending key signs at once, the set and its tag change, and old tokens stay good; the next has to wait."""
    before, tag = await published(auth)
    answer = await administrator.post("/rotate")
    assert answer.status_code == 200, answer.text
    changed = answer.json()
    assert set(changed) == {"active", "pending", "seq"}
    assert {changed["active"]} == before - {administrator.signed_by}
    after, new_tag = await published(auth)
    assert after == before | {changed["pending"]}
    assert new_tag != tag
    assert (await Administrator.of(auth)).signed_by == changed["active"]
    assert (await administrator.get()).status_code == 200

    auth.clock.now += 599
    early = await (await Administrator.of(auth)).post("/rotate")
    assert (early.status_code, early.json()["reason"]) == (409, "rotation_too_early")
    assert early.json()["possible_at"] == "2027-01-15T08:10:00Z"
    assert early.headers["retry-after"] == "1"
    assert (await published(auth))[0] == after
    auth.clock.now += 1
    assert (await (await Administrator.of(auth)).post("/rotate")).status_code == 200


async def test_a_compromised_key_counts_no_more_from_the_answer_on(auth: Auth, administrator: Administrator) -> None:
    """It is out of the set, what it signed is refused, its successor signs; asked again, the answer is the same."""
    kid = administrator.signed_by
    answer = await administrator.post(f"/{kid}/compromise")
    assert answer.status_code == 200, answer.text
    assert kid not in (await published(auth))[0]
    refused = await administrator.get()
    assert (refused.status_code, refused.json()["reason"]) == (401, "key_revoked")  # the administrator's own, too
    renewed = await Administrator.of(auth)
    assert renewed.signed_by == answer.json()["active"]
    assert (await renewed.post(f"/{kid}/compromise")).json() == answer.json()
    (state,) = [key for key in (await renewed.get()).json()["keys"] if key["kid"] == kid]
    assert (state["state"], state["next"]) == ("compromised", None)


async def test_an_unknown_key_is_404_and_nothing_happens(auth: Auth, administrator: Administrator) -> None:
    """Also one whose id is that of no thumbprint."""
    before = await published(auth)
    for kid in ("A" * 43, "x", "%2e%2e"):
        answer = await administrator.post(f"/{kid}/compromise")
        assert (answer.status_code, answer.json()["reason"]) == (404, "not_found")
    assert await published(auth) == before


@pytest.mark.parametrize("path", ["", "/rotate", "/some-key/compromise"])
async def test_nobody_else_has_a_say(auth: Auth, administrator: Administrator, path: str) -> None:
    """Without a token 401, without the scope 403, with a token that other services see 403, after 15 minutes 401."""
    method = "POST" if path else "GET"

    async def reason(token: str | None) -> tuple[int, str]:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        answer = await auth.client.request(method, f"{KEYS}{path}", headers=headers)
        return answer.status_code, answer.json()["reason"]

    await auth.register()
    hers = (await auth.log_in(resource="urn:signet:auth")).json()["access_token"]
    wide = (await auth.log_in(ROOT)).json()["access_token"]
    assert await reason(None) == (401, "no_credentials")
    assert await reason(hers) == (403, "insufficient_scope")
    assert await reason(wide) == (403, "audience_too_wide")
