"""How long a saved credential works on after its owner has logged out, until the last server refuses it."""

import time
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass

from side_by_side.exchange import Exchange
from side_by_side.laboratory import DEFAULT_LEEWAY, DEFAULT_TOKEN_LIFE, Laboratory
from side_by_side.result import Measured, Result, Waiting
from side_by_side.ways import Credential, Server, UnexpectedAnswerError, Way

NAME = "logout"
CLAIM = "A session ends everywhere at once; a plain JWT works on until it expires; a followed one ends like a session."
PROCEDURE = (
    "Log in, let every server accept the credential, log out; from then on each server is asked every few "
    "milliseconds with the saved credential, over a connection of its own, until it refuses; the longer that takes, "
    "the less often, to a third of a per cent of it. Measured is the time "
    "from the answer to the log-out to the first refusal of the last server, by whom it was heard."
)
ASK_EVERY, SHARPNESS = 0.004, 1 / 300
"""Seconds between two questions, and the share of the time since the first that they may grow to."""
SOON = 2.0
"""Seconds after which a server that has not refused is taken to wait for the token's end."""
GRACE = 10.0
"""Seconds beyond the token's end after which a server that accepts it still is taken for broken."""


@dataclass(frozen=True)
class _Run:
    """One log-out: when it was answered, and what each server has answered when, as long as it is asked."""

    ended: float
    heard: dict[str, list[tuple[float, int]]]
    asked: Sequence[Future[None]]

    def is_over(self, *, within: float) -> bool:
        """Wait for so many seconds at most, and tell whether every server has refused."""
        return not wait(self.asked, within).not_done

    def result(self) -> tuple[float, list[tuple[float, int]]]:
        """Wait, and return the seconds until the last refusal, and when that server's answer was which status."""
        for each in self.asked:
            each.result()
        for name, answers in self.heard.items():
            if answers[0][1] != 200 or answers[-1][1] != 401:
                raise UnexpectedAnswerError(f"{name} answered {answers[0][1]} first and {answers[-1][1]} last")
        last = max(self.heard.values(), key=lambda answers: answers[-1][0])
        return max(0.0, last[-1][0] - self.ended), _changes([(moment - self.ended, status) for moment, status in last])


def measure(lab: Laboratory) -> Result:
    """Log out several times in each way, and once where one has to wait for the token's end."""
    return begin(lab)()


def begin(lab: Laboratory) -> Waiting:
    """Log out in each way; what is waited for are the tokens of whose end no server hears."""
    runs: dict[str, list[_Run]] = {key: [] for key in lab.ways}
    # The plain ones last: whoever is still asked must not disturb the others, whose end takes milliseconds.
    for way in sorted(lab.ways.values(), key=lambda way: way.key == "jwt-plain"):
        person = way.register()
        while len(runs[way.key]) < (2 if lab.quick else 8):
            run = _log_out(lab, way, way.log_in(person))
            runs[way.key].append(run)
            if not run.is_over(within=SOON):
                break  # it ends when the token does, and will do so again

    def heard() -> Result:
        found = {key: [run.result() for run in each] for key, each in runs.items()}
        facts = {
            "timelines": {key: each[-1][1] for key, each in found.items()},
            "token life": lab.token_life,
            "leeway": lab.leeway,
            "usual token life and leeway": DEFAULT_TOKEN_LIFE + DEFAULT_LEEWAY,
            "servers": {way.key: [server.name for server in way.servers] for way in lab.ways.values()},
        }
        measured = {key: Measured.of("ms", [1000 * end for end, _ in each]) for key, each in found.items()}
        return Result(NAME, CLAIM, PROCEDURE, measured, facts)

    return heard


def _log_out(lab: Laboratory, way: Way, credential: Credential) -> _Run:
    """Log out under the eyes of every server, each of which is asked on until it refuses."""
    heard: dict[str, list[tuple[float, int]]] = {server.name: [] for server in way.servers}
    give_up = time.perf_counter() + lab.token_life + lab.leeway + GRACE
    asking = ThreadPoolExecutor(len(way.servers))
    asked = [
        asking.submit(_ask_until_refused, server, credential, heard[server.name], give_up) for server in way.servers
    ]
    asking.shutdown(wait=False)
    while not all(heard.values()) and time.perf_counter() < give_up:
        time.sleep(ASK_EVERY)
    way.log_out(credential)
    return _Run(time.perf_counter(), heard, asked)


def _ask_until_refused(server: Server, credential: Credential, heard: list[tuple[float, int]], give_up: float) -> None:
    with Exchange(server.port) as exchange:
        while time.perf_counter() < give_up:
            reply = exchange.ask("GET", server.path, credential.headers)
            heard.append((time.perf_counter(), reply.status))
            if reply.status != 200:
                return
            time.sleep(max(ASK_EVERY, SHARPNESS * (heard[-1][0] - heard[0][0])))


def _changes(answers: Sequence[tuple[float, int]]) -> list[tuple[float, int]]:
    """Keep the first answer, the last one before the refusal, and the refusal: enough to draw it."""
    return [answers[0], *answers[-2:]]
