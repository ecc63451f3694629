"""The fields that bodies of several endpoints share, and the client's address."""

import ipaddress
import re
from collections.abc import Callable
from typing import Annotated

from fastapi import Request
from pydantic import AfterValidator, Field, SecretStr
from pydantic_core import PydanticCustomError

from auth_service.accounts import LONGEST_EMAIL, LONGEST_NAME, normalise_email, normalise_name


def _refusing_in_its_words(normalise: Callable[[str], str]) -> AfterValidator:
    def validate(written: str) -> str:
        try:
            return normalise(written)
        except ValueError as fault:
            raise PydanticCustomError("refused", "{rule}", {"rule": str(fault)}) from None

    return AfterValidator(validate)


Email = Annotated[
    str,
    Field(max_length=LONGEST_EMAIL, json_schema_extra={"format": "email"}),
    _refusing_in_its_words(normalise_email),
]
"""An e-mail address in its one spelling."""

Name = Annotated[str, Field(min_length=1, max_length=LONGEST_NAME), _refusing_in_its_words(normalise_name)]
"""What services may greet a person by."""


def _must_be_unicode(secret: SecretStr) -> SecretStr:
    # JSON can spell half of a surrogate pair, which no encoding can hold: unlike `str`, SecretStr lets it through.
    if any("\ud800" <= character <= "\udfff" for character in secret.get_secret_value()):
        raise PydanticCustomError("refused", "must be Unicode text")
    return secret


Password = Annotated[SecretStr, Field(max_length=1024), AfterValidator(_must_be_unicode)]
"""A password as typed; longer ones than any rule allows are refused for everyone alike, whoever they say they are."""

PRINTABLE = r"^[!-~]{1,100}$"
"""What an id in a path can be at all; PostgreSQL takes no NUL."""

RefreshToken = Annotated[SecretStr, Field(max_length=200), AfterValidator(_must_be_unicode)]
"""A refresh token: 43 characters, of which no answer and no log says any."""

_LONGEST_DEVICE = 200


def client_device(request: Request) -> str:
    """Return what the client says it is, by its User-Agent: printable, at most 200 characters, or "unknown"."""
    said = request.headers.get("user-agent", "").strip()[:_LONGEST_DEVICE]
    return "".join(character if character.isprintable() else "?" for character in said) or "unknown"


# RFC 7239 section 4: for=192.0.2.1, for="192.0.2.1:4711", for="[2001:db8::1]", for="[2001:db8::1]:4711".
_FOR = re.compile(r'(?i)(?:^|;)\s*for="?(?:\[([0-9a-f:.]+)\]|([0-9.]+))(?::\d+)?"?\s*(?:;|$)')


def client_address(request: Request, *, trust_forwarded: bool) -> str:
    """Return the address that attempts are counted by: an IPv4 address, an IPv6 /64, or "unknown".

    With `trust_forwarded` the last element of `Forwarded` tells it, which whoever connected to us wrote; where that
    names no address, and without it, the peer does. [RFC 7239]
    """
    if trust_forwarded:
        last = ",".join(request.headers.getlist("forwarded")).rpartition(",")[2].strip()
        if found := _FOR.search(last):
            try:
                return _counted_as(found[1] or found[2])
            except ValueError:
                pass
    try:
        return _counted_as(request.client.host if request.client else "")
    except ValueError:
        return "unknown"


def _counted_as(written: str) -> str:
    address = ipaddress.ip_address(written)
    if isinstance(address, ipaddress.IPv4Address):
        return str(address)
    if address.ipv4_mapped:
        return str(address.ipv4_mapped)
    # One subscriber has 2^64 addresses.
    return str(ipaddress.ip_network((address, 64), strict=False))
