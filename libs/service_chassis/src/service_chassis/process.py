"""A service as it is run: what hinders a start is a sentence, and then as many workers serve as the settings say."""

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import Callable, Coroutine, Iterator
from types import FrameType
from typing import Any, NoReturn

from sqlalchemy.exc import DBAPIError
from starlette.types import ASGIApp

from service_chassis.database import StorageUnavailable, UnfitDatabase
from service_chassis.sealing import KeysUnusable
from service_chassis.server import bind, server
from service_chassis.settings import ProcessSettings
from service_chassis.workers import work_in_processes


def serve(
    make_app: Callable[[], ASGIApp], settings: ProcessSettings, *, prepare: Callable[[], Coroutine[Any, Any, None]]
) -> None:
    """Serve an application until a signal ends it.

    `prepare` is run once, before there is a worker: it migrates and makes first keys. Each worker then makes an
    application of its own. Exit status: 1 with a sentence when `prepare` or the port hinders the start, 3 when the
    application does not start.
    """
    with _ended_by_signals():
        _run(prepare)
        bound = bind(settings.host, settings.port)

    def work(serving: Callable[[], None]) -> None:
        with _ended_by_signals():
            running = server(make_app(), serving=serving)
        # Ctrl-C has been obeyed by then: uvicorn raises it once more when everything has ended.
        with contextlib.suppress(KeyboardInterrupt):
            running.run(sockets=[bound])
        if not running.started:
            sys.exit(3)

    work_in_processes(settings.workers, work, sockets=[bound])


def _run(prepare: Callable[[], Coroutine[Any, Any, None]]) -> None:
    try:
        asyncio.run(prepare())
    except (KeysUnusable, UnfitDatabase) as error:
        sys.exit(str(error))
    except StorageUnavailable:
        sys.exit("The database cannot be used.")
    except DBAPIError as error:
        sys.exit(f"The database cannot be used: {error.orig}.")
    except OSError as error:
        sys.exit(f"{error.filename or 'A file'}: {error.strerror}.")


@contextlib.contextmanager
def _ended_by_signals() -> Iterator[None]:
    """Be ended by SIGTERM and SIGINT at once meanwhile, whatever is waited for: nothing is served yet.

    Also as process 1 of a container, which a signal that it does not handle does not end; but for the moment between
    this and the server's own handling.
    """
    before = {number: signal.signal(number, _end_by) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _end_by(number: int, _: FrameType | None) -> NoReturn:
    signal.signal(number, signal.SIG_DFL)
    signal.raise_signal(number)  # whoever asks how this process ended is told by what
    os._exit(128 + number)
