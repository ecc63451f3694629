"""What load is made of: one credential again and again, or many, each of them once."""

import asyncio
import http.server
import threading
from collections import Counter
from collections.abc import Iterator

import pytest

from side_by_side.exchange import request_bytes
from side_by_side.load import _asyncio, drive
from side_by_side.ways import Credential, Server


class Counting(http.server.ThreadingHTTPServer):
    """A server that answers everybody, and counts who asked."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Answers)
        self.asked: Counter[str] = Counter()


class _Answers(http.server.BaseHTTPRequestHandler):
    server: Counting
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_GET(self) -> None:
        self.server.asked[self.headers["Authorization"]] += 1
        self.send_response(200)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"ok")

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def counting() -> Iterator[Counting]:
    with Counting() as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def test_each_of_many_credentials_is_sent_once(counting: Counting) -> None:
    """By whichever tool: a second time, a token would be one that the server has met."""
    credentials = [Credential("Authorization", f"Bearer token{number}") for number in range(40)]
    server = Server("counting", counting.server_port, "/")
    drive(server, credentials, clients=4, seconds=1)
    assert set(counting.asked.values()) == {1}
    counting.asked.clear()
    requests = [request_bytes("GET", "/", "counting", each.headers) for each in credentials]
    load = asyncio.run(_asyncio(server, requests, clients=4, seconds=30))
    assert (load.requests, set(counting.asked.values())) == (40, {1})


def test_one_credential_is_sent_again_and_again(counting: Counting) -> None:
    drive(
        Server("counting", counting.server_port, "/"),
        [Credential("Authorization", "Bearer token")],
        clients=2,
        seconds=1,
    )
    assert counting.asked["Bearer token"] > 2
