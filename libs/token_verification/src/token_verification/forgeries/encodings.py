"""Tokens that are spelt in another way than the one way, or that are not tokens."""

import base64
from collections.abc import Callable

from token_verification.compact_jws import base64url_encoded
from token_verification.forgeries.forgery import Forgery, token_forgery
from token_verification.testing import FakeIssuer, json_bytes

_ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"


def _good(issuer: FakeIssuer, audience: str) -> str:
    return issuer.token(aud=audience)


def _parts(issuer: FakeIssuer, audience: str) -> list[str]:
    return _good(issuer, audience).split(".")


def _respelt(name: str, change: Callable[[str], str | bytes], reason: str = "malformed") -> Forgery:
    return token_forgery(name, reason, lambda issuer, audience: change(_good(issuer, audience)))


def _part(name: str, place: int, change: Callable[[str], str], reason: str = "malformed") -> Forgery:
    """Change one of the three parts of a good token."""

    def make(issuer: FakeIssuer, audience: str) -> str:
        parts = _parts(issuer, audience)
        parts[place] = change(parts[place])
        return ".".join(parts)

    return token_forgery(name, reason, make)


def _header(name: str, change: Callable[[bytes], bytes], reason: str = "malformed") -> Forgery:
    return token_forgery(
        name,
        reason,
        lambda i, a: i.sign(change(json_bytes(i.header())), json_bytes(i.claims(aud=a))),
    )


def _payload(name: str, change: Callable[[bytes], bytes], reason: str = "malformed") -> Forgery:
    return token_forgery(
        name,
        reason,
        lambda i, a: i.sign(json_bytes(i.header()), change(json_bytes(i.claims(aud=a)))),
    )


def _other_last_character(part: str) -> str:
    """Change only bits that decode to nothing: a lenient decoder sees the same bytes."""
    return part[:-1] + _ALPHABET[_ALPHABET.index(part[-1]) ^ 1]


def _not_canonical(issuer: FakeIssuer, audience: str) -> str:
    # One of three payloads that differ by one byte each has spare bits in its last character.
    tokens = (issuer.token(aud=audience, name="n" * length).split(".") for length in (1, 2))
    header, payload, signature = next(parts for parts in tokens if len(parts[1]) % 4)
    return ".".join((header, _other_last_character(payload), signature))


def _swapped_payload(issuer: FakeIssuer, audience: str) -> str:
    header, _, signature = _parts(issuer, audience)
    return ".".join((header, issuer.token(aud=audience, sub="somebody-else").split(".")[1], signature))


def _swapped_header(issuer: FakeIssuer, audience: str) -> str:
    _, payload, signature = _parts(issuer, audience)
    # The same header, its members in another order.
    header = json_bytes({"kid": issuer.key_id, "typ": "at+jwt", "alg": "RS256"})
    return ".".join((base64url_encoded(header).decode(), payload, signature))


def _json_serialisation(issuer: FakeIssuer, audience: str) -> bytes:
    header, payload, signature = _parts(issuer, audience)
    return json_bytes({"protected": header, "payload": payload, "signature": signature})


def _flipped(part: str) -> str:
    middle = len(part) // 2
    return part[:middle] + ("A" if part[middle] != "A" else "B") + part[middle + 1 :]


def _standard_alphabet(part: str) -> str:
    return f"+/{part[2:]}"


def _more(text: bytes) -> Callable[[bytes], bytes]:
    """Put more members at the end of a JSON object."""
    return lambda raw: raw[:-1] + b"," + text + b"}"


ENCODINGS = (
    # The form.
    *(
        _respelt(f"form-{name}", change)
        for name, change in (
            ("empty-segments", lambda _: ".."),
            ("one-dot", lambda _: "."),
            ("one-part", lambda token: token.replace(".", "")),
            ("two-parts", lambda token: token.rpartition(".")[0]),
            ("four-parts", lambda token: f"{token}.AAAA"),
            ("five-parts", lambda token: f"{token}.AAAA.AAAA"),
            ("trailing-dot", lambda token: f"{token}."),
            ("leading-dot", lambda token: f".{token}"),
            ("doubled-dot", lambda token: token.replace(".", "..", 1)),
            ("not-a-token", lambda _: "correct-horse-battery-staple"),
            ("null", lambda _: "null"),
            ("undefined", lambda _: "undefined"),
            ("quoted", lambda token: f'"{token}"'),
            ("twice", lambda token: f"{token} {token}"),
            ("comma-joined", lambda token: f"{token},{token}"),
            ("tab-inside", lambda token: token.replace(".", "\t.", 1)),
            ("space-inside", lambda token: token.replace(".", " .", 1)),
            ("percent-encoded", lambda token: token.replace(".", "%2E")),
            ("non-ascii-dots", lambda token: token.replace(".", "\xb7")),
            ("non-ascii-bytes", lambda token: token.encode() + b"\xff\xfe"),
            ("utf-8-letter", lambda token: token.encode() + "é".encode()),
            ("base64-of-itself", lambda token: base64.b64encode(token.encode())),
            ("oversize", lambda token: f"{token}{'A' * 8192}"),
            ("oversize-dots", lambda _: "." * 8193),
            ("oversize-one-part", lambda _: "A" * 12_000),
        )
    ),
    token_forgery("form-oversize-but-signed", "malformed", lambda i, a: i.token(aud=a, name="n" * 6200)),
    token_forgery("form-json-serialisation", "malformed", _json_serialisation),
    # The base64url.
    *(
        _part(f"base64-{name}", place, change)
        for name, place, change in (
            ("padded-header", 0, lambda part: f"{part}="),
            ("padded-payload", 1, lambda part: f"{part}=="),
            ("padded-signature", 2, lambda part: f"{part}=="),
            ("standard-alphabet-header", 0, _standard_alphabet),
            ("standard-alphabet-signature", 2, _standard_alphabet),
            ("stray-character-in-signature", 2, lambda part: f"{part}!"),
            ("comment-in-payload", 1, lambda part: f"{part[:8]}~{part[8:]}"),
            ("one-character-signature", 2, lambda _: "A"),
            ("empty-header", 0, lambda _: ""),
            ("empty-payload", 1, lambda _: ""),
            ("empty-signature", 2, lambda _: ""),
        )
    ),
    token_forgery("base64-not-canonical", "malformed", _not_canonical),
    # The signature.
    *(
        _part(f"signature-{name}", 2, change, "bad_signature")
        for name, change in (
            ("truncated", lambda part: part[: len(part) // 2 // 4 * 4]),
            ("four-bytes", lambda _: "AAAA"),
            ("all-zero", lambda part: "A" * len(part)),
            ("one-character-changed", _flipped),
            ("longer", lambda part: f"AAAA{part}"),
        )
    ),
    token_forgery("signature-of-another-payload", "bad_signature", _swapped_payload),
    token_forgery("signature-of-another-header", "bad_signature", _swapped_header),
    _part("signature-payload-changed", 1, _flipped, "bad_signature"),
    # The JSON of the header, which anyone can write.
    *(
        _header(f"header-{name}", change)
        for name, change in (
            ("alg-twice", _more(b'"alg":"RS256"')),
            ("alg-twice-none-first", lambda raw: b'{"alg":"none",' + raw[1:]),
            ("kid-twice", _more(b'"kid":"other"')),
            ("typ-twice-escaped", _more(b'"t\\u0079p":"at+jwt"')),
            ("byte-order-mark", lambda raw: b"\xef\xbb\xbf" + raw),
            ("utf-16", lambda raw: raw.decode().encode("utf-16")),
            ("utf-16-unmarked", lambda raw: raw.decode().encode("utf-16-le")),
            ("utf-32", lambda raw: raw.decode().encode("utf-32")),
            ("latin-1", _more(b'"name":"\xe9"')),
            ("overlong-utf-8", _more(b'"name":"\xc0\xaf"')),
            ("nan", _more(b'"v":NaN')),
            ("huge-number", _more(b'"v":' + b"9" * 5000)),
            ("deep", _more(b'"v":' + b"[" * 2500 + b"]" * 2500)),
            ("deep-unclosed", lambda _: b"[" * 5500),
            ("deep-objects", lambda _: b'{"a":' * 1000),
            ("lone-surrogate", lambda raw: raw.replace(b"at+jwt", b"\\ud800")),
            ("array", lambda raw: b"[" + raw + b"]"),
            ("string", lambda _: b'"RS256"'),
            ("number", lambda _: b"1"),
            ("null", lambda _: b"null"),
            ("trailing-garbage", lambda raw: raw + b"{}"),
            ("trailing-comma", _more(b"")),
            ("comment", lambda raw: raw + b"/* */"),
            ("single-quotes", lambda raw: raw.replace(b'"', b"'")),
        )
    ),
    # The JSON of the payload, although only the issuer could sign it.
    *(
        _payload(f"payload-{name}", change)
        for name, change in (
            ("sub-twice", _more(b'"sub":"admin"')),
            ("exp-twice", _more(b'"exp":9999999999')),
            ("twice-inside", _more(b'"act":{"sub":"a","sub":"b"}')),
            ("byte-order-mark", lambda raw: b"\xef\xbb\xbf" + raw),
            ("utf-16", lambda raw: raw.decode().encode("utf-16")),
            ("deep", _more(b'"v":' + b"[" * 2000 + b"]" * 2000)),
            ("array", lambda raw: b"[" + raw + b"]"),
            ("string", lambda _: b'"sub"'),
            ("null", lambda _: b"null"),
            ("not-json", lambda _: b"sub=admin"),
            ("trailing-garbage", lambda raw: raw + b"x"),
            ("infinity", _more(b'"v":-Infinity')),
        )
    ),
)
