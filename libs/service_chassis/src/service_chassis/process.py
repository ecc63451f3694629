"""A service as it is run: what hinders a start is a sentence, and then as many workers serve as the settings say."""

import asyncio
import contextlib
import sys
from collections.abc import Callable, Coroutine
from typing import Any

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
    _run(prepare)
    bound = bind(settings.host, settings.port)

    def work(serving: Callable[[], None]) -> None:
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
