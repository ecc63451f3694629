"""The ways in which a request can say who it is from. Each is one entry: a further one needs nothing else."""

import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from side_by_side.exchange import Reply, ask_once


@dataclass(frozen=True)
class Person:
    """Somebody with an account."""

    email: str
    password: str
    name: str


@dataclass(frozen=True)
class Server:
    """A process that checks credentials, and a path of it that needs one."""

    name: str
    port: int
    path: str


@dataclass(frozen=True)
class Credential:
    """What a client keeps: the header that it sends, and besides it what it gets new credentials for, if anything."""

    header: str
    value: str
    renewal: str = ""

    @property
    def headers(self) -> Mapping[str, str]:
        """The header, to send."""
        return {self.header: self.value}


class UnexpectedAnswerError(Exception):
    """A process did not answer as the experiment needs it to go on."""


class ExpiredError(UnexpectedAnswerError):
    """A token came to its end, which is seconds away here, before the experiment did: nothing was measured."""


@dataclass(frozen=True)
class Way:
    """One way: who makes credentials, which servers check them, and how a client sends one."""

    key: str
    kind: Literal["session", "jwt"]
    desk: int
    """The port where one registers, logs in and logs out."""
    servers: tuple[Server, ...]
    read: Callable[[Reply], Credential]
    """Takes the credential from the answer to a log-in."""
    wish: Mapping[str, Any] = field(default_factory=dict)
    """What a log-in says besides who it is: how the credential shall travel."""
    page: Mapping[str, str] = field(default_factory=dict)
    """What a browser adds to a request that changes something: that it comes from a page of the site itself."""

    def register(self, name: str = "Ada Lovelace") -> Person:
        """Make an account."""
        person = Person(f"{secrets.token_hex(8)}@example.com", f"{secrets.token_hex(8)} Battery", name)
        _must(ask_once(self.desk, "POST", "/register", body=vars(person)))
        return person

    def log_in(self, person: Person, *, device: str = "comparison") -> Credential:
        """Log in, and return what the client keeps."""
        body = {"email": person.email, "password": person.password, **self.wish}
        return self.read(_must(ask_once(self.desk, "POST", "/login", {"User-Agent": device, **self.page}, body=body)))

    def renew(self, credential: Credential) -> Credential:
        """Get the next token of a login, by what the client keeps besides the present one, or with it in its cookie."""
        if credential.renewal:
            return self.read(_must(ask_once(self.desk, "POST", "/refresh", body={"refresh_token": credential.renewal})))
        return self.read(_must(ask_once(self.desk, "POST", "/refresh", {**credential.headers, **self.page})))

    def log_out(self, credential: Credential) -> None:
        """Log out; returns when that was acknowledged."""
        _must(ask_once(self.desk, "POST", "/logout", {**credential.headers, **self.page}))

    def end_other(self, current: Credential, *, device: str) -> None:
        """End the login of another device, from this one."""
        listing, name, key = (
            ("/sessions", "sessions", "key") if self.kind == "session" else ("/logins", "logins", "sid")
        )
        listed = _must(ask_once(self.desk, "GET", listing, current.headers)).json()[name]
        for each in listed:
            if each["device"] == device:
                headers = {**current.headers, **self.page}
                _must(ask_once(self.desk, "DELETE", f"{listing}/{each[key]}", headers))

    def use(self, credential: Credential, server: Server | None = None) -> Reply:
        """Ask for what needs a credential, at the first server or another one, over a fresh connection.

        Raises ExpiredError: that a token has expired must never be taken for the refusal that an experiment is about.
        """
        where = server or self.servers[0]
        reply = ask_once(where.port, "GET", where.path, credential.headers)
        if reply.status == 401 and reply.json().get("reason") == "expired":
            raise ExpiredError(f"a token expired before {where.name} was asked: the machine is too busy")
        return reply


def cookie_of(reply: Reply) -> Credential:
    """Return the credential that was set in cookies, as a browser sends them back."""
    return Credential("Cookie", "; ".join(each.partition(";")[0] for each in reply.set_cookies))


def bearer_of(reply: Reply) -> Credential:
    """Return the credential that auth answers: the access token, to be sent in a header."""
    answer = reply.json()
    return Credential("Authorization", f"Bearer {answer['access_token']}", answer.get("refresh_token", ""))


def _must(reply: Reply) -> Reply:
    if reply.status >= 300:
        raise UnexpectedAnswerError(f"answered {reply.status}: {reply.body.decode(errors='replace')[:300]}")
    return reply
