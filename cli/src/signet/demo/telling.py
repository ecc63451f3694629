"""How the story looks: what is said, asked and answered, and whether it came out as told."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http import HTTPStatus

from rich.console import Console
from rich.highlighter import JSONHighlighter
from rich.padding import Padding
from rich.rule import Rule
from rich.table import Table
from rich.text import Text

from signet.demo.abbreviation import abbreviated, laid_out
from signet.failure import Failure


class NotAsToldError(Exception):
    """A step cannot go on, because something that it needs did not happen. Its sentence says what."""


class Telling:
    """The story as it appears on a console.

    `mistakes`: what did not come out as told, each with its step. `checks`: how many things were checked.
    """

    def __init__(self, console: Console) -> None:
        self.mistakes: list[tuple[str, str]] = []
        self.checks = 0
        self._console = console
        self._step = ""
        self._apart = False  # whether what was printed last was prose or a table, so that a check wants a gap

    @contextmanager
    def step(self, number: int, title: str) -> Iterator[None]:
        """Tell one step under its title; a step that breaks off is a mistake, and the story goes on."""
        self._step = f"{number}. {title}"
        self._console.print()
        self._console.print(Rule(Text(self._step, "bold"), align="left", style="cyan"))
        try:
            yield
        except NotAsToldError as fault:
            self.mistake(str(fault))
        except Failure as failure:
            self.mistake("\n".join([str(failure), *failure.excerpt.splitlines()]))

    def say(self, text: str) -> None:
        """Say something, as a paragraph."""
        self._line(Text(text), left=_PROSE, gap=True)

    def proves(self, text: str) -> None:
        """Say what a step has shown."""
        self._line(Text.assemble(("What this shows  ", "bold cyan"), text), left=_PROSE, gap=True)

    def table(self, *headings: str, widths: Mapping[str, int] | None = None) -> Table:
        """Return an empty table, to be filled and shown; `widths`: columns that keep at least so many characters."""
        table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
        for heading in headings:
            table.add_column(heading, overflow="fold", min_width=(widths or {}).get(heading))
        return table

    def show(self, table: Table) -> None:
        """Show a table."""
        self._console.print()
        self._console.print(Padding(table, (0, 0, 0, 4), expand=False), highlight=False)
        self._apart = True

    def request(self, method: str, url: str, *, headers: Mapping[str, str], body: object) -> None:
        """Show what is asked."""
        self._line(Text(f"→ {method} {url}", "bold"), gap=True)
        self._message(headers, body)

    def answer(self, status: int, *, expected: int, headers: Mapping[str, str], body: object) -> None:
        """Show what is answered, and check its status."""
        self.checks += 1
        phrase = f" {HTTPStatus(status).phrase}" if status in _STATUSES else ""
        if status == expected:
            self._line(Text.assemble((f"← {status}{phrase}", "bold"), ("  ✓", "bold green")))
        else:
            wrong = f"expected {expected}, got {status}"
            self._line(Text.assemble((f"← {status}{phrase}", "bold"), (f"  ✗ {wrong}", "bold red")))
            self._note(wrong)
        self._message(headers, body)

    def check(self, claim: str, *, expected: object, actual: object) -> None:
        """Check that something is as told, and say so; in red, with both values, when it is not."""
        self.checks += 1
        if actual == expected:
            self._line(Text.assemble(("✓ ", "bold green"), claim), hanging=2, gap=self._apart)
        else:
            self.mistake(f"{claim}\nexpected: {abbreviated(expected)}\nactual:   {abbreviated(actual)}")

    def mistake(self, text: str) -> None:
        """Show in red what did not come out as told."""
        first, *more = text.splitlines()
        self._note(first)
        self._line(Text(f"✗ {first}", "bold red"), hanging=2, gap=self._apart)
        for line in more:
            self._line(Text(line, "red"), left=6)

    def close(self, *, seconds: float) -> None:
        """Say how it went."""
        if not self.mistakes:
            told = f"Everything came out as told: {self.checks} checks in {seconds:.0f} s."
            self._line(Text(told, "bold green"), left=0, gap=True)
            return
        self._line(Text("Not everything came out as told:", "bold red"), left=0, gap=True)
        for step, what in self.mistakes:
            self._line(Text(f"✗ {step}: {what}", "red"), left=2, hanging=2)

    def _note(self, what: str) -> None:
        self.mistakes.append((self._step, what))

    def _message(self, headers: Mapping[str, str], body: object) -> None:
        for name, value in headers.items():
            self._line(Text.assemble((f"{name}: ", "cyan"), value), left=6, hanging=2)
        if body is not None:
            text = Text(laid_out(abbreviated(body), width=self._console.width - 7))
            JSONHighlighter().highlight(text)
            for line in text.split("\n"):
                indent = len(line.plain) - len(line.plain.lstrip())
                self._line(line[indent:], left=6 + indent, hanging=4)

    def _line(self, text: Text, *, left: int = 4, hanging: int = 0, gap: bool = False) -> None:
        """Print text, wrapped between `left` and the edge; its further lines stand `hanging` more to the right."""
        if gap:
            self._console.print()
        self._apart = left == _PROSE
        for number, line in enumerate(text.wrap(self._console, self._console.width - left - hanging)):
            line.rstrip()
            indent = left + (hanging if number else 0)
            self._console.print(Text(" " * indent).append_text(line), highlight=False, soft_wrap=True)


_PROSE = 2
_STATUSES = frozenset(status.value for status in HTTPStatus)
