"""Every worker of the resource servers, each asked by itself."""

from dataclasses import dataclass
from time import monotonic, sleep
from typing import Final, Self

import httpx
from tests.running_system import System

PATHS: Final = {"profile": "/api/profile", "orders": "/api/orders"}
"""What a token is shown at."""

WITHIN: Final = 1.0
"""Seconds after it was acknowledged, from which on nobody honours a login that has ended."""


@dataclass
class Worker:
    """One process of a service. A connection stays with the worker that has taken it."""

    service: str
    url: str
    http: httpx.Client
    pid: str

    @classmethod
    def reached_anew(cls, service: str, url: str) -> Self:
        """Open a connection, and see who has taken it. Who is asked through the door has no name."""
        http = httpx.Client(
            base_url=url, trust_env=False, timeout=20, limits=httpx.Limits(max_connections=1, keepalive_expiry=None)
        )
        return cls(service, url, http, _pid(http))

    def says(self, token: str) -> tuple[int, str]:
        """Show a token; return the status, and of a refusal the reason."""
        answer = self.http.get(PATHS[self.service], headers={"Authorization": f"Bearer {token}"})
        assert _pid(self.http) == self.pid, "the connection went elsewhere"
        return answer.status_code, "" if answer.status_code == 200 else answer.json()["reason"]


def _pid(http: httpx.Client) -> str:
    answer = http.get("/readyz")
    return "" if answer.status_code == 404 else str(answer.json()["worker"])


class Everyone:
    """All workers of profile and orders: fresh connections are opened until each replica's are known."""

    def __init__(self, system: System) -> None:
        self.workers: list[Worker] = []
        for service in PATHS:
            for url in system.replicas(service):
                self.workers += workers_at(service, url, system.workers)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for worker in self.workers:
            worker.http.close()

    def honours(self, token: str) -> bool:
        """Return True; AssertionError names the first worker that does not."""
        for worker in self.workers:
            assert worker.says(token) == (200, ""), worker
        return True

    def refuses(self, token: str, reason: str) -> bool:
        """Return True; AssertionError names the first worker that does not refuse for that reason."""
        for worker in self.workers:
            assert worker.says(token) == (401, reason), worker
        return True

    def refuses_soon(self, token: str, reason: str, *, since: float) -> None:
        """See every worker refuse the token, and none honour it on a request that began a second after `since`."""
        last = dict.fromkeys(range(len(self.workers)), since)
        while last:
            for index in list(last):
                began = monotonic()
                said = self.workers[index].says(token)
                if said == (401, reason):
                    del last[index]
                    continue
                assert said == (200, ""), self.workers[index]
                assert began - since < WITHIN, f"{self.workers[index]} honours it after {began - since:.3f} s"
            sleep(0.005)


def workers_at(service: str, url: str, number: int) -> list[Worker]:
    """Open a connection to each worker of one replica: which of them takes a fresh one is the kernel's choice."""
    found: dict[str, Worker] = {}
    for _ in range(500):
        worker = Worker.reached_anew(service, url)
        if worker.pid in found:
            worker.http.close()
        else:
            found[worker.pid] = worker
        if len(found) == number:
            return list(found.values())
    raise AssertionError(f"{url} showed {len(found)} workers of {service}, not {number}")
