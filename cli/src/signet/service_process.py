"""One service as a child process: started, asked to end, cut off, and what it said last."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from signet.failure import Failure

STOP_SECONDS = 15.0
"""How long a process may take to end after SIGTERM: its own 10 s for open requests, and some more."""


class ServiceProcess:
    """A module that runs as a process, or does not, and can be started again. Its output goes to `log`."""

    def __init__(self, name: str, *, module: str, environment: Mapping[str, str], log: Path, lock: int) -> None:
        self.name = name
        self._module = module
        self._environment = environment
        self._log = log
        self._lock = lock
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def popen(self) -> subprocess.Popen[bytes]:
        """The process, running or ended. Raises Failure when it was never started."""
        if self._process is None:
            raise Failure(f"{self.name} was never started.")
        return self._process

    @property
    def running(self) -> bool:
        """Whether the process is alive at this moment."""
        return self._process is not None and self._process.poll() is None

    def start(self) -> None:
        """Start the process. Raises Failure when it runs already."""
        if self.running:
            raise Failure(f"{self.name} is running already.")
        if self._process is not None:
            self._let_go(self._process)
        with self._log.open("ab") as output:
            self._process = subprocess.Popen(  # noqa: S603 - our own modules, by name
                # -P: a file in the current directory that is named like a module is not taken for it.
                [sys.executable, "-P", "-m", "signet.attended", self._module],
                env=dict(self._environment),
                stdin=subprocess.PIPE,  # held open and never written to: it closes when this process ends
                stdout=output,
                stderr=subprocess.STDOUT,
                pass_fds=(self._lock,),
                # The terminal's Ctrl-C reaches the command alone, which then ends each once. No session of its own:
                # Linux shares its cores between sessions first, and niceness would be heeded within one alone.
                process_group=0,
            )

    def give_way(self, niceness: int) -> None:
        """Let it be so much nicer than this process from now on, with all its threads and workers."""
        own = os.getpriority(os.PRIO_PROCESS, 0)
        os.setpriority(os.PRIO_PGRP, self.popen.pid, min(19, own + niceness))

    def ask_to_end(self) -> None:
        """Send SIGTERM, if there is anyone to send it to."""
        if self.running:
            self.popen.send_signal(signal.SIGTERM)

    def wait(self) -> None:
        """Wait for the end of a process that was asked to; cut it off when it takes too long."""
        if self._process is None:
            return
        try:
            self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.kill()
        self._let_go(self._process)

    def kill(self) -> None:
        """End the process without asking, and whatever it may have started."""
        if self.running:
            os.killpg(self.popen.pid, signal.SIGKILL)
            self.popen.wait()
        self._let_go(self.popen)

    @staticmethod
    def _let_go(process: subprocess.Popen[bytes]) -> None:
        if process.stdin is not None:
            process.stdin.close()

    def how_it_ended(self) -> str:
        """Say in words how the process ended: "with status 3", "by SIGKILL"."""
        code = self.popen.poll()
        if code is None:
            return "not at all"
        return f"with status {code}" if code >= 0 else f"by {signal.Signals(-code).name}"

    def said(self) -> str:
        """Return the whole log of this run."""
        return self._log.read_text("utf-8", "replace") if self._log.exists() else ""

    def last_said(self, lines: int = 12) -> str:
        """Return the last lines of the log, made readable, or a sentence that there are none."""
        return "\n".join(map(_readable, self.said().splitlines()[-lines:])) or "(it wrote nothing to its log)"


def _readable(line: str) -> str:
    """Return a log line as a person would write it. Of a trace, which the log has in full, its last line says most."""
    try:
        event = json.loads(line)
        moment, level, what = (str(event[name]) for name in ("timestamp", "level", "event"))
    except (ValueError, KeyError, TypeError):
        return line
    return f"{moment[11:19]} {level:<7} {what.strip().splitlines()[-1] if what.strip() else ''}"
