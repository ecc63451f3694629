"""A fake issuer at a real address, which can be taken away and put back."""

import contextlib
import socket
import threading
from collections.abc import Iterator
from time import monotonic, sleep, time
from typing import Self

import uvicorn

from token_verification.testing import FakeIssuer


class IssuerOverHttp:
    """A FakeIssuer whose key set endpoint listens on loopback, in a thread of its own."""

    def __init__(self) -> None:
        self.clock_offset = 0.0
        """Seconds by which the issuer's clock is ahead of everybody's."""
        self.fake = FakeIssuer("https://issuer.test", clock=lambda: time() + self.clock_offset)
        self.port = 0

    @property
    def jwks_uri(self) -> str:
        return f"http://127.0.0.1:{self.port}/.well-known/jwks.json"

    @property
    def feed_uri(self) -> str:
        return f"http://127.0.0.1:{self.port}{self.fake.feed.path}"

    def __enter__(self) -> Self:
        self._start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop()

    @contextlib.contextmanager
    def away(self) -> Iterator[None]:
        """Refuse connections for a while."""
        self._stop()
        try:
            yield
        finally:
            self._start()

    def _start(self) -> None:
        listener = socket.socket()
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", self.port))
        listener.listen(100)
        self.port = listener.getsockname()[1]
        config = uvicorn.Config(
            self.fake.asgi, lifespan="off", log_config=None, access_log=False, timeout_graceful_shutdown=1
        )
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._server.run, kwargs={"sockets": [listener]}, daemon=True)
        self._thread.start()
        deadline = monotonic() + 10
        while not self._server.started:
            assert monotonic() < deadline, "the fake issuer did not start"
            sleep(0.01)

    def _stop(self) -> None:
        self._server.should_exit = True
        self._thread.join(10)
        assert not self._thread.is_alive()
