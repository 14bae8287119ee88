"""What is kept of a long text."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from falconeri_worker.excerpt import KEEP_BYTES, Excerpt, printable


def excerpt_of(*chunks: bytes, keep_bytes: int = 8) -> str:
    excerpt = Excerpt(keep_bytes)
    for chunk in chunks:
        excerpt.add(chunk)
    return excerpt.text()


@given(st.lists(st.binary(max_size=40), max_size=20))
def test_beginning_and_end_are_kept_however_the_bytes_come(chunks: list[bytes]) -> None:
    whole = b"".join(chunks)
    assert excerpt_of(*chunks) == excerpt_of(whole)
    if len(whole) <= 16:
        assert excerpt_of(whole) == printable(whole)


def test_the_cut_says_how_much_is_missing() -> None:
    assert excerpt_of(b"12345678abcdef12345678") == "12345678\n[... 6 bytes left out ...]\n12345678"


def test_a_character_at_the_cut_is_left_out_whole() -> None:
    assert excerpt_of("1234567é".encode() + b"-" * 9 + "é1234567".encode()) == (
        "1234567\n[... 13 bytes left out ...]\n1234567"
    )


@pytest.mark.parametrize(
    ("raw", "shown"),
    [(b"a\0b", "a␀b"), (b"\xff", "\ufffd"), ("a\udcffb", "a\ufffdb"), ("é", "é")],
)
def test_every_text_becomes_storable(raw: bytes | str, shown: str) -> None:
    assert printable(raw) == shown


def test_the_worst_of_texts_fits_into_a_request_of_the_original() -> None:
    for worst in (b"\1", b"\xff", b'"'):
        text = excerpt_of(worst * 1_000_000, keep_bytes=KEEP_BYTES)
        assert len(json.dumps(text, ensure_ascii=False).encode()) < 2 * 1024 * 1024 - 100_000


def last_lines_of(*chunks: bytes, limit_bytes: int = 8, keep_bytes: int = 8) -> str:
    excerpt = Excerpt(keep_bytes)
    for chunk in chunks:
        excerpt.add(chunk)
    return excerpt.last_lines(limit_bytes)


@pytest.mark.parametrize(
    ("printed", "shown"),
    [
        (b"", ""),
        (b"one\ntwo\n", "one\ntwo\n"),
        (b"zero\none\ntwo\n", "one\ntwo\n"),
        (b"a\nzero\none\ntwo", "one\ntwo"),
        (b"a long line\n", "ng line\n"),
        (b"\n12345678", "12345678"),
        ("1€€€".encode(), "€€"),
        (b"\xff\xff\xff", "\ufffd\ufffd"),
    ],
)
def test_last_lines_are_whole_ones_if_one_fits(printed: bytes, shown: str) -> None:
    assert last_lines_of(printed) == shown
    assert last_lines_of(*(bytes([byte]) for byte in printed)) == shown


@given(st.lists(st.binary(max_size=40), max_size=20), st.integers(1, 20))
def test_last_lines_keep_to_their_limit(chunks: list[bytes], limit_bytes: int) -> None:
    shown = last_lines_of(*chunks, limit_bytes=limit_bytes, keep_bytes=16)

    assert len(shown.encode()) <= limit_bytes
