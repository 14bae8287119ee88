"""Parts, checksums of parts, and the threads that move them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from threading import Barrier, Event, current_thread

import pytest
from hypothesis import given
from hypothesis import strategies as st

from falconeri.storage.checksums import CRC32, CRC32C, Crc
from falconeri.storage.parts import MOST_PARTS, Part, PartReader, opened, split, write_at
from falconeri.storage.pool import Pool

PATIENCE_S = 60
"""After this a test that hangs fails instead."""

# --- Parts ------------------------------------------------------------------------------


@given(size_bytes=st.integers(1, 1 << 50), part_bytes=st.integers(5 << 20, 1 << 30))
def test_parts_are_the_whole_file_one_after_the_other(size_bytes: int, part_bytes: int) -> None:
    parts = split(size_bytes, part_bytes)

    assert len(parts) <= MOST_PARTS
    assert [part.number for part in parts] == list(range(1, len(parts) + 1))
    ends = [0, *(part.offset + part.size_bytes for part in parts)]
    assert [part.offset for part in parts] == ends[:-1]
    assert ends[-1] == size_bytes
    assert min(part.size_bytes for part in parts[:-1] or [parts[0]]) >= min(part_bytes, size_bytes)


def test_a_part_is_read_like_a_file_of_its_own(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"0123456789")

    with opened(tmp_path / "x", os.O_RDONLY) as descriptor:
        part = PartReader(descriptor, Part(2, 3, 4))
        assert (len(part), part.read(3), part.tell()) == (4, b"345", 3)
        assert (part.read(), part.read(), part.read(1)) == (b"6", b"", b"")
        assert (part.seek(0), part.read(-1)) == (0, b"3456")
        assert (part.seek(-1, os.SEEK_END), part.read()) == (3, b"6")
        assert (part.seek(9), part.read()) == (9, b"")


def test_what_is_written_has_its_own_place(tmp_path: Path) -> None:
    with opened(tmp_path / "x", os.O_WRONLY | os.O_CREAT) as descriptor:
        write_at(descriptor, b"second", 5)
        write_at(descriptor, b"first", 0)

    assert (tmp_path / "x").read_bytes() == b"firstsecond"


@pytest.mark.parametrize("crc", [CRC32, CRC32C], ids=["crc32", "crc32c"])
@given(first=st.binary(max_size=300), second=st.binary(max_size=300))
def test_the_crc_of_two_contents_is_made_of_theirs(crc: Crc, first: bytes, second: bytes) -> None:
    whole = crc.update(0, first + second)

    assert crc.combine(crc.update(0, first), crc.update(0, second), len(second)) == whole
    assert crc.update(crc.update(0, first), second) == whole


# --- Threads ----------------------------------------------------------------------------


def test_as_many_tasks_run_at_once_as_there_are_threads() -> None:
    pool = Pool("test", 4)
    together = Barrier(4)

    def task() -> str:
        together.wait(PATIENCE_S)
        return current_thread().name

    assert {*pool.run_all([task] * 8, ahead=8)} == {f"falconeri-test-{n}" for n in range(1, 5)}


def test_no_more_threads_are_started_than_there_are_tasks() -> None:
    pool = Pool("test", 4)

    names = {next(pool.run_all([lambda: current_thread().name], ahead=1)) for _ in range(2)}

    assert names == {"falconeri-test-1"}


def test_tasks_are_taken_no_further_ahead_than_asked_for() -> None:
    taken, ended = list[int](), list[int]()

    def tasks() -> Iterator[partial[None]]:
        for number in range(100):
            taken.append(number)
            assert len(taken) - len(ended) <= 10
            yield partial(ended.append, number)

    assert len(list(Pool("test", 4).run_all(tasks(), ahead=10))) == 100


def test_the_first_error_lets_those_end_that_have_begun_and_no_other_begin() -> None:
    pool = Pool("test", 2)
    begun, failed, go = Event(), Event(), Event()
    ended = list[str]()

    def slow() -> None:
        begun.set()
        assert failed.wait(PATIENCE_S)
        ended.append("slow")

    def failing() -> None:
        assert begun.wait(PATIENCE_S)
        failed.set()
        raise ZeroDivisionError

    def later() -> None:
        assert go.wait(PATIENCE_S)
        ended.append("later")

    with pytest.raises(ZeroDivisionError):
        list(pool.run_all([slow, failing, *[later] * 20], ahead=100))
    go.set()

    assert ended.count("slow") == 1
    assert ended.count("later") <= 2
