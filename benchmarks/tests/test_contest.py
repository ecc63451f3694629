"""Nobody's time is taken who does not do the work that the others do."""

import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from benchmarks.checks import must_answer, must_forward, must_refuse
from benchmarks.contest import Contestant, Effort, hold
from benchmarks.load import Asking
from benchmarks.servers import Running

BODY = b'{"name":"Ada"}'
GOOD = "Authorization: Bearer good"
Says = Callable[[str, str | None], tuple[int, bytes]]
Serve = Callable[[Says], Asking]


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Serve what a function says to a path and an Authorization header."""
    servers: list[ThreadingHTTPServer] = []

    def start(says: Says) -> Asking:
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                status, body = says(self.path, self.headers["Authorization"])
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                pass

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        servers.append(server)
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        return Asking(server.server_port, "/api/profile", [GOOD])

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


def honest(_: str, bearer: str | None) -> tuple[int, bytes]:
    return (200, BODY) if bearer == "Bearer good" else (401, b"")


@pytest.mark.parametrize(
    ("says", "why"),
    [
        (lambda path, bearer: (honest(path, bearer)[0], b"{}"), "it answers 200 b'{}' where 200"),
        (lambda _, bearer: (200 if bearer else 401, BODY), "it answers 200 to a forged token"),
        (lambda *_: (200, BODY), "it answers 200 to no token"),
        (lambda *_: (500, b""), "it answers 500 b''"),
    ],
    ids=["other bytes", "a forged token accepted", "nothing verified", "out of order"],
)
def test_who_does_less_is_named_and_not_measured(serve: Serve, says: Says, why: str) -> None:
    """The contest goes on without it, and the table says why."""

    def check(asking: Asking) -> None:
        must_answer(asking, BODY)
        must_refuse(asking, {"no token": None, "a forged token": "Authorization: Bearer forged"})

    check(serve(honest))
    asking = serve(says)
    results = hold([Contestant("peer", asking, check, [Running(1, asking.port, 0.0)])], Effort(1, 1), core=None)
    assert not results.outcomes
    assert results.lacking["peer"].startswith(why)
    assert results.table("x", base="another").rows[0][1] == f"not measured: {results.lacking['peer']}"


def test_a_gateway_that_answers_by_itself_forwards_nothing(serve: Serve) -> None:
    """The upstream's very answer to a path and query that nobody knows beforehand has to come back."""
    must_forward(serve(lambda path, _: (200, path.encode())))
    for says in (lambda *_: (200, BODY), lambda path, _: (200, path.partition("?")[0].encode())):
        with pytest.raises(Exception, match="where the upstream says"):
            must_forward(serve(says))
