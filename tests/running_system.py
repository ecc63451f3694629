"""One description of a running system, whichever stack it runs on, and the embedded one."""

import os
import secrets
import signal
import subprocess
import sys
from abc import ABC, abstractmethod
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from time import monotonic, sleep
from typing import Any, Final, Literal, Self

import httpx

from signet.stack import EmbeddedStack

ROOT: Final = Path(__file__).resolve().parent.parent
SIGNET: Final = Path(sys.executable).with_name("signet")
SERVICES: Final = ("auth", "profile", "orders", "gateway")
READY_SECONDS: Final = 30.0


def eventually(claim: Callable[[], object], *, within: float = READY_SECONDS) -> None:
    """Ask until the answer is true, at most for so many seconds. AssertionError names the claim, or is its own last."""
    deadline = monotonic() + within
    while True:
        try:
            if claim():
                return
            assert monotonic() < deadline, f"not so within {within:g} s: {claim}"
        except AssertionError:
            if monotonic() >= deadline:
                raise
        sleep(0.05)


def problem(answer: httpx.Response) -> tuple[int, str]:
    """Return status and reason of a refusal, having checked its shape. [RFC 9457]"""
    assert answer.headers["content-type"] == "application/problem+json", answer.text
    document = answer.json()
    assert document["status"] == answer.status_code
    assert document["type"] == "about:blank"
    assert document["title"]
    assert document["detail"]
    assert "Traceback" not in answer.text
    return answer.status_code, document["reason"]


class System(ABC):
    """A system that runs, seen as its users see it: through `url`, its one door."""

    kind: Literal["embedded", "compose"]
    url: str
    workers = 1
    """How many processes each replica of profile and of orders has."""

    def __init__(self) -> None:
        self.secrets: set[str] = set()
        """Everything used so far that no log may hold."""
        self._past_logs: dict[str, str] = {}
        self.times_all_logins_ended = 0
        """How often all tokens issued until then have become worthless, also by the end of the key that signed them."""
        self._http = httpx.Client(
            # No connection is kept: what was open before an outage says nothing about what comes after.
            transport=httpx.HTTPTransport(verify=False, limits=httpx.Limits(max_keepalive_connections=0)),
            trust_env=False,
            timeout=20,
        )

    def request(self, method: str, path: str, *, token: str | None = None, **more: Any) -> httpx.Response:  # noqa: ANN401 -- as httpx takes it
        """Send one request to the door on a connection of its own."""
        headers = dict(more.pop("headers", None) or {})
        if token is not None:
            headers["Authorization"] = f"Bearer {token}"
        return self._http.request(method, f"{self.url}{path}", headers=headers, **more)

    def get(self, path: str, **more: Any) -> httpx.Response:  # noqa: ANN401 -- same reason
        return self.request("GET", path, **more)

    def post(self, path: str, **more: Any) -> httpx.Response:  # noqa: ANN401 -- same reason
        return self.request("POST", path, **more)

    def person(self, name: str = "Ada") -> "Person":
        """Register somebody new."""
        return Person(self, name)

    def forget_logins(self) -> None:
        """Let everybody log in before their next request: all logins have ended."""
        self.times_all_logins_ended += 1

    def close(self) -> None:
        self._http.close()

    def logs(self, service: str) -> str:
        """Return all that a service has logged since this system was first started."""
        return self._past_logs.get(service, "") + self._present_logs(service)

    def keep_logs(self) -> None:
        """Remember the logs that are about to vanish with their processes."""
        self._past_logs = {service: self.logs(service) for service in SERVICES}

    @abstractmethod
    def _present_logs(self, service: str) -> str: ...

    @abstractmethod
    def stop(self, service: str) -> None:
        """Ask one service to end, and wait until it has."""

    @abstractmethod
    def start(self, service: str) -> None:
        """Start one service that was stopped, and wait until it is ready."""

    @abstractmethod
    def pause(self, service: str) -> None:
        """Let one service hang: connections are taken, nothing is answered."""

    @abstractmethod
    def resume(self, service: str) -> None:
        """Let a hung service go on."""

    @abstractmethod
    def replicas(self, service: str) -> list[str]:
        """Return the base URL of each replica of a service; the door's, if only that can be reached and is enough."""

    @abstractmethod
    def down_and_up(self) -> None:
        """End everything, data excepted, and start it again at the same address."""

    @abstractmethod
    def create_administrator(self, email: str, name: str, password: str) -> subprocess.CompletedProcess[str]:
        """Run the documented command."""


class Person:
    """Somebody with an account. `token` is always one that lives for minutes yet."""

    def __init__(self, system: System, name: str, *, email: str | None = None, password: str | None = None) -> None:
        """Register, unless `email` and `password` are those of an account that is there already."""
        self.system = system
        self.name = name
        self.email = email or f"{name.lower()}.{secrets.token_hex(6)}@example.com"
        self.password = password or f"{secrets.token_hex(8)} Battery"
        self.sub = ""
        system.secrets |= {self.email, self.password}
        if password is None:
            answer = system.post("/register", json={"email": self.email, "password": self.password, "name": self.name})
            assert answer.status_code == 201, answer.text
            self.sub = answer.json()["sub"]
        self._token = ""
        self._old_at = 0.0
        self._ended_before = 0

    def log_in(self, **wishes: object) -> httpx.Response:
        """Ask for a token; `wishes` are `resource` and `scope`."""
        return self._tokens_of(self.system.post("/login", json=self.credentials | wishes))

    def refresh(self, refresh_token: str) -> httpx.Response:
        """Ask for the next tokens of a login."""
        return self._tokens_of(self.system.post("/refresh", json={"refresh_token": refresh_token}))

    def _tokens_of(self, answer: httpx.Response) -> httpx.Response:
        """Remember what an answer holds, lest it be found in a log."""
        if answer.status_code == 200:
            token = answer.json()["access_token"]
            self.system.secrets |= {token, token.rpartition(".")[2], token.split(".")[1]}
            if "refresh_token" in answer.json():
                self.system.secrets.add(answer.json()["refresh_token"])
        return answer

    @property
    def credentials(self) -> dict[str, object]:
        return {"email": self.email, "password": self.password}

    def fresh_token(self, **wishes: object) -> str:
        answer = self.log_in(**wishes)
        assert answer.status_code == 200, answer.text
        return str(answer.json()["access_token"])

    @property
    def token(self) -> str:
        if monotonic() >= self._old_at or self._ended_before < self.system.times_all_logins_ended:
            self._token = self.fresh_token()
            self._ended_before = self.system.times_all_logins_ended
            self._old_at = monotonic() + 120
        return self._token

    def get(self, path: str, **more: Any) -> httpx.Response:  # noqa: ANN401 -- as httpx takes it
        return self.system.get(path, token=self.token, **more)

    def order(self, *lines: tuple[str, int]) -> httpx.Response:
        """Place an order of so many of these SKUs."""
        items = [{"sku": sku, "quantity": quantity} for sku, quantity in lines]
        return self.system.post("/api/orders", token=self.token, json={"items": items})

    def change_profile(self, etag: str | None, **members: object) -> httpx.Response:
        headers = {"Content-Type": "application/merge-patch+json"} | ({} if etag is None else {"If-Match": etag})
        return self.system.request("PATCH", "/api/profile", token=self.token, json=members, headers=headers)


class EmbeddedSystem(System):
    """The four services as processes on loopback. A context manager: none of them outlives it."""

    kind = "embedded"

    def __init__(
        self,
        data: Path,
        *,
        workers: int = 1,
        twins: dict[str, tuple[str, dict[str, str]]] | None = None,
        **environment: dict[str, str],
    ) -> None:
        """`workers`: of every service. `twins`: further processes, by name: of which service, with which settings."""
        super().__init__()
        self.workers = workers
        self._data = data
        self._twins = {name: service for name, (service, _) in (twins or {}).items()}
        several = {service: {"SIGNET_WORKERS": str(workers)} for service in ("auth", "profile", "orders")}
        more = environment | {name: settings for name, (_, settings) in (twins or {}).items()}
        self._environment = {name: several.get(name, {}) | more.get(name, {}) for name in several | more}
        self._holds = ExitStack()

    def __enter__(self) -> Self:
        self.stack = self._holds.enter_context(
            EmbeddedStack(self._data, environment=self._environment, twins=self._twins)
        )
        self.url = self.stack.url
        return self

    def __exit__(self, *_: object) -> None:
        self._holds.close()
        self.close()

    def _present_logs(self, service: str) -> str:
        return self.stack.logs(service)

    def stop(self, service: str) -> None:
        self.stack.stop(service)

    def start(self, service: str) -> None:
        self.stack.start(service)

    def pause(self, service: str) -> None:
        os.killpg(self.stack.process(service).pid, signal.SIGSTOP)

    def resume(self, service: str) -> None:
        os.killpg(self.stack.process(service).pid, signal.SIGCONT)

    def replicas(self, service: str) -> list[str]:
        return [self.stack.service_url(service)]

    def down_and_up(self) -> None:
        port = self.stack.addresses.ports["gateway"]
        self._holds.close()
        self.keep_logs()
        self.stack = self._holds.enter_context(
            EmbeddedStack(self._data, gateway_port=port, environment=self._environment, twins=self._twins)
        )

    def create_administrator(self, email: str, name: str, password: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [SIGNET, "admin", "create", "--email", email, "--name", name, "--data", self._data],
            input=f"{password}\n",
            text=True,
            capture_output=True,
            check=False,
            timeout=60,
        )
