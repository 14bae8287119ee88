"""Sizes as people write them."""

from __future__ import annotations

import re

import pytest

from falconeri.sizes import SIZE, parse_size_bytes


@pytest.mark.parametrize(
    ("text", "size_bytes"),
    [
        ("1B", 1),
        ("256MiB", 256 * 2**20),
        ("1.5 GiB", 3 * 2**29),
        ("500kB", 500_000),
        ("500KB", 500_000),
        ("2TB", 2 * 10**12),
        ("0.1KiB", 102),
        ("8191PiB", 8191 * 2**50),
    ],
)
def test_size_is_whole_bytes(text: str, size_bytes: int) -> None:
    assert parse_size_bytes(text, name="bytes") == size_bytes
    assert re.search(SIZE, text)


@pytest.mark.parametrize(
    "text",
    ["", "5", "MiB", "5 M", "5Mi", "5mb", "-1B", "1e3B", "1,5GiB", "5  B", " 5B", "5B\n", "٣B"],
)
def test_what_is_no_size_is_refused_with_the_field(text: str) -> None:
    with pytest.raises(ValueError, match=r"^`bytes`: .* is not a size"):
        parse_size_bytes(text, name="bytes")
    assert not re.search(SIZE, text)


@pytest.mark.parametrize("text", ["0B", "0.5B", "9000PiB"])
def test_what_no_file_can_have_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"less than a byte or more"):
        parse_size_bytes(text, name="bytes")
