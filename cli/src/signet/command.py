"""The `signet` command."""

import io
import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.text import Text

from signet.admin import create_administrator
from signet.compare import compare as run_comparison
from signet.demo import demo as tell_demo
from signet.failure import Failure
from signet.inspector.commands import jwks, token
from signet.keys import keys
from signet.up import up as run_up

app = typer.Typer(
    name="signet",
    help="A login made once, honoured by services that share no session store: run it, or let it tell its story.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)
admin = typer.Typer(help="Administrators.", no_args_is_help=True)
app.add_typer(admin, name="admin")
app.add_typer(keys, name="keys")

Data = Annotated[Path, typer.Option(help="Where databases, keys and logs are kept.", file_okay=False)]


@app.command()
def up(
    port: Annotated[int, typer.Option(min=1, max=65535, help="The port of the door.")] = 8080,
    data: Data = Path(".signet"),
    *,
    laboratory: Annotated[
        bool,
        typer.Option(
            "--laboratory", help="Also run a profile in plain mode and the session twin, for the page that compares."
        ),
    ] = False,
) -> None:
    """Run auth, profile, orders and the gateway on loopback, until Ctrl-C."""
    run_up(Console(), port=port, data=data, laboratory=laboratory)


@app.command()
def demo(
    *,
    pause: Annotated[bool, typer.Option("--pause", help="Wait for Enter after each step.")] = False,
) -> None:
    """Start a fresh system and tell its story with real requests; exit status 1 if one does not come out as told."""
    raise typer.Exit(tell_demo(Console(), pause=pause))


@app.command()
def compare(
    *,
    quick: Annotated[bool, typer.Option("--quick", help="Do less of each: for a first look.")] = False,
) -> None:
    """Measure sessions and JWTs side by side, and write comparison/report.html."""
    run_comparison(quick=quick)


app.command()(jwks)
app.command()(token)


@admin.command("create")
def admin_create(
    *,
    email: Annotated[str, typer.Option(help="The e-mail address to log in with.")],
    name: Annotated[str, typer.Option(help="What services call this administrator.")] = "Administrator",
    data: Data = Path(".signet"),
    compose: Annotated[
        bool, typer.Option("--compose", help="In the running `docker compose` system, not in --data.")
    ] = False,
) -> None:
    """Make an administrator. Asks for the password, or reads it from standard input; there is no default one."""
    create_administrator(email=email, name=name, data=data, compose=compose)
    print(f"{email} is an administrator now.")


def main() -> None:
    """Run the command; say what went wrong in a sentence, and exit with a status that is not 0."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a terminal without arrows is no reason to break off
    try:
        app()
    except Failure as failure:
        _fail(str(failure), excerpt=failure.excerpt, status=failure.status)
    except OSError as error:
        where = f" ({error.filename})" if error.filename else ""
        _fail(f"{error.strerror or error}{where}.")


def _fail(sentence: str, *, excerpt: str = "", status: int = 1) -> None:
    errors = Console(stderr=True)
    # As text, not as markup: the sentence may quote what somebody else has written.
    errors.print(Text.assemble(("signet:", "bold red"), " ", sentence), highlight=False, soft_wrap=True)
    for line in excerpt.splitlines():
        errors.print(f"  {line}", markup=False, highlight=False, soft_wrap=True)
    sys.exit(status)
