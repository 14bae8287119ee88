"""What only the store `file://` has to care about."""

from __future__ import annotations

import os
import shutil
import socket
from pathlib import Path

import pytest

from falconeri.errors import (
    InvalidInput,
    ObjectNotFound,
    StorageDenied,
    StorageError,
    TransferFailed,
)
from falconeri.storage.atomic import PARTIAL, replacing, unchanging
from falconeri.storage.files import FileStorage

STORE = FileStorage()


def listed(directory: Path) -> list[str]:
    base = f"file://{directory}/"
    return [entry.uri.removeprefix(base) for entry in STORE.list_files(base)]


def test_links_are_followed_to_files_and_directories(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    (outside / "sub").mkdir(parents=True)
    (outside / "sub" / "x").write_text("content")
    inside = tmp_path / "inside"
    inside.mkdir()
    (inside / "dir").symlink_to(outside)
    (inside / "file").symlink_to(outside / "sub" / "x")

    assert listed(inside) == ["dir/sub/x", "file"]
    STORE.download(f"file://{inside}/", tmp_path / "got")
    assert (tmp_path / "got" / "file").read_text() == "content"
    assert not (tmp_path / "got" / "file").is_symlink()


def test_what_the_disk_has_no_room_for_is_refused_before_it_is_copied(tmp_path: Path) -> None:
    with (tmp_path / "big").open("wb") as file:
        file.truncate(shutil.disk_usage(tmp_path).total)  # has no blocks

    with pytest.raises(TransferFailed, match="not enough room on the disk") as caught:
        STORE.download(f"file://{tmp_path}/big", tmp_path / "got" / "x")

    assert f"file://{tmp_path}/big" in caught.value.detail
    assert list((tmp_path / "got").iterdir()) == []


def test_the_same_directory_may_be_linked_twice_beside_itself(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "x").touch()
    (tmp_path / "b").symlink_to("a")

    assert listed(tmp_path) == ["a/x", "b/x"]


def test_a_link_that_leads_back_up_is_named(tmp_path: Path) -> None:
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "a" / "b" / "up").symlink_to(tmp_path / "a")

    with pytest.raises(StorageError) as caught:
        listed(tmp_path)

    assert caught.value.detail.endswith("/a/b/up/")


def test_a_broken_link_is_named(tmp_path: Path) -> None:
    (tmp_path / "broken").symlink_to("nowhere")

    with pytest.raises(ObjectNotFound, match="/broken"):
        listed(tmp_path)


def test_a_link_to_itself_is_named(tmp_path: Path) -> None:
    (tmp_path / "loop").symlink_to("loop")

    with pytest.raises(StorageError, match="/loop"):
        listed(tmp_path)


def test_what_has_no_content_is_refused_by_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(StorageError, match="/pipe"):
        listed(tmp_path)
    with pytest.raises(StorageError, match="/pipe"):
        STORE.download(f"file://{tmp_path}/pipe", tmp_path / "got")
    (tmp_path / "pipe").unlink()

    monkeypatch.chdir(tmp_path)  # the path of a socket must be short
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind("socket")
        with pytest.raises(StorageError, match="/socket"):
            listed(tmp_path)


def test_a_name_that_is_not_utf8_is_refused(tmp_path: Path) -> None:
    Path(os.fsdecode(bytes(tmp_path) + b"/\xff.txt")).touch()

    with pytest.raises(InvalidInput, match="UTF-8") as caught:
        listed(tmp_path)

    assert caught.value.detail.isascii()


@pytest.mark.parametrize("uri", ["file:///tmp/../etc/", "file:///tmp//x/", "file:///./x/"])
def test_a_path_is_written_in_one_way_only(uri: str) -> None:
    with pytest.raises(InvalidInput):
        next(STORE.list_entries(uri))


def test_the_root_is_a_directory_too() -> None:
    assert "file:///etc/" in {entry.uri for entry in STORE.list_entries("file:///")}


def test_a_file_is_no_directory_and_a_directory_no_file(tmp_path: Path) -> None:
    (tmp_path / "x").touch()

    with pytest.raises(ObjectNotFound, match="not a directory"):
        listed(tmp_path / "x")
    with pytest.raises(ObjectNotFound, match="a directory"):
        STORE.download(f"file://{tmp_path}", tmp_path / "got")


def test_a_program_that_changes_its_input_does_not_change_the_original(tmp_path: Path) -> None:
    (tmp_path / "x").write_text("original")
    STORE.download(f"file://{tmp_path}/x", tmp_path / "pfs" / "x")

    with (tmp_path / "pfs" / "x").open("r+") as file:
        file.write("changed!")

    assert (tmp_path / "x").read_text() == "original"


def test_files_that_are_still_being_written_are_not_listed(tmp_path: Path) -> None:
    with replacing(tmp_path / "x") as temporary:
        temporary.touch()
        assert listed(tmp_path) == []
    assert listed(tmp_path) == ["x"]


def test_an_error_while_writing_leaves_the_old_file(tmp_path: Path) -> None:
    (tmp_path / "x").write_text("old")

    def write_half() -> None:
        with replacing(tmp_path / "x") as temporary:
            temporary.write_text("half")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        write_half()

    assert (tmp_path / "x").read_text() == "old"
    assert list(tmp_path.iterdir()) == [tmp_path / "x"]


def test_a_file_that_changes_while_it_is_read_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_text("before")

    with pytest.raises(TransferFailed, match="changed"), unchanging(path):
        path.write_text("after, and longer")


def test_a_store_without_room_for_directories_is_an_error_of_storage(tmp_path: Path) -> None:
    (tmp_path / "x").touch()
    (tmp_path / "file").touch()

    with pytest.raises(StorageError, match="/file/below/x"):
        STORE.upload(tmp_path / "x", f"file://{tmp_path}/file/below/x")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_what_may_not_be_read_is_denied_by_name(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir(mode=0)

    with pytest.raises(StorageDenied, match="/mine/"):
        listed(tmp_path)


def test_deleting_takes_along_what_a_killed_writer_has_left_of_the_file(tmp_path: Path) -> None:
    for name in ("mine.txt", "other.txt"):
        with replacing(tmp_path / name) as temporary:
            temporary.write_text("half")
            left = tmp_path / temporary.name
            kept = left.rename(tmp_path / "kept")
            temporary.touch()
        kept.rename(left)
        assert PARTIAL.fullmatch(left.name)

    STORE.delete(f"file://{tmp_path}/mine.txt")

    assert len([*tmp_path.iterdir()]) == 2
    assert (tmp_path / "other.txt").exists()


def test_deleting_below_a_file_is_deleting_nothing(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    STORE.delete(f"file://{tmp_path}/file/below")

    assert (tmp_path / "file").exists()
