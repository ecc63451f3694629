"""The embedded stack: the four services as processes on loopback, with their data in one directory."""

import http.client
import json
import subprocess
import time
from collections.abc import Collection, Iterable, Mapping
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Literal, Self

from signet.data_directory import DataDirectory
from signet.environment import MODULES, SERVICES, Addresses, environment_of
from signet.failure import Failure
from signet.ports import free_ports, require_free
from signet.service_process import ServiceProcess
from signet.signals import undisturbed

START_SECONDS = 60.0
"""How long processes may take until they are ready: generous, for a laptop that is busy with other things."""

_NICENESS = {"auth": 5}
"""By how much a service gives way where there are too few cores for all: whoever verifies by themselves comes first.
Not before all are ready: until then, they wait for auth."""


class StartFailedError(Failure):
    """A process ended while it started, or did not become ready in time."""


class EmbeddedStack:
    """Auth, profile, orders and the gateway, running between `with` and its end.

    None of the processes outlives this one, however it ends. Services listen on free ports; the gateway listens on
    `gateway_port`, or on a free one. `environment` sets more variables for a process:
    `{"auth": {"SIGNET_ACCESS_TOKEN_LIFE": "3"}}`. `twins` are further processes of services, on the same data, which
    the gateway does not know: `{"plain-orders": "orders"}`. `without` names services that are not run.

    Entering raises DataInUseError, PortTakenError, StartFailedError (the log's end is its excerpt) or OSError, and then
    nothing is left running.
    """

    def __init__(
        self,
        data: Path,
        *,
        gateway_port: int | None = None,
        host: str = "127.0.0.1",
        environment: Mapping[str, Mapping[str, str]] | None = None,
        twins: Mapping[str, str] | None = None,
        without: Collection[str] = (),
        start_seconds: float = START_SECONDS,
    ) -> None:
        self.data = DataDirectory(data)
        self._host = host
        self._gateway_port = gateway_port
        self._more_environment = environment or {}
        self._services = {**{name: name for name in SERVICES}, **(twins or {})}
        self._without = without
        self._start_seconds = start_seconds
        self._processes: dict[str, ServiceProcess] = {}
        self._addresses: Addresses | None = None
        self._holds = ExitStack()

    def __enter__(self) -> Self:
        """Start everything and return when it is ready."""
        with ExitStack() as holds:
            holds.enter_context(self.data)
            self._choose_addresses()
            holds.callback(self._end_all)
            self._prepare()
            for process in self._processes.values():
                process.start()
            self.wait_until_ready(*self._processes)
            self._holds = holds.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End everything and let go of the data directory."""
        self._holds.close()

    @property
    def url(self) -> str:
        """The public URL of the door, which is also the issuer."""
        return self.addresses.issuer

    @property
    def addresses(self) -> Addresses:
        """Where each process listens. Raises Failure before the stack was started."""
        if self._addresses is None:
            raise Failure("The stack has not been started.")
        return self._addresses

    def service_url(self, name: str) -> str:
        """Return the internal base URL of a service; for "gateway", that of its operations listener."""
        return self.addresses.internal_url(name)

    def service_of(self, name: str) -> str:
        """Return which service a process is one of: its own name, but for a twin's."""
        return self._services[name]

    def process(self, name: str) -> subprocess.Popen[bytes]:
        """Return the process of a service, running or ended."""
        return self._processes[name].popen

    def logs(self, name: str) -> str:
        """Return all that a service has logged in this stack's life."""
        return self._processes[name].said()

    def start(self, name: str, *, until: Literal["ready", "alive", "begun"] = "ready") -> None:
        """Start one service and wait until it is ready, or merely answers, or for nothing. Raises StartFailedError."""
        self._processes[name].start()
        if until == "ready":
            self.wait_until_ready(name)
        elif until == "alive":
            self._wait_until("alive", [name])

    def wait_until_ready(self, *names: str) -> None:
        """Wait until services are ready that were started before. Raises StartFailedError."""
        self._wait_until("ready", names)
        for name in names:
            if (niceness := _NICENESS.get(self._services[name])) is not None:
                self._processes[name].give_way(niceness)

    def stop(self, name: str) -> None:
        """Ask one service to end (SIGTERM) and wait for it."""
        self._processes[name].ask_to_end()
        self._processes[name].wait()

    def kill(self, name: str) -> None:
        """End one service without asking (SIGKILL)."""
        self._processes[name].kill()

    def restart(self, name: str) -> None:
        """Stop one service and start it again at the same address."""
        self.stop(name)
        self.start(name)

    def wait_for_an_end(self) -> Failure:
        """Wait until a process ends that nobody asked to, and return what there is to say about it."""
        while True:
            for name, process in self._processes.items():
                if not process.running:
                    sentence = f"{name} (process {process.popen.pid}) ended by itself, {process.how_it_ended()}."
                    return Failure(sentence, excerpt=process.last_said())
            time.sleep(0.1)

    def _choose_addresses(self) -> None:
        *free, operations = free_ports(len(self._services) + 1, host=self._host)
        ports = dict(zip(self._services, free, strict=True))
        if self._gateway_port is not None:
            require_free(self._host, self._gateway_port)
            ports["gateway"] = self._gateway_port
        self._addresses = Addresses(self._host, ports, operations)

    def _prepare(self) -> None:
        if self.data.lock is None:
            raise Failure("The data directory is not locked.")
        for name, service in self._services.items():
            if name in self._without:
                continue
            self.data.prepare(service)
            self.data.log(name).write_bytes(b"")
            self._processes[name] = ServiceProcess(
                name,
                module=MODULES[service],
                environment=environment_of(service, self.addresses, self.data, twin=name)
                | dict(self._more_environment.get(name, {})),
                log=self.data.log(name),
                lock=self.data.lock,
            )

    def _end_all(self) -> None:
        with undisturbed():
            for process in self._processes.values():
                process.ask_to_end()
            for process in self._processes.values():
                process.wait()

    def _wait_until(self, state: Literal["ready", "alive"], names: Iterable[str]) -> None:
        deadline = time.monotonic() + self._start_seconds
        missing = dict.fromkeys(names, "no answer")
        while missing:
            for name in list(missing):
                process = self._processes[name]
                if not process.running:
                    sentence = f"{name} ended while it started, {process.how_it_ended()}."
                    raise StartFailedError(sentence, excerpt=process.last_said())
                lack = self._what_lacks(name, state)
                if lack is None:
                    del missing[name]
                else:
                    missing[name] = lack
            if missing and time.monotonic() > deadline:
                name, lack = next(iter(missing.items()))
                sentence = f"{name} did not become {state} within {self._start_seconds:g} s: {lack}."
                raise StartFailedError(sentence, excerpt=self._processes[name].last_said())
            if missing:
                time.sleep(0.05)

    def _what_lacks(self, name: str, state: Literal["ready", "alive"]) -> str | None:
        """Ask a process how it is; return None when it is as wanted, or what is missing."""
        port = self.addresses.operations_port if name == "gateway" else self.addresses.ports[name]
        connection = http.client.HTTPConnection(self._host, port, timeout=2)
        try:
            connection.request("GET", "/readyz" if state == "ready" else "/healthz")
            answer = connection.getresponse()
            body = answer.read(65536)
        except (OSError, http.client.HTTPException) as error:
            return f"no answer ({error})"
        finally:
            connection.close()
        if answer.status == 200:
            return None
        try:
            checks = json.loads(body)["checks"]
            return "; ".join(f"{check}: {said}" for check, said in checks.items() if said != "ready")
        except (ValueError, KeyError, AttributeError, TypeError):
            return f"it answers {answer.status}"
