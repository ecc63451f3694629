"""The kinds of text that callers may store: bounded, printable, and well-formed where a standard says how."""

import re
import unicodedata
from typing import Annotated

from pydantic import AfterValidator, StringConstraints, WithJsonSchema
from pydantic_core import PydanticCustomError

# RFC 5646 section 2.1, without what it keeps for history (grandfathered tags, extended languages) and for languages of
# four letters and more, of which none was ever registered.
_LANGUAGE_TAG = re.compile(
    r"(?P<language>[a-z]{2,3})"
    r"(-(?P<script>[a-z]{4}))?"
    r"(-(?P<region>[a-z]{2}|[0-9]{3}))?"
    r"(?P<variants>(-([a-z0-9]{5,8}|[0-9][a-z0-9]{3}))*)"
    r"(?P<extensions>(-[a-wyz0-9](-[a-z0-9]{2,8})+)*)"
    r"(?P<private>-x(-[a-z0-9]{1,8})+)?",
    re.ASCII,
)

_COUNTRY_CODES = """
    AD AE AF AG AI AL AM AO AQ AR AS AT AU AW AX AZ BA BB BD BE BF BG BH BI BJ BL BM BN BO BQ BR BS BT BV BW BY BZ
    CA CC CD CF CG CH CI CK CL CM CN CO CR CU CV CW CX CY CZ DE DJ DK DM DO DZ EC EE EG EH ER ES ET FI FJ FK FM FO
    FR GA GB GD GE GF GG GH GI GL GM GN GP GQ GR GS GT GU GW GY HK HM HN HR HT HU ID IE IL IM IN IO IQ IR IS IT JE
    JM JO JP KE KG KH KI KM KN KP KR KW KY KZ LA LB LC LI LK LR LS LT LU LV LY MA MC MD ME MF MG MH MK ML MM MN MO
    MP MQ MR MS MT MU MV MW MX MY MZ NA NC NE NF NG NI NL NO NP NR NU NZ OM PA PE PF PG PH PK PL PM PN PR PS PT PW
    PY QA RE RO RS RU RW SA SB SC SD SE SG SH SI SJ SK SL SM SN SO SR SS ST SV SX SY SZ TC TD TF TG TH TJ TK TL TM
    TN TO TR TT TV TW TZ UA UG UM US UY UZ VA VC VE VG VI VN VU WF WS YE YT ZA ZM ZW
"""

COUNTRIES = frozenset(_COUNTRY_CODES.split())
"""The officially assigned codes of countries. [ISO 3166-1 alpha-2]"""


def _printable(text: str, *, besides: str = "") -> str:
    if any(unicodedata.category(character) in {"Cc", "Zl", "Zp"} and character not in besides for character in text):
        raise PydanticCustomError("control_characters", "Text must not contain control characters or line separators")
    return text


def _one_line(text: str) -> str:
    return _printable(text)


def _several_lines(text: str) -> str:
    return _printable(text, besides="\n")


def _language_tag(text: str) -> str:
    """Return the tag in the case that RFC 5646 section 2.1.1 recommends."""
    found = _LANGUAGE_TAG.fullmatch(text.lower())
    if found is None or _repeats(found["variants"].split("-")[1:]) or _repeats(_singletons(found["extensions"])):
        raise PydanticCustomError("language_tag", "A locale is a language tag of BCP 47, such as de-AT")
    parts = [found["language"]]
    if found["script"]:
        parts.append(found["script"].title())
    if found["region"]:
        parts.append(found["region"].upper())
    return "-".join(parts) + found["variants"] + found["extensions"] + (found["private"] or "")


def _singletons(extensions: str) -> list[str]:
    return [part for part in extensions.split("-") if len(part) == 1]


def _repeats(parts: list[str]) -> bool:
    return len(set(parts)) != len(parts)


def _country(text: str) -> str:
    if text not in COUNTRIES:
        raise PydanticCustomError("country", "A country is an officially assigned ISO 3166-1 alpha-2 code, such as AT")
    return text


DisplayName = Annotated[
    str, StringConstraints(strip_whitespace=True, min_length=1, max_length=100), AfterValidator(_one_line)
]
"""A name as its owner wants to be called: one line of 1 to 100 characters, without white space around it."""

AddressLine = DisplayName
"""One line on a parcel, 1 to 100 characters."""

PostalCode = Annotated[
    str, StringConstraints(strip_whitespace=True, min_length=1, max_length=20), AfterValidator(_one_line)
]

Bio = Annotated[str, StringConstraints(max_length=2000), AfterValidator(_several_lines)]
"""Free text of at most 2000 characters, in which a line break is the one control character."""

LanguageTag = Annotated[str, StringConstraints(min_length=2, max_length=35), AfterValidator(_language_tag)]
"""A well-formed language tag of BCP 47, kept in its recommended case. [RFC 5646; 4.4.1 for the length]"""

Country = Annotated[str, AfterValidator(_country), WithJsonSchema({"type": "string", "enum": sorted(COUNTRIES)})]
"""An officially assigned country code. [ISO 3166-1 alpha-2]"""
