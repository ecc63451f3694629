"""`signet jwks` on key sets whose publisher means harm: it ends soon, says what is there, and never fails itself."""

import base64
import datetime as dt
import re
from typing import TYPE_CHECKING, Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding

from token_verification.testing import FakeIssuer

if TYPE_CHECKING:
    from cli.tests.inspector.conftest import Inspect, Publisher

ISSUER = FakeIssuer()
(KEY,) = ISSUER.jwk_set["keys"]


def certificate_of_version(version: int) -> str:
    """Return a certificate of the issuer's key that calls itself of another version."""
    name, now = x509.Name([]), dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
    made = x509.CertificateBuilder(name, name, ISSUER.private_key.public_key(), 1, now, now).sign(
        ISSUER.private_key, SHA256()
    )
    written, said = made.public_bytes(Encoding.DER), b"\xa0\x03\x02\x01"
    assert said + b"\x02" in written
    return base64.b64encode(written.replace(said + b"\x02", said + bytes([version]), 1)).decode()


MEMBERS: dict[str, dict[str, Any]] = {
    "a certificate of no version": {"x5c": [certificate_of_version(9)]},
    "a certificate that is no text": {"x5c": [7]},
    "a certificate in other letters": {"x5c": ["\xe9"]},
    "a certificate in no list": {"x5c": {"0": "AAAA"}},
    "dates out of time": {"iat": 1e300, "nbf": -1e300},
    "a date of many digits": {"iat": 10**400},
    "a kid of lines": {"kid": "\n" * 200},
    "a use with depth": {"use": [[]] * 100, "alg": {"": None}},
}


@pytest.mark.parametrize("member", MEMBERS)
def test_a_member_that_means_nothing(member: str, publisher: "Publisher", inspect: "Inspect") -> None:
    """Whatever stands in a member, there is a page and a document, with the key in them."""
    url = publisher.publish({"keys": [KEY | MEMBERS[member]]})
    page, document = inspect("jwks", url), inspect("jwks", url, "--json")
    assert page.status == document.status
    assert page.status in {0, 1}
    assert "1 key" in page.out
    assert [key["number"] for key in document.document["keys"]] == [1]


def test_thousands_of_keys_are_counted_and_not_all_told(publisher: "Publisher", inspect: "Inspect") -> None:
    """A page tells of the first 50 keys and the first 100 faults; errors come first, wherever they stand."""
    url = publisher.publish({"keys": [{"kid": str(number)} for number in range(2_000)] + [KEY | {"d": "AA"}]})
    page = inspect("jwks", url)
    assert page.status == 1
    assert "2001 keys" in page.out
    assert "And 1951 more keys: --json tells of each." in page.out
    assert "private_members" in page.out
    assert re.search(r"And \d+ more faults: --json tells of each\.", page.out)
    assert page.out.count("\n") < 600
    assert len(inspect("jwks", url, "--json").document["keys"]) == 2_001


def test_metadata_that_names_a_password(publisher: "Publisher", inspect: "Inspect") -> None:
    """What an issuer says is no mistake of whoever asks: it is not followed, and a program gets its document."""
    publisher.publish(
        {"issuer": publisher.url, "jwks_uri": "http://ada:secret@127.0.0.1/"}, "/.well-known/openid-configuration"
    )
    ended = inspect("jwks", publisher.url, "--json")
    assert ended.status == 2
    assert ended.document["fetched"] is False
    assert "holds a user or password" in ended.document["failure"]
    assert "secret" not in ended.out + ended.err


def test_a_tag_that_no_request_can_name(publisher: "Publisher", inspect: "Inspect") -> None:
    """An ETag that is not ASCII costs its issuer the saving, and nobody a failure."""
    ended = inspect("jwks", publisher.publish(ISSUER.jwk_set, headers={"etag": '"\xe9"'}), "--json")
    assert [fault["code"] for fault in ended.document["faults"]] == ["etag_not_honoured"]
    assert "is not ASCII" in ended.document["faults"][0]["sentence"]
    assert ended.document["etag_honoured"] is None
