"""A page at the terminal: headings, facts and verdicts, wrapped to its width, with nothing in them interpreted."""

from collections.abc import Iterable, Sequence

from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

WIDEST = 120
"""Columns: longer lines are hard to read, however wide the terminal."""


class Page:
    """What is printed, part after part. Every string is printed as it is: there is no markup in it."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._console.width = min(console.width, WIDEST)

    def title(self, *parts: str | tuple[str, str]) -> None:
        """Print the first line."""
        self.line(Text.assemble(*parts))

    def heading(self, text: str, remark: str = "") -> None:
        """Print a heading, and a remark beside it."""
        self._console.print()
        self.line(Text.assemble((text, "bold"), (f"  {remark}" if remark else "", "dim")))

    def line(self, text: Text, *, left: int = 0, after: Text | None = None) -> None:
        """Print text, wrapped between `left` and the edge; `after` stands before its first line and over no other."""
        lead = Text(" " * left).append_text(after or Text())
        room = max(20, self._console.width - lead.cell_len)
        for number, line in enumerate(text.wrap(self._console, room)):
            line.rstrip()
            beginning = Text(" " * lead.cell_len) if number else lead.copy()
            self._console.print(beginning.append_text(line), highlight=False, soft_wrap=True)

    def facts(self, rows: Iterable[tuple[str, str, str]]) -> None:
        """Print rows of a name, a value and a remark."""
        table = Table(box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 0))
        for style in ("cyan", "", "dim"):
            table.add_column(overflow="fold", style=style)
        for row in rows:
            table.add_row(*map(Text, row))
        self._show(table)

    def table(self, headings: Sequence[str], rows: Iterable[Sequence[Text]]) -> None:
        """Print a table, denser where the page is narrow."""
        table = Table(box=None, pad_edge=False, padding=(0, 1 if self._console.width < 100 else 2, 0, 0))
        table.header_style = "bold"
        for heading in headings:
            table.add_column(heading, overflow="fold")
        for row in rows:
            table.add_row(*row)
        self._show(table)

    def _show(self, table: Table) -> None:
        self._console.print(Padding(table, (0, 0, 0, 2), expand=False), highlight=False)
