"""The caller's own profile: read from the first moment, written by merge patches under a condition."""

import asyncio
import json

import httpx
import pytest
from structlog.testing import capture_logs
from tests.resource_server_running import Bearer, Start

from profile_service.app import create_app
from profile_service.endpoints import OwnProfile
from profile_service.settings import Settings
from token_verification.testing import FakeIssuer

HOME = {"recipient": "Alice A.", "street": ["Ring 1"], "postal_code": "1010", "city": "Vienna", "country": "AT"}


async def change(client: httpx.AsyncClient, patch: object, *, if_match: str = "*") -> httpx.Response:
    """Send a merge patch."""
    headers = {"If-Match": if_match, "Content-Type": "application/merge-patch+json"}
    return await client.patch("/api/profile", content=json.dumps(patch), headers=headers)


async def test_a_first_get_works_without_any_earlier_write(client: httpx.AsyncClient, issuer: FakeIssuer) -> None:
    """The name comes from the token, the rest is null, and nobody is asked for anything but keys."""
    answer = await client.get("/api/profile")
    assert answer.status_code == 200
    assert answer.json() == {
        "sub": "subject-1",
        "name": "Alice",
        "display_name": None,
        "bio": None,
        "locale": None,
        "delivery_address": None,
    }
    assert issuer.requests == 1


async def test_a_profile_is_written_as_its_model_would_write_it(client: httpx.AsyncClient) -> None:
    """What is documented is what is sent, byte for byte, although no model is made for it."""
    for patch in ({}, {"bio": 'a "quoted" \\ line, ü 🔑', "delivery_address": HOME}):
        await change(client, patch)
        answer = await client.get("/api/profile")
        assert OwnProfile.model_validate_json(answer.content).model_dump_json().encode() == answer.content


async def test_a_token_without_a_name_is_good(client: httpx.AsyncClient, bearer: Bearer) -> None:
    """`name` is an optional claim: without it, it is null here."""
    answer = await client.get("/api/profile", headers=bearer(name="x") | bearer(omit={"name"}))
    assert answer.json()["name"] is None


async def test_a_get_has_an_etag_that_spares_the_next_one(client: httpx.AsyncClient) -> None:
    """If-None-Match with the current ETag is answered 304 without a body."""
    tag = (await client.get("/api/profile")).headers["ETag"]
    answer = await client.get("/api/profile", headers={"If-None-Match": f'"other", {tag}'})
    assert (answer.status_code, answer.content, answer.headers["ETag"]) == (304, b"", tag)


async def test_no_shared_cache_keeps_a_profile(client: httpx.AsyncClient) -> None:
    """A profile is private, and is checked again each time."""
    assert (await client.get("/api/profile")).headers["Cache-Control"] == "private, no-cache"


async def test_who_reads_on_behalf_of_somebody_is_in_the_log(client: httpx.AsyncClient, bearer: Bearer) -> None:
    """Whose profile, and which service; whoever reads their own leaves no line."""
    with capture_logs() as events:
        await client.get("/api/profile")
        await client.get("/api/profile", headers=bearer(act={"sub": "orders"}))
    told = [{"event": "profile_read_on_behalf", "log_level": "info", "sub": "subject-1", "actor": "orders"}]
    assert [{name: event[name] for name in told[0]} for event in events] == told


async def test_a_patch_changes_what_it_names_and_answers_with_the_whole(client: httpx.AsyncClient) -> None:
    """200 with the new representation and its ETag, which the next GET repeats."""
    before = await client.get("/api/profile")
    answer = await change(client, {"display_name": "Ally", "locale": "de-at"}, if_match=before.headers["ETag"])
    assert answer.status_code == 200
    assert answer.json() == before.json() | {"display_name": "Ally", "locale": "de-AT"}
    after = await client.get("/api/profile")
    assert (after.content, after.headers["ETag"]) == (answer.content, answer.headers["ETag"])
    assert after.headers["ETag"] != before.headers["ETag"]


async def test_null_removes_and_absence_leaves(client: httpx.AsyncClient) -> None:
    """RFC 7396: null removes a member, also inside the address; what is not named stays."""
    await change(client, {"display_name": "Ally", "bio": "Hi.\nI sign.", "delivery_address": HOME})
    answer = await change(client, {"bio": None, "delivery_address": {"postal_code": None, "city": "Graz"}})
    assert answer.json()["display_name"] == "Ally"
    assert answer.json()["bio"] is None
    assert answer.json()["delivery_address"] == HOME | {"postal_code": None, "city": "Graz", "region": None}


async def test_an_array_is_replaced_and_not_merged(client: httpx.AsyncClient) -> None:
    """RFC 7396 knows no merging of arrays: street lines come as a whole."""
    await change(client, {"delivery_address": HOME | {"street": ["Ring 1", "Door 7"]}})
    answer = await change(client, {"delivery_address": {"street": ["Gate 2"]}})
    assert answer.json()["delivery_address"]["street"] == ["Gate 2"]


async def test_the_address_goes_as_a_whole(client: httpx.AsyncClient) -> None:
    """Null for the address removes all of it."""
    await change(client, {"delivery_address": HOME})
    assert (await change(client, {"delivery_address": None})).json()["delivery_address"] is None


@pytest.mark.parametrize(
    ("patch", "fields"),
    [
        ({"delivery_address": {"city": "Graz"}}, ["recipient", "street", "country"]),
        ({"delivery_address": HOME | {"country": None}}, ["country"]),
        ({"delivery_address": {}}, ["recipient", "street", "city", "country"]),
    ],
)
async def test_an_address_is_whole_after_merging_or_refused(
    client: httpx.AsyncClient, patch: object, fields: list[str]
) -> None:
    """What is missing from the merged address is named, and nothing is stored of it."""
    answer = await change(client, patch)
    assert (answer.status_code, answer.json()["reason"]) == (422, "invalid_body")
    assert [error["field"] for error in answer.json()["errors"]] == [f"delivery_address.{field}" for field in fields]
    assert (await client.get("/api/profile")).json()["delivery_address"] is None


async def test_a_write_without_a_condition_is_refused(client: httpx.AsyncClient) -> None:
    """428 asks for If-Match, and nothing changes."""
    answer = await client.patch("/api/profile", json={"display_name": "Ally"})
    assert (answer.status_code, answer.json()["reason"]) == (428, "precondition_required")
    assert (await client.get("/api/profile")).json()["display_name"] is None


async def test_a_lost_update_is_refused(client: httpx.AsyncClient) -> None:
    """412 when the profile has changed since the ETag was read, and the earlier write stays."""
    tag = (await client.get("/api/profile")).headers["ETag"]
    await change(client, {"display_name": "First"}, if_match=tag)
    answer = await change(client, {"display_name": "Second"}, if_match=tag)
    assert (answer.status_code, answer.json()["reason"]) == (412, "precondition_failed")
    assert (await client.get("/api/profile")).json()["display_name"] == "First"


async def test_a_weak_tag_is_no_condition_for_a_write(client: httpx.AsyncClient) -> None:
    """If-Match compares strongly. [RFC 9110 section 13.1.1]"""
    tag = (await client.get("/api/profile")).headers["ETag"]
    assert (await change(client, {"bio": "x"}, if_match=f"W/{tag}")).status_code == 412


@pytest.mark.parametrize("earlier", [None, {"bio": "before"}], ids=["the first write", "a later write"])
async def test_of_writes_at_once_with_one_etag_exactly_one_wins(
    settings: Settings, issuer: FakeIssuer, start: Start, earlier: object
) -> None:
    """Two services on one database, four writes to each: one 200, seven 412, and the one that won is what is stored."""
    services = [create_app(settings, network=issuer.transport) for _ in range(2)]
    async with start(services[0]) as one, start(services[1]) as other:
        if earlier:
            await change(one, earlier)
        tag = (await one.get("/api/profile")).headers["ETag"]
        # So that each has connections enough: to make eight at once takes a busy machine longer than a writer waits.
        await asyncio.gather(*(client.get("/api/profile") for client in [one, other] * 4))
        answers = await asyncio.gather(
            *(
                change(client, {"display_name": f"Writer {number}"}, if_match=tag)
                for number, client in enumerate([one, other] * 4)
            )
        )
        assert sorted(answer.status_code for answer in answers) == [200] + [412] * 7
        (won,) = [answer for answer in answers if answer.status_code == 200]
        assert (await other.get("/api/profile")).content == won.content


async def test_writes_at_once_that_take_any_state_all_happen(client: httpx.AsyncClient) -> None:
    """`If-Match: *` never loses another's write: each is merged into what is there by then."""
    patches = [{"display_name": "Ally"}, {"bio": "Hi"}, {"locale": "de"}, {"delivery_address": HOME}]
    answers = await asyncio.gather(*(change(client, patch) for patch in patches))
    assert [answer.status_code for answer in answers] == [200] * 4
    profile = (await client.get("/api/profile")).json()
    assert [profile["display_name"], profile["bio"], profile["locale"]] == ["Ally", "Hi", "de"]
    assert profile["delivery_address"] == HOME | {"region": None}


async def test_what_was_written_survives_a_restart(settings: Settings, issuer: FakeIssuer, start: Start) -> None:
    """Another process on the same database shows what the first acknowledged."""
    async with start(create_app(settings, network=issuer.transport)) as client:
        written = await change(client, {"display_name": "Ally", "delivery_address": HOME})
    async with start(create_app(settings, network=issuer.transport)) as client:
        assert (await client.get("/api/profile")).content == written.content


async def test_each_caller_has_a_profile_of_their_own(client: httpx.AsyncClient, bearer: Bearer) -> None:
    """What one subject writes, another does not see."""
    await change(client, {"display_name": "Ally"})
    answer = await client.get("/api/profile", headers=bearer(sub="subject-2"))
    assert (answer.json()["sub"], answer.json()["display_name"]) == ("subject-2", None)


async def test_an_administrator_reads_what_is_stored_of_anyone(client: httpx.AsyncClient, bearer: Bearer) -> None:
    """Without a name: that is in the subject's own tokens, not in the administrator's."""
    await change(client, {"display_name": "Ally"})
    answer = await client.get("/api/profiles/subject-1", headers=bearer(sub="admin", scope="profiles:read"))
    assert answer.status_code == 200
    assert answer.json() == {
        "sub": "subject-1",
        "display_name": "Ally",
        "bio": None,
        "locale": None,
        "delivery_address": None,
    }


async def test_of_a_subject_that_never_wrote_nothing_is_stored(client: httpx.AsyncClient) -> None:
    """404 to the administrator, and reading one's own profile stores nothing either."""
    await client.get("/api/profile")
    answer = await client.get("/api/profiles/subject-1")
    assert (answer.status_code, answer.json()["reason"]) == (404, "not_found")
