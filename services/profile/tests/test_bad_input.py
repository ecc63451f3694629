"""What a malformed request gets: a problem that names what is wrong, and never a 5xx."""

import json

import httpx
import pytest
from tests.postgresql_plugin import on_one_database

HOME = {"recipient": "Alice A.", "street": ["Ring 1"], "city": "Vienna", "country": "AT"}
PATCH = {"If-Match": "*", "Content-Type": "application/merge-patch+json"}


async def refusal(client: httpx.AsyncClient, body: bytes | str, **headers: str) -> httpx.Response:
    """Send a PATCH that cannot be right."""
    answer = await client.patch("/api/profile", content=body, headers=PATCH | headers)
    assert answer.headers["Content-Type"] == "application/problem+json"
    return answer


@on_one_database
@pytest.mark.parametrize(
    ("patch", "field"),
    [
        ({"display_name": ""}, "display_name"),
        ({"display_name": "   "}, "display_name"),
        ({"display_name": "x" * 101}, "display_name"),
        ({"display_name": 7}, "display_name"),
        ({"display_name": ["x"]}, "display_name"),
        ({"display_name": "a\nb"}, "display_name"),
        ({"display_name": "a\x00b"}, "display_name"),
        ({"display_name": "a\x9bb"}, "display_name"),
        ({"display_name": "a\u2028b"}, "display_name"),
        ({"display_name": "\ud800"}, "display_name"),
        ({"bio": "x" * 2001}, "bio"),
        ({"bio": "a\x00"}, "bio"),
        ({"bio": "a\rb"}, "bio"),
        ({"bio": "\udfff"}, "bio"),
        ({"locale": "german"}, "locale"),
        ({"locale": "de_AT"}, "locale"),
        ({"locale": "d"}, "locale"),
        ({"locale": "de-1996-1996"}, "locale"),
        ({"locale": "de-a-bc-a-de"}, "locale"),
        ({"locale": "de-\u0131x"}, "locale"),
        ({"locale": "x" * 36}, "locale"),
        ({"delivery_address": "Ring 1"}, "delivery_address"),
        ({"delivery_address": HOME | {"country": "at"}}, "delivery_address.country"),
        ({"delivery_address": HOME | {"country": "XX"}}, "delivery_address.country"),
        ({"delivery_address": HOME | {"country": "AUT"}}, "delivery_address.country"),
        ({"delivery_address": HOME | {"street": []}}, "delivery_address.street"),
        ({"delivery_address": HOME | {"street": ["x"] * 5}}, "delivery_address.street"),
        ({"delivery_address": HOME | {"street": ["ok", "a\x00"]}}, "delivery_address.street[1]"),
        ({"delivery_address": HOME | {"planet": "Mars"}}, "delivery_address.planet"),
        ({"nickname": "Al"}, "nickname"),
        ({"nickname": None}, "nickname"),
        ({"sub": "subject-2"}, "sub"),
        ({"name": "Mallory"}, "name"),
        ({"version": 7}, "version"),
        ({"a\x00": 1}, "a?"),
        ({"\ud800": 1}, "(the whole)"),
        ([], "(the whole)"),
        ("text", "(the whole)"),
        (7, "(the whole)"),
        (None, "(the whole)"),
    ],
)
async def test_a_field_that_is_not_as_it_should_be_is_named(
    client: httpx.AsyncClient, patch: object, field: str
) -> None:
    """422 with the field, and nothing is stored."""
    answer = await refusal(client, json.dumps(patch))
    assert (answer.status_code, answer.json()["reason"]) == (422, "invalid_body")
    assert field in [error["field"] for error in answer.json()["errors"]]
    assert (await client.get("/api/profiles/subject-1")).status_code == 404


async def test_every_wrong_field_is_named(client: httpx.AsyncClient) -> None:
    """Not only the first one."""
    answer = await refusal(client, json.dumps({"display_name": "", "locale": "?", "planet": "Mars"}))
    assert [error["field"] for error in answer.json()["errors"]] == ["display_name", "locale", "planet"]


@pytest.mark.parametrize(
    "locale", ["de", "de-AT", "zh-Hant-TW", "es-419", "sl-rozaj-biske", "de-DE-u-co-phonebk", "en-x-a"]
)
async def test_language_tags_are_taken(client: httpx.AsyncClient, locale: str) -> None:
    """Well-formed tags of RFC 5646, in the case that it recommends, come back as they were."""
    answer = await client.patch("/api/profile", json={"locale": locale.upper()}, headers={"If-Match": "*"})
    assert answer.json()["locale"] == locale


async def test_letters_of_all_scripts_are_taken(client: httpx.AsyncClient) -> None:
    """Text is Unicode, and comes back as it was."""
    patch = {"display_name": "Zoë 李 🦊 \u202eعلي", "bio": "one\ntwo\u200d"}
    answer = await client.patch("/api/profile", json=patch, headers={"If-Match": "*"})
    assert {name: answer.json()[name] for name in patch} == patch


@on_one_database
@pytest.mark.parametrize(
    ("body", "status", "reason"),
    [
        (b"{", 400, "malformed_body"),
        (b'{"bio": "\xff"}', 400, "malformed_body"),
        (b'{"bio":' + b"[" * 40 + b"]" * 40 + b"}", 400, "malformed_body"),
        (b'{"bio":' + b"9" * 5000 + b"}", 400, "malformed_body"),
        (b'{"bio":"' + b"x" * 70_000 + b'"}', 413, "body_too_large"),
        (b'{"bio": NaN}', 422, "invalid_body"),
        (b'{"bio": 1e999}', 422, "invalid_body"),
        (b"", 422, "invalid_body"),
    ],
)
async def test_a_body_that_is_no_small_json_is_refused(
    client: httpx.AsyncClient, body: bytes, status: int, reason: str
) -> None:
    """400, 413 or 422, whatever the bytes."""
    answer = await refusal(client, body)
    assert (answer.status_code, answer.json()["reason"]) == (status, reason)


@pytest.mark.parametrize(
    "media_type", ["text/plain", "application/x-www-form-urlencoded", "application/json-patch+json"]
)
async def test_another_media_type_is_refused(client: httpx.AsyncClient, media_type: str) -> None:
    """415, and Accept-Patch says what would do. [RFC 5789 section 2.2]"""
    answer = await refusal(client, b"{}", **{"Content-Type": media_type})
    assert (answer.status_code, answer.json()["reason"]) == (415, "unsupported_media_type")
    assert answer.headers["Accept-Patch"] == "application/json, application/merge-patch+json"


@on_one_database
@pytest.mark.parametrize(
    ("method", "path", "status", "reason"),
    [
        ("GET", "/api/nothing", 404, "not_found"),
        ("GET", "/api/profile/", 404, "not_found"),
        ("GET", "/docs", 404, "not_found"),
        ("PUT", "/api/profile", 405, "method_not_allowed"),
        ("DELETE", "/api/profile", 405, "method_not_allowed"),
        ("GET", "/api/profiles/" + "x" * 256, 422, "invalid_parameters"),
        ("GET", "/api/profiles/a%00b", 422, "invalid_parameters"),
        ("GET", "/api/profiles/%ff", 404, "not_found"),
    ],
)
async def test_what_does_not_exist_is_a_problem(
    client: httpx.AsyncClient, method: str, path: str, status: int, reason: str
) -> None:
    """A path, a method or a subject that cannot be."""
    answer = await client.request(method, path)
    assert (answer.status_code, answer.json()["reason"]) == (status, reason)
    assert answer.headers["Content-Type"] == "application/problem+json"


async def test_a_405_names_every_method_of_the_path(client: httpx.AsyncClient) -> None:
    """Allow lists what the path knows, and not only its first route."""
    assert (await client.delete("/api/profile")).headers["Allow"] == "GET, HEAD, PATCH"
