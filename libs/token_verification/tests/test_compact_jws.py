"""One token, one spelling."""

import base64
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from token_verification.compact_jws import base64url_decoded, base64url_encoded, json_object, split_compact_jws


def test_rfc_7515_appendix_a2() -> None:
    """The example of RFC 7515, appendix A.2.1, comes apart as the RFC says."""
    header = "eyJhbGciOiJSUzI1NiJ9"
    payload = "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ"
    jws = split_compact_jws(f"{header}.{payload}.cC4hiUPoj9Eetdgtv3hF80EGrhuB")
    assert json_object(jws.header) == {"alg": "RS256"}
    assert json_object(jws.payload) == {"iss": "joe", "exp": 1300819380, "http://example.com/is_root": True}
    assert jws.signed == f"{header}.{payload}".encode()


def test_rfc_7515_appendix_c() -> None:
    """The octets of RFC 7515, appendix C, encode and decode as there."""
    assert base64url_encoded(bytes([3, 236, 255, 224, 193])) == b"A-z_4ME"
    assert base64url_decoded(b"A-z_4ME") == bytes([3, 236, 255, 224, 193])


@given(st.binary())
def test_any_bytes_survive(raw: bytes) -> None:
    """What was encoded decodes to itself."""
    assert base64url_decoded(base64url_encoded(raw)) == raw


@given(st.text(alphabet="ABab01-_+/= \n", max_size=12))
def test_each_value_has_one_spelling(text: str) -> None:
    """What decodes at all encodes to the same text again: no other text stands for the same bytes."""
    try:
        decoded = base64url_decoded(text.encode())
    except ValueError:
        return
    assert base64.urlsafe_b64encode(decoded).rstrip(b"=").decode() == text


@pytest.mark.parametrize("text", [b"QQ==", b"QQ=", b"QR", b"Q", b"Q Q", b"QQ\n", b"+/+/", b"Q!Q", b"QUJD="])
def test_other_spellings_are_refused(text: bytes) -> None:
    """Padding, stray bits, one character, white space and the standard alphabet are all refused."""
    with pytest.raises(ValueError, match="canonical"):
        base64url_decoded(text)


@given(st.dictionaries(st.text(), st.none() | st.booleans() | st.integers() | st.text()))
def test_reads_what_json_writes(members: dict[str, object]) -> None:
    """Any object of a sane writer is read as it was meant."""
    assert json_object(json.dumps(members, ensure_ascii=False).encode()) == members


def test_escaped_characters_are_read() -> None:
    """An escape is fine if it stands for a character: a surrogate pair does, half of one does not."""
    assert json_object(rb'{"a": "\u00e9\ud83d\udd11"}') == {"a": "é\U0001f511"}
    with pytest.raises(ValueError, match="not valid JSON"):
        json_object(rb'{"a": "\ud83d"}')


@given(st.binary(max_size=200))
def test_refuses_without_surprise(raw: bytes) -> None:
    """Whatever the bytes: an object comes out, or a ValueError that does not quote them."""
    try:
        answer = type(json_object(raw)).__name__
    except ValueError as refusal:
        answer = str(refusal)
    assert answer in {
        "dict",
        "it is not valid JSON in UTF-8",
        "it is not a JSON object",
        "it names a JSON member twice",
    }
