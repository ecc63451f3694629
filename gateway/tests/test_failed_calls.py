"""What the log says of services that fail: which, how, and how often; and no more than a line a second for each."""

import asyncio

import structlog

from gateway.app import Clocks
from gateway.testing import Street, get


async def test_the_log_says_of_an_outage_what_it_is_once_a_second(street: Street) -> None:
    """At once; then how many calls failed meanwhile. Another service's failure is said for itself."""
    now = 100.0
    door = await street.door(clocks=Clocks(monotonic=lambda: now))
    with structlog.testing.capture_logs() as logged:
        for _ in range(3):
            assert (await door.get("/api/orders")).status == 502
        assert (await door.get("/api/profile")).status == 502
        now += 1
        assert (await door.get("/api/orders")).status == 502
    assert [(line["event"], line["upstream"], line["calls"]) for line in logged] == [
        ("upstream_failed", "orders", 1),
        ("upstream_failed", "profile", 1),
        ("upstream_failed", "orders", 3),
    ]
    assert all("Connect call failed" in line["fault"] for line in logged)


async def test_the_log_says_what_was_wrong_with_an_answer(street: Street) -> None:
    """In words of ours: what a service said is not repeated, for nobody knows what it is."""

    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()

    _, nonsense = await street.upstream(b"HTTP/1.1 200 OK\r\nContent-Length: a secret\r\n\r\n")
    _, silence = await street.upstream(silent)
    door = await street.door(orders=nonsense, profile=silence, upstream_answer_seconds=0.1)
    with structlog.testing.capture_logs() as logged:
        assert (await door.get("/api/orders")).status == 502
        assert (await door.get("/api/profile")).status == 504
    assert [line["fault"] for line in logged] == ["Content-Length is not a number.", "It did not answer in time."]


async def test_a_client_s_own_fault_is_not_the_service_s(street: Street) -> None:
    """Whose body is too slow, or too large, fails no service."""
    _, url = await street.upstream()
    door = await street.door(orders=url, upload_pause_seconds=0.1)
    with structlog.testing.capture_logs() as logged:
        assert (await door.ask(get("/api/orders", "Content-Length: 5\r\n", method="POST"))).status == 408
        assert (await door.ask(get("/api/orders", "Content-Length: 9999999\r\n", method="POST"))).status == 413
    assert not [line for line in logged if line["event"] == "upstream_failed"]
