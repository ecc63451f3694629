"""What a process tells its operator about the feed of revocations that it follows."""

from collections.abc import Iterator

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from token_verification import RevocationFeed


class FollowedRevocations(Collector):
    """One worker's knowledge of what is revoked, for `/readyz` and `/metrics`; a plain one has none."""

    def __init__(self, feed: RevocationFeed | None) -> None:
        self._feed = feed

    def summary(self) -> dict[str, object]:
        """Return the mode, up to which seq all is applied, and how many seconds ago the feed last said so."""
        if self._feed is None:
            return {"mode": "plain"}
        return {"mode": self._feed.mode, "seq": self._feed.seq, "age": self._feed.age}

    def collect(self) -> Iterator[Metric]:
        """Return the figures of this moment."""
        if (feed := self._feed) is None:
            return
        yield GaugeMetricFamily("revocations_seq", "Up to where the feed is applied.", value=feed.seq)
        yield GaugeMetricFamily("revocations_remembered", "Logins, tokens and keys that are denied.", feed.remembered)
        if feed.age is not None:
            yield GaugeMetricFamily("revocations_age_seconds", "Since the feed last told all there was.", feed.age)
        yield CounterMetricFamily("revocations_answers", "Answers of the feed that were accepted.", feed.answers)
        yield CounterMetricFamily("revocations_failures", "Questions without such an answer.", feed.failures)
        yield GaugeMetricFamily(
            "revocations_on_disk", "Whether the last that was learnt lies on disk.", int(feed.journal_fault is None)
        )
