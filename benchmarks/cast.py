"""Those who take part in a contest, started one after another, and why others do not."""

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path

from benchmarks.contest import Contestant
from benchmarks.load import Asking
from benchmarks.servers import Cores, Missing, Running, Server, running

MakeServer = Callable[[], Server]


class Cast:
    """They run until `held` is closed, with their logs in a folder."""

    def __init__(self, held: ExitStack, folder: Path, cores: Cores) -> None:
        self._held = held
        self._folder = folder
        self.cores = cores
        self.contestants: list[Contestant] = []
        self.lacking: dict[str, str] = {}

    def run(self, server: Server, name: str, core: int | None) -> Running:
        """Start a server that is not measured itself. Raises Missing."""
        file_name = "".join(character if character.isalnum() else "-" for character in name)
        return self._held.enter_context(running(server, self._folder, core=core, name=file_name))

    def add(
        self,
        name: str,
        make: MakeServer,
        *,
        path: str,
        check: Callable[[Asking], None],
        headers: Sequence[str] = (),
        behind: Running | None = None,
    ) -> None:
        """Start one who is measured; a process behind it counts as a part of it."""
        try:
            first = self.run(make(), name, self.cores.server)
        except Missing as fault:
            self.lacking[name] = str(fault)
        else:
            asking = Asking(first.port, path, headers)
            self.contestants.append(Contestant(name, asking, check, [first] if behind is None else [first, behind]))
