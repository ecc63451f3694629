"""What the inspector's tests share: the command, run here, and servers that publish key sets, sound and faulty."""

import contextlib
import io
import json
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple

import pytest
import uvicorn

from signet.command import main
from token_verification.fake_key_set_endpoint import FakeKeySetEndpoint
from token_verification.testing import FakeIssuer

AUDIENCE = "urn:test:api"


class Ended(NamedTuple):
    """A command that has ended: its exit status, and what it said where."""

    status: int
    out: str
    err: str

    @property
    def document(self) -> dict[str, Any]:
        """What it printed with --json."""
        return dict(json.loads(self.out))


Inspect = Callable[..., Ended]


@pytest.fixture
def inspect(monkeypatch: pytest.MonkeyPatch) -> Inspect:
    """Run a `signet` command here, on bytes from a pipe and `columns` wide: a process each would take too long."""

    def run(*arguments: str, stdin: bytes = b"", columns: int = 80, colours: bool = False) -> Ended:
        out, err = (io.TextIOWrapper(io.BytesIO(), "utf-8", newline="") for _ in range(2))
        monkeypatch.setenv("COLUMNS", str(columns))
        monkeypatch.setenv("FORCE_COLOR", "1") if colours else monkeypatch.delenv("FORCE_COLOR", raising=False)
        monkeypatch.setattr(sys, "argv", ["signet", *arguments])
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin)))
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err), pytest.raises(SystemExit) as ended:
            main()
        said = []
        for stream in (out, err):
            stream.flush()
            stream.seek(0)
            said.append(stream.read())
        return Ended(int(ended.value.code or 0), *said)

    return run


class Publication(NamedTuple):
    """What a key set server answers at one path: anything that a real one might."""

    body: bytes
    headers: Mapping[str, str]
    status: int
    honours_tags: bool


class Publisher:
    """A real server on loopback that answers with whatever it is given; with 404 where it was given nothing."""

    def __init__(self, server: ThreadingHTTPServer) -> None:
        self.answers: dict[str, Publication] = {}
        self.url = f"http://127.0.0.1:{server.server_port}"

    def publish(
        self,
        document: object,
        path: str = "/jwks.json",
        *,
        headers: Mapping[str, str | None] | None = None,
        status: int = 200,
        honours_tags: bool = True,
    ) -> str:
        """Publish JSON, or bytes as they are, and return the URL.

        It is served as it should be, but for what is changed; a header that is None is left out.
        """
        served: dict[str, str | None] = {
            "content-type": "application/jwk-set+json",
            "cache-control": "public, max-age=300",
            "etag": '"1"',
        }
        self.answers[path] = Publication(
            document if isinstance(document, bytes) else json.dumps(document).encode(),
            {name: value for name, value in (served | dict(headers or {})).items() if value is not None},
            status,
            honours_tags,
        )
        return self.url + path


@pytest.fixture
def publisher() -> Iterator[Publisher]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            publication = published.answers.get(self.path, Publication(b"", {}, 404, honours_tags=False))
            tag = publication.headers.get("etag")
            same = publication.honours_tags and tag is not None and self.headers["if-none-match"] == tag
            body = b"" if same else publication.body
            with contextlib.suppress(OSError):
                self.send_response(304 if same else publication.status)
                for name, value in publication.headers.items():
                    self.send_header(name, value)
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        published = Publisher(server)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield published
        server.shutdown()
        thread.join()


Serve = Callable[[FakeKeySetEndpoint], str]


@pytest.fixture(scope="module")
def serve() -> Iterator[Serve]:
    """Serve the key sets of fake issuers by uvicorn, each on a port of its own, until the module's tests are over."""
    servers: list[tuple[uvicorn.Server, threading.Thread]] = []

    def start(application: FakeKeySetEndpoint) -> str:
        server = uvicorn.Server(
            uvicorn.Config(application, port=0, lifespan="off", ws="none", log_config=None, access_log=False)
        )
        thread = threading.Thread(target=server.run)
        thread.start()
        servers.append((server, thread))
        while not server.started:
            time.sleep(0.01)
        return f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"

    yield start
    for server, _ in servers:
        server.should_exit = True
        server.config.timeout_graceful_shutdown = (
            1  # seconds: whoever follows a feed would wait for its end much longer
        )
    for _, thread in servers:
        thread.join()


@pytest.fixture(scope="module")
def issuer() -> FakeIssuer:
    return FakeIssuer(audience=AUDIENCE)


@pytest.fixture(scope="module")
def jwks(issuer: FakeIssuer, serve: Serve) -> str:
    return f"{serve(issuer.asgi)}/jwks.json"


@pytest.fixture
def trust(issuer: FakeIssuer, jwks: str) -> tuple[str, ...]:
    """Return what a service is configured with, as options."""
    return ("--jwks", jwks, "--issuer", issuer.issuer, "--audience", AUDIENCE)
