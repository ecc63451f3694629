"""Whether an RSA public key is fit to verify anything with, as far as its public numbers show."""

import math
from collections.abc import Iterator
from typing import Literal

Weakness = Literal["too_short", "too_long", "bad_exponent", "small_factor", "roca"]

SMALLEST, LARGEST = 2048, 8192
"""Bits of the modulus. RFC 7518, section 3.3, demands 2048; beyond 8192, each request would pay for nothing."""

_PRIMES = (
    3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37, 41, 43, 47, 53, 59, 61, 67, 71, 73, 79, 83, 89, 97, 101, 103, 107, 109,
    113, 127, 131, 137, 139, 149, 151, 157, 163, 167,
)  # fmt: skip
_PRIMORIAL = 2 * math.prod(_PRIMES)


def _powers_of_65537(prime: int) -> frozenset[int]:
    return frozenset(pow(65537, power, prime) for power in range(prime - 1))


_ROCA_RESIDUES = tuple((prime, _powers_of_65537(prime)) for prime in _PRIMES)


def weakness(n: int, e: int) -> str | None:
    """Say what is wrong with a modulus and exponent, as the end of a sentence; None when nothing is."""
    return next((sentence for _, sentence in weaknesses(n, e)), None)


def weaknesses(n: int, e: int) -> Iterator[tuple[Weakness, str]]:
    """Say everything that is wrong with a modulus and exponent: what, and the end of a sentence about it."""
    if n.bit_length() < SMALLEST:
        yield "too_short", f"has {n.bit_length()} bits, not {SMALLEST} to {LARGEST}"
    if n.bit_length() > LARGEST:
        yield "too_long", f"has {n.bit_length()} bits, not {SMALLEST} to {LARGEST}"
    # FIPS 186-5, section 5.1, wants an odd exponent above 2**16; every real one is 65537, and a huge one costs time.
    if e % 2 == 0 or not 65537 <= e < 2**32:
        yield "bad_exponent", "has an exponent that is even, below 65537 or above 32 bits"
    if math.gcd(n, _PRIMORIAL) != 1:
        yield "small_factor", "has a modulus with a small factor"
    if has_roca_fingerprint(n):
        yield "roca", "was made by a generator whose keys can be factored (ROCA)"


def has_roca_fingerprint(n: int) -> bool:
    """Tell whether a modulus comes from the Infineon generator of CVE-2017-15361.

    Its primes have the form k * M + (65537**a mod M), with M the product of the first primes, so the modulus is a power
    of 65537 modulo each of those. A sound key passes for one with probability 2**-27. Source: Nemec, Sys, Svenda,
    Klinec, Matyas, "The Return of Coppersmith's Attack", CCS 2017, section 2.2.
    """
    return all(n % prime in residues for prime, residues in _ROCA_RESIDUES)
