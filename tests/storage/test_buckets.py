"""What stores have to care about in which a key is just a text, and no path."""

from __future__ import annotations

from pathlib import Path

import pytest

from falconeri.errors import InvalidInput, TransferFailed
from falconeri.storage import Entry
from tests.storage.places import Place


def names(place: Place, uri: str) -> list[str]:
    return [entry.uri.removeprefix(place.base) for entry in place.storage.list_entries(uri)]


def test_directory_markers_are_no_files(bucket: Place, tmp_path: Path) -> None:
    for key in ("", "sub/", "sub/x", "only a marker/", "with content/"):
        bucket.put(key, b"bytes" if key == "with content/" else b"")

    assert list(bucket.storage.list_files(bucket.base)) == [Entry(bucket.base + "sub/x", 0)]
    assert names(bucket, bucket.base) == ["only a marker/", "sub/", "with content/"]
    assert bucket.storage.download(bucket.base, tmp_path / "got") == 0
    assert bucket.storage.download(bucket.base + "only a marker/", tmp_path / "empty") == 0
    assert list((tmp_path / "empty").iterdir()) == []


def test_a_key_may_be_a_file_and_a_directory_but_not_on_a_disk(
    bucket: Place, tmp_path: Path
) -> None:
    bucket.put("x/y", b"file")
    bucket.put("x/y/z", b"below")

    assert names(bucket, bucket.base + "x") == ["x/y", "x/y/"]
    with pytest.raises(TransferFailed, match="/got/y"):
        bucket.storage.download(bucket.base + "x/", tmp_path / "got")


@pytest.mark.parametrize("key", ["a//b", "/b", "./b", "a/./b"])
def test_a_key_that_is_no_path_is_refused_by_name(bucket: Place, tmp_path: Path, key: str) -> None:
    bucket.put(f"tree/{key}", b"")

    with pytest.raises(InvalidInput) as caught:
        bucket.storage.download(bucket.base + "tree/", tmp_path / "got")

    assert f"{bucket.base}tree/{key}" in caught.value.detail
    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == []


@pytest.mark.parametrize("key", ["../b", "a/../b"])
def test_a_key_that_leaves_its_directory_is_refused_by_name(
    s3: Place, tmp_path: Path, key: str
) -> None:
    # Not in the emulator of Google's store, which keeps objects in directories.
    test_a_key_that_is_no_path_is_refused_by_name(s3, tmp_path, key)


@pytest.mark.parametrize("key", ["a//b", "//b", "a//"])
def test_empty_segments_are_listed_as_they_are(bucket: Place, key: str) -> None:
    bucket.put(key, b"x")

    listed = [entry.uri for entry in bucket.storage.list_files(bucket.base)]

    assert listed == [bucket.base + key] * (not key.endswith("/"))
    assert names(bucket, bucket.base) == [key.partition("/")[0] + "/"]


def test_the_same_letters_composed_and_not_are_two_files(bucket: Place, tmp_path: Path) -> None:
    for key in ("\u00e9", "e\u0301"):
        bucket.put(key, key.encode())

    bucket.storage.download(bucket.base, tmp_path / "got")

    assert {path.name: path.read_text() for path in (tmp_path / "got").iterdir()} == {
        "\u00e9": "\u00e9",
        "e\u0301": "e\u0301",
    }
