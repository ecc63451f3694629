"""What an answer says of its own time."""

import asyncio
import re

import httpx
import pytest
from fastapi import FastAPI
from starlette.responses import Response

from service_chassis.fit_out import observe, take_json
from service_chassis.problems import Problem
from service_chassis.server_timing import part

PART = r"[a-z]+;dur=\d+\.\d\d"


def workshop(timed_as: str | None) -> httpx.AsyncClient:
    app = FastAPI()
    take_json(app)

    @app.get("/made")
    async def made() -> Response:
        with part("saw"):
            await asyncio.sleep(0)
        with part("glue"):
            pass
        return Response(headers={"Server-Timing": 'store;dur=1.5;desc="a shelf"'})

    @app.get("/broken")
    async def broken() -> None:
        with part("saw"):
            raise Problem(409, "wrong_state", "It is cut in two already.")

    observe(app, readiness={}, timed_as=timed_as)
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://workshop.test")


async def test_an_answer_says_in_one_header_what_its_time_was_spent_on() -> None:
    """First the whole, then each part with its beginning, then what others have said of theirs, as they said it."""
    async with workshop("workshop") as client:
        fields = (await client.get("/made")).headers.get_list("server-timing")
        again = (await client.get("/made")).headers["server-timing"]
    (field,) = fields
    whole, saw, glue, store = field.split(", ")
    assert re.fullmatch(PART, whole)
    assert whole.startswith("workshop;")
    assert re.fullmatch(rf"{PART};start=\d+\.\d\d", saw)
    assert [each.partition(";")[0] for each in (saw, glue)] == ["saw", "glue"]
    assert store == 'store;dur=1.5;desc="a shelf"'
    assert again.count("saw;") == 1, "nothing is left of the request before"


async def test_what_fails_took_its_time_too() -> None:
    """A refusal says as much as an answer, and the part in which it came about is there."""
    async with workshop("workshop") as client:
        answer = await client.get("/broken")
    assert answer.status_code == 409
    assert re.fullmatch(r"workshop;dur=[\d.]+, saw;dur=[\d.]+;start=[\d.]+", answer.headers["server-timing"])


@pytest.mark.parametrize("path", ["/broken", "/nowhere"])
async def test_nobody_is_told_unless_it_is_switched_on(path: str) -> None:
    """Without a name there is no such header."""
    async with workshop(None) as client:
        assert "server-timing" not in (await client.get(path)).headers
