"""`signet demo`: a fresh system tells its story with real requests, and checks each thing that it says."""

import tempfile
import time
from contextlib import suppress
from pathlib import Path

from rich.console import Console

from signet.demo.scene import Scene
from signet.demo.story import STORY
from signet.demo.telling import Telling
from signet.signals import Interrupted, interruptible, undisturbed
from signet.stack import EmbeddedStack

__all__ = ["demo", "tell"]

TWINS = {"plain-orders": "orders"}
"""A fifth process beside the four: orders once more, on the same data, which follows no feed of revocations."""

PLAIN = {"plain-orders": {"SIGNET_REVOCATIONS_MODE": "plain"}}

UNHURRIED = {"auth": {"SIGNET_ACCESS_TOKEN_LIFE": "600"}}
"""The longest life that verifiers accept: an outage may be talked about for ten minutes."""

WIDEST = 100
"""Columns: longer lines are hard to read, however wide the terminal."""


def demo(console: Console, *, pause: bool) -> int:
    """Tell the story on a stack of its own, and leave nothing of it behind.

    Return the exit status: 0; 1 when something did not come out as told; 128 and the signal's number when interrupted.
    Raises Failure when the stack does not start.
    """
    with interruptible():
        directory = tempfile.TemporaryDirectory(prefix="signet-demo-", ignore_cleanup_errors=True)
        try:
            console.print("Starting a fresh system on free ports, with its data in a temporary directory …")
            environment = PLAIN | UNHURRIED if pause else PLAIN
            with EmbeddedStack(Path(directory.name), environment=environment, twins=TWINS) as stack:
                return tell(stack, console, pause=pause)
        except Interrupted as interrupted:
            console.print("\nEnded early. Everything that was started is stopped.")
            return 128 + interrupted.number
        finally:
            with undisturbed():
                directory.cleanup()


def tell(stack: EmbeddedStack, console: Console, *, pause: bool = False) -> int:
    """Tell the story on a running stack. Return 0, or 1 when something did not come out as told."""
    console.width = min(console.width, WIDEST)
    telling = Telling(console)
    started = time.monotonic()
    with Scene(stack, telling) as scene:
        for number, (title, step) in enumerate(STORY, start=1):
            with telling.step(number, title):
                step(scene)
            if pause and number < len(STORY):
                with suppress(EOFError):
                    console.input("\n[dim]Enter goes on …[/] ")
    telling.close(seconds=time.monotonic() - started)
    return 1 if telling.mistakes else 0
