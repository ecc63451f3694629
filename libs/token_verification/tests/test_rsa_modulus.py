"""Which public numbers are fit to verify with."""

import math
import random

import pytest

from token_verification.rsa_modulus import _PRIMES, has_roca_fingerprint, weakness, weaknesses
from token_verification.testing import FakeIssuer


@pytest.fixture(scope="module")
def n() -> int:
    return FakeIssuer().private_key.public_key().public_numbers().n


def _is_probably_prime(number: int) -> bool:
    return all(pow(base, number - 1, number) == 1 for base in (2, 3, 5))


def _roca_prime(bits: int, chance: random.Random) -> int:
    """Make a prime as the broken generator did: k * M + (65537**a mod M)."""
    primorial = 2 * math.prod(_PRIMES)
    while True:
        candidate = chance.randrange(2 ** (bits - 1), 2**bits) // primorial * primorial
        candidate += pow(65537, chance.randrange(2**64), primorial)
        if candidate.bit_length() == bits and _is_probably_prime(candidate):
            return candidate


def test_roca_keys_are_recognised() -> None:
    """A modulus from the construction of CVE-2017-15361 is recognised, and refused for that alone."""
    chance = random.Random(20171015)
    modulus = _roca_prime(1025, chance) * _roca_prime(1024, chance)
    assert has_roca_fingerprint(modulus)
    assert weakness(modulus, 65537) == "was made by a generator whose keys can be factored (ROCA)"


def test_sound_keys_pass(n: int) -> None:
    """A key of a sound generator has no weakness and no such fingerprint."""
    assert not has_roca_fingerprint(n)
    assert weakness(n, 65537) is None
    assert weakness(n, 2**32 - 1) is None


@pytest.mark.parametrize("e", [-1, 0, 1, 2, 3, 17, 65535, 65536, 65538, 2**32 + 1, 2**64 + 1])
def test_unsound_exponents_are_refused(n: int, e: int) -> None:
    """Even, small and huge exponents are refused (FIPS 186-5, section 5.1)."""
    assert "exponent" in (weakness(n, e) or "")


@pytest.mark.parametrize(
    ("modulus", "fault"),
    [
        (2**2046 + 1, "2047 bits"),
        (2**2047 + 0, "small factor"),
        (2**8192 + 1, "8193 bits"),
        (0, "0 bits"),
    ],
    ids=["too-short", "even", "too-long", "zero"],
)
def test_unsound_moduli_are_refused(modulus: int, fault: str) -> None:
    """Too short, too long, or divisible by a small prime: refused."""
    assert fault in (weakness(modulus, 65537) or "")


@pytest.mark.parametrize("prime", [3, 5, 163, 167])
def test_small_factors_are_refused(n: int, prime: int) -> None:
    """Anyone can factor a modulus with a small prime in it."""
    assert "small factor" in (weakness(n * prime, 65537) or "")


def test_every_weakness_is_told() -> None:
    """Whoever shows a key to a person hears of all that is wrong with it; the verifier of the first."""
    number = math.prod(_PRIMES) * 2
    assert [kind for kind, _ in weaknesses(number, 3)] == ["too_short", "bad_exponent", "small_factor"]
    assert [kind for kind, _ in weaknesses(65537**2000, 65537)] == ["too_long", "roca"]
    assert weakness(number, 3) == next(weaknesses(number, 3))[1]
