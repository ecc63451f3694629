"""`signet jwks` and `signet token`: their arguments, their exit statuses, and what they print for whom."""

import asyncio
import getpass
import logging
import os
import re
import sys
from typing import Annotated

import typer
from rich.console import Console

from signet.failure import Failure
from signet.inspector.asking import NotFetchedError
from signet.inspector.key_set_page import show_key_set
from signet.inspector.key_set_report import inspect_key_set, not_fetched
from signet.inspector.token_page import show_token
from signet.inspector.token_report import Verdict, inspect_token
from signet.inspector.words import json_document

INPUT_CAP = 1024 * 1024
"""Bytes of standard input; a service reads 8 KiB of a token."""

_STATUSES: dict[Verdict, int] = {"accepted": 0, "refused": 1, "undecided": 2}
_BEFORE_A_TOKEN = re.compile(r"(?:authorization:[ \t]*)?(?:bearer +)?", re.IGNORECASE)
_WHITE_SPACE = " \t\r\n\f\v"

Json = Annotated[bool, typer.Option("--json", help="Print a JSON document (docs/inspector.md) instead.")]


def jwks(
    url: Annotated[str, typer.Argument(help="Of a JWK Set; or an issuer, whose metadata names it.", metavar="URL")],
    *,
    json: Json = False,
) -> None:
    """Show a published key set, of any issuer, and what is wrong with it.

    Fetches it as a Signet service does (3 s, 64 KiB, no redirects), and says of each key whether such a service would
    use it. Exit status: 0 no faults, 1 faults, 2 not fetched.
    """
    try:
        report = asyncio.run(inspect_key_set(url))
    except NotFetchedError as failure:
        if json:
            print(json_document(not_fetched(url, str(failure))))
            raise typer.Exit(2) from None
        raise
    if json:
        print(json_document(report.as_json()))
    else:
        show_key_set(Console(), report)
    raise typer.Exit(1 if report.faults else 0)


def token(
    token: Annotated[
        str | None,
        typer.Argument(
            help="The token. Others on this machine can read arguments: standard input is better.", metavar="TOKEN"
        ),
    ] = None,
    *,
    jwks: Annotated[
        str | None, typer.Option(help="URL of the key set, or of the issuer; without it no signature is checked.")
    ] = None,
    issuer: Annotated[str | None, typer.Option(help="Whom the service trusts; otherwise the token's own.")] = None,
    audience: Annotated[
        str | None, typer.Option(help="Which service is asked; otherwise each that the token names.")
    ] = None,
    revocations: Annotated[
        str | None, typer.Option(help="URL of the issuer's feed of revocations; without it no ended login is noticed.")
    ] = None,
    json: Json = False,
) -> None:
    """Take a token apart, and say check by check what a Signet service would say to it.

    Reads it from standard input (`Bearer` before it does no harm). The checks are the services' own. Exit status: 0
    it would be accepted (as far as was checked), 1 refused, 2 cannot tell.
    """
    raw = _read() if token is None else os.fsencode(token)
    # As a service reads a header: each byte is a character.
    text = raw.decode("latin-1").strip(_WHITE_SPACE)
    text = _BEFORE_A_TOKEN.sub("", text, count=1)
    if not text:
        raise Failure("There is no token: give it on standard input.", status=2)
    # What went wrong with the feed is told in the report.
    logging.getLogger("token_verification").addHandler(logging.NullHandler())
    report = asyncio.run(inspect_token(text, jwks=jwks, issuer=issuer, audience=audience, revocations=revocations))
    if json:
        print(json_document(report.as_json()))
    else:
        show_token(Console(), report)
    raise typer.Exit(_STATUSES[report.verdict])


def _read() -> bytes:
    """Read standard input; at a terminal ask for one line, without echo, since a token is a credential."""
    if sys.stdin.isatty():
        return os.fsencode(getpass.getpass("Token: "))
    raw = sys.stdin.buffer.read(INPUT_CAP + 1)
    if len(raw) > INPUT_CAP:
        raise Failure(f"There are more than {INPUT_CAP} bytes on standard input: that is no token.", status=2)
    return raw
