"""All that there is to say about a published key set, before it is laid out."""

from dataclasses import dataclass

from signet.inspector.asking import Asked, ask
from signet.inspector.faults import Fault, warning
from signet.inspector.published_key import PublishedKey, described, faults_between
from signet.inspector.serving import entity_tag_honoured, faults_of_serving, last_modified, max_age
from signet.inspector.words import visible
from token_verification.key_set import examined_keys

VERSION = 1
"""Of the JSON documents. Members may be added under the same number; none changes its meaning or goes."""


@dataclass(frozen=True)
class KeySetReport:
    """A key set as its server publishes it: its keys, and every fault, errors first."""

    url: str
    """What was asked for: a key set, or an issuer."""
    asked: Asked
    keys: tuple[PublishedKey, ...]
    faults: tuple[Fault, ...]

    def as_json(self) -> dict[str, object]:
        """Return it as a document for programs."""
        asked, headers = self.asked, self.asked.answer.headers
        return {
            "version": VERSION,
            "url": self.url,
            "fetched": True,
            "jwks_uri": asked.url,
            "metadata": asked.metadata,
            "issuer": asked.issuer,
            "fetched_at": asked.at,
            "status": asked.answer.status,
            "bytes": len(asked.answer.body),
            "content_type": headers.get("content-type"),
            "cache_control": headers.get("cache-control"),
            "max_age": max_age(asked.answer),
            "etag": headers.get("etag"),
            "etag_honoured": entity_tag_honoured(asked),
            "last_modified": last_modified(asked.answer),
            "age": headers.get("age"),
            "keys": [key.as_json() for key in self.keys],
            "faults": [fault.as_json() for fault in self.faults],
        }


def not_fetched(url: str, sentence: str) -> dict[str, object]:
    """Return the document for programs when there was no answer to report about."""
    return {"version": VERSION, "url": url, "fetched": False, "failure": sentence}


async def inspect_key_set(url: str) -> KeySetReport:
    """Fetch a key set, twice, and look at everything. Raises Failure as `ask` does."""
    asked = await ask(url, twice=True)
    keys = keys_of(asked)
    faults = [
        *faults_of_serving(asked),
        *_faults_of_metadata(url, asked),
        *(fault for key in keys for fault in key.faults),
        *faults_between(keys),
    ]
    return KeySetReport(url, asked, keys, tuple(sorted(faults, key=lambda fault: fault.severity != "error")))


def keys_of(asked: Asked) -> tuple[PublishedKey, ...]:
    """Return the keys of an answer, whether or not a service would take it; none if it is no JWK Set."""
    try:
        return tuple(
            described(number, each) for number, each in enumerate(examined_keys(asked.document or {}), start=1)
        )
    except ValueError:
        return ()


def _faults_of_metadata(url: str, asked: Asked) -> list[Fault]:
    if asked.metadata is None or asked.metadata == url:
        return []
    if asked.issuer is not None and asked.issuer.rstrip("/") == url.rstrip("/"):
        return []
    said = "does not name itself" if asked.issuer is None else f"calls itself {visible(asked.issuer)}"
    return [warning("issuer_differs", f"The issuer {said} in its metadata, and not {visible(url)}: tokens will too.")]
