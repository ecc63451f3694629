"""How a key set is served: what its server says about caching, and what is wrong with that."""

import re
from collections.abc import Iterator
from email.utils import parsedate_to_datetime
from urllib.parse import urlsplit

from signet.inspector.asking import BYTE_CAP, Asked, is_on_this_machine
from signet.inspector.faults import Fault, error, warning
from signet.inspector.words import duration, visible
from token_verification.key_set_download import Answer, DownloadError, read

SHORTEST_MAX_AGE = 10
"""Seconds: Signet's services ask no more often than this, whatever an answer says."""
LONGEST_MAX_AGE = 86_400
"""Seconds: a key that is withdrawn today would be believed until tomorrow by whoever takes the answer at its word."""

_MAX_AGE = re.compile(r'(?:^|[\s,])max-age="?(\d{1,9})"?\s*(?:,|\Z)', re.IGNORECASE)


def max_age(answer: Answer) -> int | None:
    """Return the seconds for which the answer may be kept (RFC 9111, section 5.2.2.1); None if it does not say."""
    stated = _MAX_AGE.search(answer.headers.get("cache-control", ""))
    return int(stated[1]) if stated else None


def entity_tag_honoured(asked: Asked) -> bool | None:
    """Tell whether a second question with the ETag was answered with 304; None if nobody could tell."""
    return asked.again.status == 304 if isinstance(asked.again, Answer) else None


def last_modified(answer: Answer) -> float | None:
    """Return when the document was changed last, as its server says; seconds since the epoch."""
    try:
        return parsedate_to_datetime(answer.headers.get("last-modified", "")).timestamp()
    except (ValueError, OverflowError):
        return None


def faults_of_serving(asked: Asked) -> Iterator[Fault]:
    """Find what is wrong with where and how a key set is served."""
    answer = asked.answer
    if urlsplit(asked.url).scheme != "https" and not is_on_this_machine(asked.url):
        yield error("not_https", "It is not served over https: whoever is on the way can put in a key of their own.")
    if 300 <= answer.status < 400:
        there = visible(answer.headers.get("location", "nowhere"))
        yield error("redirect", f"The answer is a redirect ({answer.status}) to {there}, which services do not follow.")
        return
    if len(answer.body) > BYTE_CAP:
        yield error("too_large", f"It is larger than {BYTE_CAP} bytes, at which services stop reading.")
        return
    yield from _faults_of_body(asked)
    yield from _faults_of_caching(asked)


def _faults_of_body(asked: Asked) -> Iterator[Fault]:
    answer = asked.answer
    if answer.headers.get("content-encoding", "identity").lower() != "identity":
        yield error("compressed", "It is compressed although that was not asked for: services do not unpack it.")
    elif answer.fault is not None:
        kind = visible(answer.headers.get("content-type", "")) or "not stated"
        yield error("wrong_media_type", f"Its media type is {kind}: services want application/jwk-set+json.")
    else:
        try:
            read(answer, entity_tag=None)
        except DownloadError as fault:
            why = str(fault).removeprefix("the answer was no key set: ")
            if asked.document is None or not isinstance(asked.document.get("keys"), list):
                yield error("not_a_key_set", f"It is no JWK Set: {why}.")
            else:
                yield error(
                    "no_usable_key",
                    "It has no key that a service would use: a service refuses it, and keeps what it had before.",
                )


def _faults_of_caching(asked: Asked) -> Iterator[Fault]:
    control = asked.answer.headers.get("cache-control", "")
    stated = max_age(asked.answer)
    if re.search(r"\bno-(?:store|cache)\b", control, re.IGNORECASE):
        yield warning("not_cacheable", "Its Cache-Control forbids to keep it: every verifier has to ask all the time.")
    elif stated is None:
        yield warning("no_max_age", "Its Cache-Control has no max-age: each verifier has to guess how long it is good.")
    elif stated < SHORTEST_MAX_AGE:
        yield warning(
            "max_age_short",
            f"Its max-age is {stated} s: services ask no more often than every {SHORTEST_MAX_AGE} s, whatever it says.",
        )
    elif stated > LONGEST_MAX_AGE:
        yield warning(
            "max_age_long", f"Its max-age is {duration(stated)}: for so long, a key that was withdrawn may be believed."
        )
    if "etag" not in asked.answer.headers:
        yield warning("no_etag", "It has no ETag: each refresh transfers all of it.")
    elif not asked.answer.headers["etag"].isascii():
        yield warning("etag_not_honoured", "Its ETag is not ASCII: services send none such, and get all of it again.")
    elif isinstance(asked.again, str):
        yield warning("etag_not_honoured", f"Asked again with its ETag, the server gave no answer: {asked.again}.")
    elif entity_tag_honoured(asked) is False:
        yield warning("etag_not_honoured", "Asked again with its ETag, the server did not answer 304 but all of it.")
