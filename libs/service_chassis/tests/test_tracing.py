import re

import httpx
import pytest

TRACEPARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


async def test_a_trace_is_carried_on_under_a_span_of_its_own(client: httpx.AsyncClient) -> None:
    """What is called on the way gets the caller's trace id and flags, and a new span id."""
    onwards = (await client.get("/onwards", headers={"traceparent": TRACEPARENT})).json()["traceparent"]
    version, trace_id, span_id, flags = onwards.split("-")
    assert (version, trace_id, flags) == ("00", "4bf92f3577b34da6a3ce929d0e0e4736", "01")
    assert re.fullmatch("[0-9a-f]{16}", span_id)
    assert span_id != "00f067aa0ba902b7"


@pytest.mark.parametrize(
    "bad",
    [
        "",
        "nonsense",
        "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
        "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
        "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
    ],
)
async def test_a_malformed_trace_is_replaced(client: httpx.AsyncClient, bad: str) -> None:
    """A traceparent that the specification calls invalid starts a new trace."""
    onwards = (await client.get("/onwards", headers={"traceparent": bad})).json()["traceparent"]
    assert re.fullmatch("00-[0-9a-f]{32}-[0-9a-f]{16}-00", onwards)
    assert "4bf92f3577b34da6a3ce929d0e0e4736" not in onwards


async def test_two_trace_headers_are_as_good_as_none(client: httpx.AsyncClient) -> None:
    """Of several values none is believed."""
    answer = await client.get("/onwards", headers=[("traceparent", TRACEPARENT), ("traceparent", TRACEPARENT)])
    assert "4bf92f3577b34da6a3ce929d0e0e4736" not in answer.json()["traceparent"]


async def test_a_request_id_comes_back_and_goes_on(client: httpx.AsyncClient) -> None:
    """A well-formed request id is the answer's and the next process's."""
    answer = await client.get("/onwards", headers={"X-Request-Id": "abc-1"})
    assert answer.headers["x-request-id"] == answer.json()["x-request-id"] == "abc-1"


@pytest.mark.parametrize("bad", ["a b", "x" * 65, 'a"b', "<script>"])
async def test_a_request_id_that_could_do_harm_is_replaced(client: httpx.AsyncClient, bad: str) -> None:
    """It goes into logs and headers, so only letters, digits, `-` and `_` get in."""
    assert (await client.get("/onwards", headers={"X-Request-Id": bad})).headers["x-request-id"] != bad
