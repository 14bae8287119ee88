"""Many files at once, with a fetch that the test controls."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from threading import Barrier, Event

import pytest

from falconeri.errors import ObjectNotFound, TransferFailed
from falconeri.storage import Entry
from falconeri.storage.pool import FILE_THREADS
from falconeri.storage.trees import AHEAD, download_tree

BASE = "s3://bucket/dir/"

PATIENCE_S = 60
"""After this a test that hangs fails instead."""


def test_files_are_fetched_at_the_same_time(tmp_path: Path) -> None:
    together = Barrier(FILE_THREADS)

    def fetch(_uri: str, _path: Path) -> int:
        together.wait(PATIENCE_S)
        return 1

    files = (Entry(f"{BASE}{number}", 1) for number in range(2 * FILE_THREADS))

    assert download_tree(files, BASE, tmp_path, fetch) == 2 * FILE_THREADS


def test_a_listing_is_read_no_further_ahead_than_memory_allows(tmp_path: Path) -> None:
    go, fetched, ahead = Event(), list[str](), list[int]()

    def listing() -> Iterator[Entry]:
        for number in range(2 * AHEAD):
            ahead.append(number - len(fetched))
            if number == AHEAD - 1:
                go.set()  # until here, nothing has been fetched
            yield Entry(f"{BASE}{number}", 0)

    def fetch(uri: str, _path: Path) -> int:
        assert go.wait(PATIENCE_S)
        fetched.append(uri)
        return 0

    download_tree(listing(), BASE, tmp_path, fetch)

    assert len(fetched) == 2 * AHEAD
    assert max(ahead) <= AHEAD


def test_the_first_error_ends_the_listing(tmp_path: Path) -> None:
    taken = list[int]()

    def listing() -> Iterator[Entry]:
        for number in range(2 * AHEAD):
            taken.append(number)
            yield Entry(f"{BASE}{number}", 0)

    def fetch(uri: str, _path: Path) -> int:
        raise ObjectNotFound(detail=uri)

    with pytest.raises(ObjectNotFound):
        download_tree(listing(), BASE, tmp_path, fetch)

    assert len(taken) <= AHEAD


def test_a_file_that_is_not_as_it_was_listed_is_refused_by_name(tmp_path: Path) -> None:
    files = iter([Entry(f"{BASE}same", 3), Entry(f"{BASE}grown", 3)])

    with pytest.raises(TransferFailed, match="listed with 3 bytes, fetched 5") as caught:
        download_tree(files, BASE, tmp_path, lambda uri, _: 5 if uri.endswith("grown") else 3)

    assert f"{BASE}grown" in caught.value.detail


def test_a_tree_that_does_not_fit_is_refused_while_it_is_listed(tmp_path: Path) -> None:
    free_bytes = shutil.disk_usage(tmp_path).free
    files = iter([Entry(f"{BASE}{number}", free_bytes // 2) for number in range(4)])

    def fetch(_uri: str, _path: Path) -> int:
        return free_bytes // 2

    with pytest.raises(TransferFailed, match="not enough room on the disk") as caught:
        download_tree(files, BASE, tmp_path / "got", fetch)

    assert BASE in caught.value.detail
    assert str(tmp_path / "got") in caught.value.detail
