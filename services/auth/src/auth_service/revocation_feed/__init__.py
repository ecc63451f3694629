"""The feed of revocations, by which every worker of every service follows the log."""

from auth_service.revocation_feed.feed import RevocationFeed
from auth_service.revocation_feed.figures import FeedFigures
from auth_service.revocation_feed.news import RevocationNews

__all__ = ["FeedFigures", "RevocationFeed", "RevocationNews"]
