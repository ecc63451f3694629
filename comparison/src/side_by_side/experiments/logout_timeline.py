"""How long a saved credential works on after its owner has logged out, until the last server refuses it."""

import threading
import time
from collections.abc import Sequence

from side_by_side.exchange import Exchange
from side_by_side.laboratory import DEFAULT_LEEWAY, DEFAULT_TOKEN_LIFE, Laboratory
from side_by_side.result import Measured, Result
from side_by_side.ways import Credential, Server, UnexpectedAnswerError, Way

NAME = "logout"
CLAIM = "A session ends everywhere at once; a plain JWT works on until it expires; a followed one ends like a session."
PROCEDURE = (
    "Log in, let every server accept the credential, log out; from then on each server is asked every few "
    "milliseconds with the saved credential, over a connection of its own, until it refuses. Measured is the time "
    "from the answer to the log-out to the first refusal of the last server, by whom it was heard."
)
ASK_EVERY = 0.004
GRACE = 10.0
"""Seconds beyond the token's end after which a server that accepts it still is taken for broken."""


def measure(lab: Laboratory) -> Result:
    """Log out several times in each way, and once where one has to wait for the token's end."""
    runs = 2 if lab.quick else 8
    measured, timelines = {}, {}
    for way in lab.ways.values():
        person = way.register()
        times: list[float] = []
        while len(times) < runs:
            end, timelines[way.key] = _one_run(lab, way, way.log_in(person))
            times.append(1000 * end)
            if end > lab.token_life / 2:
                break  # it ends when the token does, and will do so again
        measured[way.key] = Measured.of("ms", times)
    return Result(
        NAME,
        CLAIM,
        PROCEDURE,
        measured,
        {
            "timelines": timelines,
            "token life": lab.token_life,
            "leeway": lab.leeway,
            "usual token life and leeway": DEFAULT_TOKEN_LIFE + DEFAULT_LEEWAY,
            "servers": {way.key: [server.name for server in way.servers] for way in lab.ways.values()},
        },
    )


def _one_run(lab: Laboratory, way: Way, credential: Credential) -> tuple[float, list[tuple[float, int]]]:
    """Return the seconds until the last refusal, and when that server's answer was which status."""
    heard: dict[str, list[tuple[float, int]]] = {server.name: [] for server in way.servers}
    give_up = time.perf_counter() + lab.token_life + lab.leeway + GRACE
    threads = [
        threading.Thread(target=_ask_until_refused, args=(server, credential, heard[server.name], give_up))
        for server in way.servers
    ]
    for thread in threads:
        thread.start()
    while not all(heard.values()) and time.perf_counter() < give_up:
        time.sleep(ASK_EVERY)
    way.log_out(credential)
    ended = time.perf_counter()
    for thread in threads:
        thread.join()
    for name, answers in heard.items():
        if answers[0][1] != 200 or answers[-1][1] != 401:
            raise UnexpectedAnswerError(f"{name} answered {answers[0][1]} first and {answers[-1][1]} last")
    last = max(heard.values(), key=lambda answers: answers[-1][0])
    return max(0.0, last[-1][0] - ended), _changes([(moment - ended, status) for moment, status in last])


def _ask_until_refused(server: Server, credential: Credential, heard: list[tuple[float, int]], give_up: float) -> None:
    with Exchange(server.port) as exchange:
        while time.perf_counter() < give_up:
            reply = exchange.ask("GET", server.path, credential.headers)
            heard.append((time.perf_counter(), reply.status))
            if reply.status != 200:
                return
            time.sleep(ASK_EVERY)


def _changes(answers: Sequence[tuple[float, int]]) -> list[tuple[float, int]]:
    """Keep the first answer, the last one before the refusal, and the refusal: enough to draw it."""
    return [answers[0], *answers[-2:]]
