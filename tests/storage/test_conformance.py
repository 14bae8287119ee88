"""What each store must do, in the same words for all of them."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterable
from itertools import count
from pathlib import Path
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from falconeri.errors import DirectoryNotFound, InvalidInput, ObjectNotFound, TransferFailed
from falconeri.storage import Entry
from falconeri.storage.checksums import CRC32C
from falconeri.storage.uri import join, relative_path
from falconeri.storage.wanted import Unwanted, while_wanted
from tests.storage.places import PAGE_SIZE, PART_BYTES, Place

ODD_NAMES = [
    "a b.txt",
    "a+b.txt",
    "a%20b.txt",
    "é/日本語 ☃.txt",
    "100%.txt",
    "q?x=1&y.txt",
    "#h.txt",
    "tilde~'()!*.txt",
    "semi;colon:@=,$.txt",
    ".hidden",
    "...",
    "a\u00a0b.txt",
    "e\u0301.txt",
    "<x>&\"'.txt",
    "back\\slash.txt",
    "[g]{l}^o`b|.txt",
    "line\nfeed\ttab.txt",
    "\U0001f600.txt",
    " leading and trailing ",
    "a%2Fb",
    "100%+#~[x]*{y}&=;:@\\?.txt",
    "e\u0301/\u00e9/e\u0301",
    "..a",
    "/".join(["k" * 195] * 5),
]

CHECKSUMS: dict[str, Callable[[bytes], str]] = {
    "crc32c": lambda content: f"{CRC32C.update(0, content):08x}",
    "etag": lambda content: hashlib.md5(content, usedforsecurity=False).hexdigest(),
    "sha256": lambda content: hashlib.sha256(content).hexdigest(),
}


def names(entries: Iterable[Entry]) -> list[str]:
    return [entry.uri for entry in entries]


def left_over(directory: Path) -> list[str]:
    return [path.name for path in directory.rglob(".falconeri-*")]


def some_file(directory: Path, content: bytes) -> Path:
    path = directory / f"local-{uuid4().hex}"
    path.write_bytes(content)
    return path


def first(times: int) -> Callable[[], bool]:
    asked = count()
    return lambda: next(asked) < times


# --- Listing ----------------------------------------------------------------------------


def test_entries_are_files_and_directories_of_the_top_level_in_byte_order(place: Place) -> None:
    for key in ("b.txt", "b/deep/er.txt", "b/x.txt", "b!", "a", "é", "Z", "😀", "\ufffd"):
        place.put(key, b"12345")

    found = list(place.storage.list_entries(place.base))

    assert found == [
        Entry(place.base + "Z", 5),
        Entry(place.base + "a", 5),
        Entry(place.base + "b!", 5),
        Entry(place.base + "b.txt", 5),
        Entry(place.base + "b/", 0),
        Entry(place.base + "é", 5),
        Entry(place.base + "\ufffd", 5),
        Entry(place.base + "😀", 5),
    ]
    assert len(found) > 2 * PAGE_SIZE


def test_files_are_listed_at_every_depth_in_byte_order(place: Place) -> None:
    keys = ["b.txt", "b/c/d/e", "b/c.d", "b!/x", "a", "b-/y", "b0", "é/ü"]
    for number, key in enumerate(keys):
        place.put(key, b"x" * number)

    found = list(place.storage.list_files(place.base))

    assert found == [
        Entry(place.base + key, keys.index(key)) for key in sorted(keys, key=str.encode)
    ]


def test_listing_repairs_a_missing_slash_and_sees_no_neighbours(place: Place) -> None:
    place.put("dir/x", b"")
    place.put("dir-neighbour/y", b"")
    place.put("dir.txt", b"")

    for listing in (place.storage.list_entries, place.storage.list_files):
        assert names(listing(place.base + "dir")) == [place.base + "dir/x"]


def test_a_listing_may_be_of_what_begins_alike(place: Place) -> None:
    for key in ("dir/a", "dir/b", "dir/bc/d", "dir/bc/e", "dir/b%", "dir/c", "b"):
        place.put(key, b"")
    directory = place.base + "dir"

    assert names(place.storage.list_entries(directory, beginning="b")) == [
        f"{directory}/{name}" for name in ("b", "b%", "bc/")
    ]
    assert names(place.storage.list_files(directory, beginning="bc")) == [
        f"{directory}/{name}" for name in ("bc/d", "bc/e")
    ]
    for listing in (place.storage.list_entries, place.storage.list_files):
        assert names(listing(directory, beginning="x")) == []


def test_an_empty_file_is_listed_and_fetched(place: Place, tmp_path: Path) -> None:
    place.put("nothing", b"")

    assert list(place.storage.list_files(place.base)) == [Entry(place.base + "nothing", 0)]
    assert place.storage.download(place.base + "nothing", tmp_path / "got") == 0
    assert (tmp_path / "got").read_bytes() == b""


def test_an_empty_directory_has_no_entries(place: Place, tmp_path: Path) -> None:
    if not place.is_there:
        with pytest.raises(DirectoryNotFound, match=place.base):
            list(place.storage.list_files(place.base))
        return
    assert list(place.storage.list_entries(place.base)) == []
    assert list(place.storage.list_files(place.base)) == []
    assert place.storage.download(place.base, tmp_path / "got") == 0
    assert list((tmp_path / "got").iterdir()) == []


def test_a_directory_that_is_not_there_is_named(place: Place, tmp_path: Path) -> None:
    place.put("here/x", b"")
    missing = place.base + "her/"

    for listing in (place.storage.list_entries, place.storage.list_files):
        with pytest.raises(DirectoryNotFound) as caught:
            list(listing(missing))
        assert caught.value.detail == missing
    with pytest.raises(ObjectNotFound):
        place.storage.download(missing, tmp_path / "got")


# --- Download ---------------------------------------------------------------------------


def test_a_file_is_fetched_to_a_path_whose_parents_are_made(place: Place, tmp_path: Path) -> None:
    place.put("x", b"content")
    target = tmp_path / "pfs" / "deep" / "x"

    assert place.storage.download(place.base + "x", target) == 7

    assert target.read_bytes() == b"content"
    assert left_over(tmp_path) == []


def test_a_file_that_is_there_already_is_replaced(place: Place, tmp_path: Path) -> None:
    place.put("x", b"new")
    target = some_file(tmp_path, b"old and longer")

    place.storage.download(place.base + "x", target)

    assert target.read_bytes() == b"new"


def test_a_file_that_is_not_there_is_named_and_leaves_nothing(place: Place, tmp_path: Path) -> None:
    with pytest.raises(ObjectNotFound) as caught:
        place.storage.download(place.base + "nope", tmp_path / "pfs" / "x")

    assert place.base + "nope" in caught.value.detail
    assert not (tmp_path / "pfs" / "x").exists()
    assert left_over(tmp_path) == []


def test_a_tree_keeps_its_relative_paths(place: Place, tmp_path: Path) -> None:
    content = {f"d{number % 7}/{number}.txt": b"%d" % number for number in range(100)}
    for key, value in {**content, "top": b"", "é é/#": b"odd"}.items():
        place.put(f"tree/{key}", value)
    place.put("tree-neighbour", b"no")

    size_bytes = place.storage.download(place.base + "tree/", tmp_path / "got")

    got = tmp_path / "got"
    found = {
        str(path.relative_to(got)): path.read_bytes() for path in got.rglob("*") if path.is_file()
    }
    assert found == {**content, "top": b"", "é é/#": b"odd"}
    assert size_bytes == sum(map(len, found.values()))


def test_a_target_that_cannot_be_written_is_named(place: Place, tmp_path: Path) -> None:
    place.put("x", b"content")
    in_the_way = some_file(tmp_path, b"")

    with pytest.raises(TransferFailed) as caught:
        place.storage.download(place.base + "x", in_the_way / "x")

    assert str(in_the_way) in caught.value.detail


def test_the_first_error_ends_the_download_of_a_tree(place: Place, tmp_path: Path) -> None:
    for number in range(50):
        place.put(f"x/{number}", b"")
    (tmp_path / "got" / "7").mkdir(parents=True)  # where a file should go

    with pytest.raises(TransferFailed):
        place.storage.download(place.base + "x/", tmp_path / "got")

    assert left_over(tmp_path) == []


# --- Upload -----------------------------------------------------------------------------


def test_an_upload_says_what_is_stored(place: Place, tmp_path: Path) -> None:
    path = some_file(tmp_path, b"content")

    stored = place.storage.upload(path, place.base + "deep/er/x")
    other = place.storage.upload(some_file(tmp_path, b"another"), place.base + "deep/er/y")

    assert place.read("deep/er/x") == b"content"
    assert stored.size_bytes == 7
    kind, _, value = stored.checksum.partition(":")
    assert value == CHECKSUMS[kind](b"content")
    assert other.checksum != stored.checksum
    assert names(place.storage.list_files(place.base)) == [
        place.base + "deep/er/x",
        place.base + "deep/er/y",
    ]


def test_an_upload_replaces_what_was_there(place: Place, tmp_path: Path) -> None:
    place.put("x", b"old and longer")

    place.storage.upload(some_file(tmp_path, b"new"), place.base + "x")

    assert place.read("x") == b"new"


def test_an_empty_file_is_stored(place: Place, tmp_path: Path) -> None:
    assert place.storage.upload(some_file(tmp_path, b""), place.base + "x").size_bytes == 0
    assert place.read("x") == b""


@pytest.mark.parametrize("size_bytes", [2 * PART_BYTES - 1, 2 * PART_BYTES, 2 * PART_BYTES + 1])
def test_a_big_file_survives_both_ways(place: Place, tmp_path: Path, size_bytes: int) -> None:
    content = os.urandom(size_bytes)

    stored = place.storage.upload(some_file(tmp_path, content), place.base + "big")
    fetched = place.storage.download(place.base + "big", tmp_path / "got")

    assert stored.size_bytes == fetched == size_bytes
    assert (tmp_path / "got").read_bytes() == content
    assert left_over(tmp_path) == []


@pytest.mark.parametrize(("size_bytes", "pieces"), [(7, 0), (2 * PART_BYTES + 1, 1)])
def test_what_is_no_longer_wanted_is_left_where_it_is(
    place: Place, tmp_path: Path, size_bytes: int, pieces: int
) -> None:
    content = os.urandom(size_bytes)
    place.put("x", content)

    with pytest.raises(Unwanted), while_wanted(first(pieces)):
        place.storage.download(place.base + "x", tmp_path / "got" / "x")
    with pytest.raises(Unwanted), while_wanted(first(pieces)):
        place.storage.upload(some_file(tmp_path, content), place.base + "y")

    assert list((tmp_path / "got").iterdir()) == []
    assert names(place.storage.list_files(place.base)) == [place.base + "x"]


def test_what_is_no_regular_file_is_not_uploaded(place: Place, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")

    for path in (tmp_path / "pipe", tmp_path, tmp_path / "nowhere"):
        with pytest.raises(TransferFailed) as caught:
            place.storage.upload(path, place.base + "x")
        assert str(path) in caught.value.detail
    with pytest.raises(ObjectNotFound):
        place.storage.stat(place.base + "x")


def test_a_directory_is_no_place_for_a_file(place: Place, tmp_path: Path) -> None:
    with pytest.raises(InvalidInput):
        place.storage.upload(some_file(tmp_path, b""), place.base)
    with pytest.raises(InvalidInput):
        place.storage.delete(place.base)
    with pytest.raises(InvalidInput):
        place.storage.stat(place.base)


# --- Both, with any name ----------------------------------------------------------------


@pytest.mark.parametrize("name", ODD_NAMES)
def test_odd_names_mean_exactly_themselves(place: Place, tmp_path: Path, name: str) -> None:
    if set(name) & set(place.not_in_names):
        pytest.skip("a known defect of the server")
    uri = join(place.base, name)

    stored = place.storage.upload(some_file(tmp_path, name.encode()), uri)

    assert place.read(name) == name.encode()
    assert names(place.storage.list_files(place.base)) == [uri]
    assert place.storage.stat(uri) == stored
    entries = list(place.storage.list_entries(place.base))
    assert [relative_path(entry.uri, place.base) for entry in entries] == [
        f"{name.partition('/')[0]}/" if "/" in name else name
    ]
    place.storage.download(place.base, tmp_path / "got")
    assert (tmp_path / "got" / name).read_bytes() == name.encode()


_SEGMENT = st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters="/\0"), min_size=1, max_size=8
).filter(lambda segment: segment not in {".", ".."})


@settings(
    max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(keys=st.sets(st.lists(_SEGMENT, min_size=1, max_size=3).map("/".join), max_size=8))
def test_every_name_that_was_stored_is_listed_again(
    place: Place, tmp_path: Path, keys: set[str]
) -> None:
    directories = {key[:end] for key in keys for end, char in enumerate(key) if char == "/"}
    keys -= directories  # a directory of files can't hold both
    keys = {key for key in keys if not set(key) & set(place.not_in_names)}
    base = f"{place.base}{uuid4().hex}/"
    path = some_file(tmp_path, b"x")
    for key in keys:
        place.storage.upload(path, join(base, key))
    if not keys:
        return

    listed = names(place.storage.list_files(base))

    assert listed == [base + key for key in sorted(keys, key=str.encode)]
    entries = names(place.storage.list_entries(base))
    tops = {key.partition("/")[0] + "/" * ("/" in key) for key in keys}
    assert entries == [base + top for top in sorted(tops, key=str.encode)]


# --- The rest ---------------------------------------------------------------------------


def test_a_deleted_file_is_gone_and_may_be_deleted_again(place: Place) -> None:
    place.put("x", b"")
    place.put("xy", b"")

    place.storage.delete(place.base + "x")
    place.storage.delete(place.base + "x")
    place.storage.delete(place.base + "never/was")

    assert names(place.storage.list_files(place.base)) == [place.base + "xy"]


def test_what_is_stored_can_be_asked_for(place: Place, tmp_path: Path) -> None:
    stored = place.storage.upload(some_file(tmp_path, b"content"), place.base + "dir/x")

    assert place.storage.stat(place.base + "dir/x") == stored


@pytest.mark.parametrize("missing", ["dir", "di", "dir/x/y", "dir/y"])
def test_a_file_that_is_not_there_is_named_to_who_asks(place: Place, missing: str) -> None:
    place.put("dir/x", b"")

    with pytest.raises(ObjectNotFound) as caught:
        place.storage.stat(place.base + missing)

    assert place.base + missing in caught.value.detail
