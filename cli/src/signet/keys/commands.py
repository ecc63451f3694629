"""The arguments of `signet keys`, its exit statuses, and what it prints for whom."""

import contextlib
import getpass
import json
import sys
from collections.abc import Iterator
from datetime import datetime
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from signet.failure import Failure
from signet.keys.administration import KeyAdministration, RefusedError

keys = typer.Typer(
    help="The issuer's signing keys. Exit status: 0 done, 1 refused, 2 could not be asked.", no_args_is_help=True
)

Email = Annotated[str | None, typer.Option(help="An administrator's; asked for at a terminal.")]
Url = Annotated[str, typer.Option(help="Of the door.", envvar="SIGNET_URL")]
Json = Annotated[bool, typer.Option("--json", help="Print auth's answer, or its problem, as a JSON document.")]

_DOOR = "http://localhost:8080"
_KEY_ID_LENGTH = 43
"""Characters of every key's id: a SHA-256 in base64url. [RFC 7638]"""
_STYLES = {"active": "bold green", "pending": "cyan", "compromised": "bold red", "removed": "dim"}


@keys.command("list")
def list_keys(*, email: Email = None, url: Url = _DOOR, json: Json = False) -> None:
    """Show every key: its state, since when, and what becomes of it when.

    Each of these commands reads the password from standard input, or asks for it at a terminal.
    """
    with _administration(url, email, as_json=json) as administration:
        found = administration.all()
        if json:
            _print({"keys": found})
        else:
            _show(found)


@keys.command()
def rotate(*, email: Email = None, url: Url = _DOOR, json: Json = False) -> None:
    """Let the pending key sign from now on. Refused until every verifier has had time to learn of it."""
    with _administration(url, email, as_json=json) as administration:
        changed = administration.rotate()
        if json:
            _print(changed)
        else:
            print(f"{changed['active']} signs now. {changed['pending']} stands ready.")


# A key's id may begin with a dash: one in 64 does.
@keys.command(context_settings={"ignore_unknown_options": True})
def compromise(
    kid: Annotated[str, typer.Argument(help="The key's id, as the list has it.", metavar="KID")],
    *,
    email: Email = None,
    url: Url = _DOOR,
    json: Json = False,
) -> None:
    """Have every service reject a key: what it has signed is refused within a second.

    All who hold such a token have to refresh it or log in again. Doing it twice does no harm.
    """
    if not kid.strip():
        raise Failure("Which key? The key id is empty: `signet keys list` shows them.", status=2)
    if kid.startswith("-") and len(kid) != _KEY_ID_LENGTH:
        raise Failure(f"{kid} is neither an option nor a key's id.", status=2)
    with _administration(url, email, as_json=json) as administration:
        changed = administration.compromise(kid)
        if json:
            _print(changed)
        else:
            print(f"{kid} counts no more, from {changed['seq']} in the revocation feed on.")
            print(f"{changed['active']} signs now. {changed['pending']} stands ready.")


@contextlib.contextmanager
def _administration(url: str, email: str | None, *, as_json: bool) -> Iterator[KeyAdministration]:
    """Log in and give access; a refusal ends the command with status 1, as a document where one was asked for."""
    who, password = _credentials(email)
    with contextlib.closing(KeyAdministration.of(url)) as administration:
        try:
            administration.log_in(who, password)
            yield administration
        except RefusedError as refusal:
            if not as_json:
                raise
            _print(refusal.problem)
            raise typer.Exit(refusal.status) from None


def _credentials(email: str | None) -> tuple[str, str]:
    if sys.stdin.isatty():
        return email or input("E-mail: "), getpass.getpass("Password: ")
    if not email:
        raise Failure("Whose password is it? Name the administrator with --email.", status=2)
    password = sys.stdin.readline().rstrip("\r\n")
    if not password:
        raise Failure("An administrator's password is needed: give it on standard input.", status=2)
    return email, password


def _print(document: dict[str, Any]) -> None:
    print(json.dumps(document, indent=2))


def _show(found: list[dict[str, Any]]) -> None:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in ("kid", "state", "since", "next"):
        # A key id is for copying: it stands on one line, and what is beside it gives way.
        whole = heading in {"kid", "state"}
        table.add_column(
            heading, overflow="fold", no_wrap=whole, min_width=len("2026-01-01") if heading == "since" else None
        )
    for key in found:
        state = str(key["state"])
        table.add_row(str(key["kid"]), Text(state, _STYLES.get(state, "")), _moment(key["since"]), _next(key["next"]))
    Console().print(table, markup=False, highlight=False)


def _next(following: dict[str, Any] | None) -> str:
    if following is None:
        return ""
    by_hand = (
        f", by hand from {_moment(following['possible_at'])}" if following["at"] != following["possible_at"] else ""
    )
    return f"{following['state']} at {_moment(following['at'])}{by_hand}"


def _moment(written: object) -> str:
    return datetime.fromisoformat(str(written)).astimezone().strftime("%Y-%m-%d %H:%M:%S")
