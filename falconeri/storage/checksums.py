"""Checksums that stores give: computed while bytes pass, in parts that are put together later.

For the stores; knows none of them.
"""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import cast

import google_crc32c

_extend = cast("Callable[[int, bytes], int]", google_crc32c.extend)  # pyright: ignore[reportUnknownMemberType]

_ONE = 1 << 31
"""The polynomial 1: both CRCs have their highest power in the lowest bit."""


@dataclass(frozen=True, slots=True)
class Crc:
    """One of the two kinds.

    `update(crc, data)` is the CRC of what had `crc` and then has `data`; it begins with 0.
    """

    name: str
    update: Callable[[int, bytes], int]
    polynomial: int

    def combine(self, first: int, second: int, second_bytes: int) -> int:
        """The CRC of two contents one after the other, by theirs and the second one's length."""
        return _multiply(self.polynomial, _shift(self.polynomial, second_bytes), first) ^ second


CRC32 = Crc("crc32", lambda crc, data: zlib.crc32(data, crc), 0xEDB88320)
CRC32C = Crc("crc32c", _extend, 0x82F63B78)


@dataclass(frozen=True, slots=True)
class Expected:
    """What a store says of a content: a CRC, or an MD5 in hexadecimal, or nothing.

    An MD5 is what stores without checksums mean by an ETag, mostly; that's no promise.
    """

    crc: Crc | None = None
    value: int = 0
    md5: str | None = None


class Digest:
    """Computes what an `Expected` needs, piece by piece."""

    def __init__(self, expected: Expected) -> None:
        self._expected = expected
        self._crc = 0
        self._md5 = hashlib.md5(usedforsecurity=False) if expected.md5 else None

    @property
    def crc(self) -> int:
        """Of what has passed so far; 0 if none is expected."""
        return self._crc

    @property
    def md5(self) -> str | None:
        """Of what has passed so far, if one is expected."""
        return self._md5.hexdigest() if self._md5 else None

    def update(self, data: bytes) -> None:
        """Take the next bytes."""
        if self._expected.crc:
            self._crc = self._expected.crc.update(self._crc, data)
        if self._md5:
            self._md5.update(data)


@lru_cache(maxsize=256)
def _shift(polynomial: int, length_bytes: int) -> int:
    """What a CRC is multiplied by when so many bytes follow: x to the power of their bits."""
    result, square = _ONE, _ONE >> 8  # x ** 8 is one byte
    while length_bytes:
        if length_bytes & 1:
            result = _multiply(polynomial, square, result)
        square = _multiply(polynomial, square, square)
        length_bytes >>= 1
    return result


def _multiply(polynomial: int, a: int, b: int) -> int:
    """Multiply modulo the polynomial, over GF(2), the highest power in the lowest bit."""
    product = 0
    while a:
        if a & _ONE:
            product ^= b
        a = (a << 1) & 0xFFFFFFFF
        b = (b >> 1) ^ polynomial if b & 1 else b >> 1
    return product
