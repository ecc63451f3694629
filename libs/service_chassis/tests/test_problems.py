import logging

import httpx
import pytest


async def test_a_problem_is_answered_as_it_says(client: httpx.AsyncClient) -> None:
    """Status, reason, sentence, headers and further members of a Problem all reach the caller."""
    answer = await client.get("/gone")
    assert answer.status_code == 410
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["x-where"] == "nowhere"
    assert answer.json() == {
        "type": "about:blank",
        "title": "Gone",
        "status": 410,
        "detail": "It was here.",
        "reason": "gone",
        "since": 1999,
    }


@pytest.mark.parametrize(
    ("method", "path", "status", "reason"),
    [
        ("GET", "/nowhere", 404, "not_found"),
        ("DELETE", "/parcels", 405, "method_not_allowed"),
        ("GET", "/parcels/seven", 422, "invalid_parameters"),
    ],
)
async def test_what_the_framework_refuses_is_a_problem(
    client: httpx.AsyncClient, method: str, path: str, status: int, reason: str
) -> None:
    """An unknown path, an unknown method and a bad parameter get the same shape as everything else."""
    answer = await client.request(method, path)
    assert (answer.status_code, answer.json()["reason"]) == (status, reason)
    assert answer.headers["content-type"] == "application/problem+json"


async def test_a_405_names_the_methods_that_are_known(client: httpx.AsyncClient) -> None:
    """RFC 9110 section 15.5.6 asks for Allow, and whoever knows GET knows HEAD."""
    assert (await client.delete("/parcels")).headers["allow"] == "POST"
    assert (await client.delete("/parcels/7")).headers["allow"] == "GET, HEAD"


async def test_every_wrong_field_is_named_and_none_is_repeated(client: httpx.AsyncClient) -> None:
    """A refused body is answered with its fields' names and never with their values: one may be a password."""
    answer = await client.post("/parcels", json={"weight": "heavy", "password": "hunter2-hunter2", "colour": "red"})
    assert answer.status_code == 422
    assert {error["field"] for error in answer.json()["errors"]} == {"weight", "password", "colour"}
    assert "hunter2" not in answer.text
    assert "heavy" not in answer.text


async def test_the_name_of_an_unknown_field_is_bounded_and_printable(client: httpx.AsyncClient) -> None:
    """Whoever names a field with a control character or a novel gets neither back."""
    answer = await client.post("/parcels", json={"weight": 1, "a\x1b[31m" + "b" * 1000: 1})
    (error,) = answer.json()["errors"]
    assert "\x1b" not in error["field"]
    assert len(error["field"]) == 200


@pytest.mark.parametrize("body", [b"{", b'{"weight":' + b"1" * 5000 + b"}", b"nonsense"])
async def test_a_body_that_cannot_be_read_is_malformed(client: httpx.AsyncClient, body: bytes) -> None:
    """Broken JSON, and a number too long for an integer, are 400 and not 500."""
    answer = await client.post("/parcels", content=body, headers={"content-type": "application/json"})
    assert (answer.status_code, answer.json()["reason"]) == (400, "malformed_body")


async def test_numbers_that_json_cannot_say_do_not_break_the_answer(client: httpx.AsyncClient) -> None:
    """NaN and infinity are refused as fields; an answer that repeated them could not be written as JSON."""
    for body in (b'{"weight": NaN}', b'{"weight": 1e999}'):
        answer = await client.post("/parcels", content=body, headers={"content-type": "application/json"})
        assert answer.status_code == 422


async def test_an_unforeseen_error_is_logged_and_not_shown(
    client: httpx.AsyncClient, caplog: pytest.LogCaptureFixture
) -> None:
    """The caller gets 500 without the cause; the log gets the cause."""
    with caplog.at_level(logging.ERROR):
        answer = await client.get("/broken")
    assert (answer.status_code, answer.json()["reason"]) == (500, "internal_error")
    assert "secret cause" not in answer.text
    assert "Traceback" not in answer.text
    assert answer.headers["x-request-id"]


async def test_a_body_of_nothing_but_faults_gets_a_short_answer(client: httpx.AsyncClient) -> None:
    """Fifty faults are named, however many there are: the answer is not longer than the question."""
    answer = await client.post("/parcels", json={str(number): 1 for number in range(499)})
    assert answer.status_code == 422
    assert len(answer.json()["errors"]) == 50
