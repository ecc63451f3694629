"""`signet up`: the system runs here, in sight, until somebody ends it or something ends by itself."""

from collections.abc import Iterable
from pathlib import Path

from rich.console import Console
from rich.table import Table

from signet import laboratory as the_laboratory
from signet.environment import SERVICES
from signet.signals import Interrupted, interruptible
from signet.stack import EmbeddedStack

FIRST_COMMANDS = """\
# register
curl -sS --fail-with-body {url}/register \\
  -H 'Content-Type: application/json' \\
  -d '{{"email": "ada@example.com", "name": "Ada",
       "password": "correct horse battery"}}'

# log in, and keep the access token
TOKEN=$(curl -sS --fail-with-body {url}/login \\
  -H 'Content-Type: application/json' \\
  -d '{{"email": "ada@example.com", "password": "correct horse battery"}}' |
  python3 -c 'import json, sys; print(json.load(sys.stdin)["access_token"])')

# call a service with it
curl -sS --fail-with-body {url}/api/profile \\
  -H "Authorization: Bearer $TOKEN"
"""
"""What to try first; `{url}` is the door. They are those of the README."""

_SHOWN = {"SIGNET_SERVER_TIMING": "true"}
"""What every process is told besides, because whoever runs this wants to see how the system works."""


def up(console: Console, *, port: int, data: Path, laboratory: bool = False) -> None:
    """Run the stack until a signal asks it to end, with the laboratory beside it if that is wanted.

    Raises Failure when it cannot start, and when one of its processes ends by itself.
    """
    with interruptible():
        try:
            twins = {}
            if laboratory:
                the_laboratory.require_installed()
                twins = the_laboratory.TWINS
            console.print(f"Starting {', '.join([*SERVICES[:-1], *twins])} and the {SERVICES[-1]} …", highlight=False)
            names = (*SERVICES, *twins)
            environment = {name: _SHOWN | the_laboratory.ENVIRONMENT.get(name, {}) for name in names}
            with EmbeddedStack(data, gateway_port=port, environment=environment, twins=twins) as stack:
                _say_what_runs_where(console, stack, names)
                try:
                    failure = stack.wait_for_an_end()
                except Interrupted:
                    console.print("\nStopping …")
                else:
                    raise failure
        except Interrupted:
            console.print("\nStopped before it was ready.")
        else:
            console.print("Stopped. Accounts, orders and keys are kept.")


def _say_what_runs_where(console: Console, stack: EmbeddedStack, names: Iterable[str]) -> None:
    table = Table(show_edge=False, pad_edge=False, header_style="bold", box=None, padding=(0, 3, 0, 0))
    for heading in ("service", "address", "pid", "data"):
        table.add_column(heading, overflow="fold")
    for name in names:
        address = stack.url if name == "gateway" else stack.service_url(name)
        kept = "none of its own" if name == "gateway" else _short(stack.data.of(stack.service_of(name)))
        table.add_row(name, address, str(stack.process(name).pid), kept)
    console.print()
    console.print(table)
    console.print(
        f"\nLogs are in {_short(stack.data.log('auth').parent)}. Ctrl-C stops everything; the data stays.",
        highlight=False,
    )
    console.print(
        f"\n[bold green]Ready:[/] [bold]{stack.url}[/] (open it in a browser; its endpoints: {stack.url}/docs)",
        highlight=False,
    )
    console.print("Try, in another terminal:\n")
    # Never wrapped nor coloured: these lines are for copying.
    console.print(FIRST_COMMANDS.format(url=stack.url), markup=False, highlight=False, soft_wrap=True)


def _short(path: Path) -> str:
    """Return a path as one would type it here."""
    here = Path.cwd()
    return str(path.relative_to(here)) if path.is_relative_to(here) else str(path)
