"""Revocations: the log of what counts no more, and the feed by which services follow it."""

from auth_service.revocations.feed import RevocationFeed
from auth_service.revocations.figures import FeedFigures
from auth_service.revocations.log import RevocationKind, RevocationLog, RevocationPage
from auth_service.revocations.news import RevocationNews

__all__ = ["FeedFigures", "RevocationFeed", "RevocationKind", "RevocationLog", "RevocationNews", "RevocationPage"]
