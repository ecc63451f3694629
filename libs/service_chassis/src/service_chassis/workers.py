"""Several processes that share a listening socket, and their parent, which looks after them and serves nobody."""

import contextlib
import logging
import os
import selectors
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import FrameType
from typing import NoReturn

import structlog

END_SECONDS = 13.0
"""How long a worker may take to end once asked: the server's 10 s for open requests, and some more."""

RETRY_SECONDS = 1.0
"""How long the parent waits before it replaces a worker that did not start."""

Work = Callable[[Callable[[], None]], None]
"""What a worker does: it calls what it is given once it serves, and returns, or exits with a status, at its end."""

_ENDING = frozenset({signal.SIGTERM, signal.SIGINT})

_log = structlog.get_logger()


@dataclass
class _Worker:
    """A child process, and the parent's end of the line to it.

    The worker writes one byte once it serves. Each end is closed when its process ends, however it ends: so each side
    learns of the other's end from the kernel, and a worker never outlives its parent.
    """

    pid: int
    line: socket.socket
    serves: bool = False


def work_in_processes(number: int, work: Work, *, sockets: Sequence[socket.socket]) -> None:
    """Do the work here if it is for one process, or in so many children. Ctrl-C is an end like any other.

    `sockets`: which the work serves at.
    """
    if number == 1:
        work(lambda: None)
        return
    with contextlib.suppress(KeyboardInterrupt):
        Workers(number, work, sockets).run()


class Workers:
    """So many processes doing the same work, until SIGTERM or SIGINT ends them all.

    One that ends by itself is replaced. One that does not even start is tried again later, as long as another serves;
    when none does, that is the end of all. Call `run` in a process with no event loop and no threads that matter:
    workers are forked from it, and have what it has prepared.
    """

    def __init__(self, number: int, work: Work, sockets: Sequence[socket.socket]) -> None:
        self._number = number
        self._work = work
        self._sockets = sockets
        self._workers: dict[int, _Worker] = {}
        self._signal: int | None = None
        self._cut_off_at: float | None = None
        self._replace_at: list[float] = []
        self._status = 0
        self._selector = selectors.DefaultSelector()

    def run(self) -> None:
        """Return once all have ended, if a signal asked for it; else exit with the status of whoever did not start."""
        bell, waking = socket.socketpair()
        for end in (bell, waking):
            end.settimeout(0)
        self._selector.register(bell, selectors.EVENT_READ, None)
        before = {number: signal.signal(number, self._note) for number in _ENDING}
        signal.set_wakeup_fd(waking.fileno(), warn_on_full_buffer=False)
        for _ in range(self._number):
            self._fork()
        while self._workers:
            for key, _ in self._selector.select(self._patience()):
                if key.data is None:
                    bell.recv(4096)
                else:
                    self._hear(key.data)
            if self._signal is not None:
                self._end()
            self._keep_the_time()
        signal.set_wakeup_fd(-1)
        for number, handler in before.items():
            signal.signal(number, handler)
        if self._status:
            sys.exit(self._status)
        if self._signal is not None:
            signal.raise_signal(self._signal)  # whoever asks how this process ended is told by what

    def _note(self, number: int, _: FrameType | None) -> None:
        self._signal = number

    def _fork(self) -> None:
        ours, theirs = socket.socketpair()
        # Held back meanwhile: the child would take a signal for one of the parent's, and note it where nobody looks.
        signal.pthread_sigmask(signal.SIG_BLOCK, _ENDING)
        pid = os.fork()
        if pid == 0:
            self._be_a_worker(ours, theirs)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _ENDING)
        theirs.close()
        worker = self._workers[pid] = _Worker(pid, ours)
        self._selector.register(ours, selectors.EVENT_READ, worker)

    def _be_a_worker(self, ours: socket.socket, theirs: socket.socket) -> NoReturn:
        """Be the child, to its end, and never return into what the parent was doing."""
        status = 1
        try:
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
            signal.signal(signal.SIGINT, signal.default_int_handler)
            # The other lines too: while anyone else holds the parent's end of one, its worker does not hear it close.
            for line in (ours, *(worker.line for worker in self._workers.values())):
                line.close()
            self._selector.close()
            signal.pthread_sigmask(signal.SIG_UNBLOCK, _ENDING)
            threading.Thread(target=_end_with_parent, args=(theirs,), name="end-with-parent", daemon=True).start()
            self._work(lambda: theirs.sendall(b"."))
            status = 0
        except SystemExit as ending:
            status = ending.code if isinstance(ending.code, int) else 1
        except BaseException:  # noqa: BLE001 -- whatever it was, this process must not go on as a second parent
            _log.exception("worker_failed")
        finally:
            logging.shutdown()
            os._exit(status)

    def _hear(self, worker: _Worker) -> None:
        if worker.line.recv(16):
            worker.serves = True
            _log.info("worker_serves", worker=worker.pid)
            return
        self._selector.unregister(worker.line)
        worker.line.close()
        del self._workers[worker.pid]
        _, waited = os.waitpid(worker.pid, 0)
        status = os.waitstatus_to_exitcode(waited)
        if self._cut_off_at is not None:
            return
        if worker.serves:
            _log.error("worker_ended", worker=worker.pid, status=status)
            self._fork()
            return
        _log.error("worker_did_not_start", worker=worker.pid, status=status)
        if any(other.serves for other in self._workers.values()):
            self._replace_at.append(time.monotonic() + RETRY_SECONDS)
        else:
            self._status = max(status, 1)
            self._end()

    def _end(self) -> None:
        """Ask everyone to end, once."""
        if self._cut_off_at is not None:
            return
        self._cut_off_at = time.monotonic() + END_SECONDS
        self._replace_at.clear()
        # While anyone holds a listening socket open, connections queue there that nobody will serve.
        for each in self._sockets:
            each.close()
        for pid in self._workers:
            os.kill(pid, signal.SIGTERM)

    def _patience(self) -> float | None:
        moments = [*self._replace_at, *([] if self._cut_off_at is None else [self._cut_off_at])]
        return max(0.0, min(moments) - time.monotonic()) if moments else None

    def _keep_the_time(self) -> None:
        now = time.monotonic()
        due = [moment for moment in self._replace_at if moment <= now]
        self._replace_at = [moment for moment in self._replace_at if moment > now]
        for _ in due:
            self._fork()
        if self._cut_off_at is not None and self._cut_off_at <= now:
            for pid in self._workers:
                _log.error("worker_cut_off", worker=pid)
                os.kill(pid, signal.SIGKILL)
            self._cut_off_at = now + END_SECONDS


def _end_with_parent(line: socket.socket) -> None:
    line.recv(1)
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(END_SECONDS)
    os.kill(os.getpid(), signal.SIGKILL)
