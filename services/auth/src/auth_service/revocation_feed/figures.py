"""The figures of the feed, for `/metrics`."""

from collections.abc import Iterator

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from auth_service.revocation_feed.feed import RevocationFeed
from auth_service.revocation_feed.news import RevocationNews


class FeedFigures(Collector):
    """Reads them when they are asked for."""

    def __init__(self, feed: RevocationFeed, news: RevocationNews) -> None:
        self._feed = feed
        self._news = news

    def collect(self) -> Iterator[Metric]:
        """Yield each."""
        yield GaugeMetricFamily("revocation_feed_head", "The seq that the log has reached.", self._news.head)
        yield GaugeMetricFamily("revocation_feed_waiting", "Followers who wait for an answer.", self._news.waiting)
        yield CounterMetricFamily("revocation_feed_signatures", "Answers signed.", self._feed.signatures)
