"""Logs: JSON, one line an event, on standard error, and nothing in them that opens a door."""

import logging
import re
import sys

import structlog
from structlog.typing import EventDict, WrappedLogger

from service_chassis.tracing import name_trace

# Anything shaped like a JWS, a credential in a header, or a value under a name like these is masked, whoever logged it:
# an exception's text or a library's message may carry what our own events never do.
_JWS = re.compile(r"eyJ[A-Za-z0-9_-]{5,}\.[A-Za-z0-9_-]*\.?[A-Za-z0-9_-]*")
_CREDENTIALS = re.compile(r"(?i)\b(bearer|basic)\s+[^\s\"',}]+")
_SECRET_NAMES = frozenset(
    {"authorization", "cookie", "set-cookie", "password", "token", "access_token", "refresh_token"}
)


def configure_logging(service: str, level: str) -> None:
    """Send all logs of this process, the libraries' too, to standard error as JSON.

    `service` names the process in each line; `level` is a name of the `logging` module, such as "INFO".
    """

    def name_service(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
        event["service"] = service
        return event

    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        name_trace,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        name_service,
        structlog.processors.format_exc_info,
        mask_secrets,
    ]
    structlog.configure(
        processors=[structlog.stdlib.filter_by_level, *shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.JSONRenderer(ensure_ascii=True),
            ],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level)
    for chatty in ("httpx", "httpcore", "alembic", "aiosqlite", "asyncio"):
        logging.getLogger(chatty).setLevel(max(logging.WARNING, root.level))


def mask_secrets(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    """Mask what looks like a credential, wherever in the event it stands."""
    return {name: "[masked]" if name.lower() in _SECRET_NAMES else _masked(value) for name, value in event.items()}


def _masked(value: object) -> object:
    match value:
        case str():
            return _CREDENTIALS.sub(r"\1 [masked]", _JWS.sub("[masked]", value))
        case dict():
            return {
                key: "[masked]" if str(key).lower() in _SECRET_NAMES else _masked(item) for key, item in value.items()
            }
        case list() | tuple():
            return [_masked(item) for item in value]
        case _:
            return value
