"""The directories between two datums."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from falconeri.errors import InvalidInput
from falconeri_worker.directories import Directories, empty, local_path
from tests.worker.user import as_a_user


def test_everything_goes_but_the_top_directories(tmp_path: Path) -> None:
    pfs, scratch = tmp_path / "pfs", tmp_path / "scratch"
    for directory in (pfs / "out" / "deep" / "er", pfs / "texts", scratch / ".hidden"):
        directory.mkdir(parents=True)
        (directory / "file").write_text("x")
    os.mkfifo(scratch / "pipe")
    inodes = pfs.stat().st_ino, scratch.stat().st_ino

    place = Directories(pfs, scratch, None).alone()
    place.prepare()

    assert (list(pfs.iterdir()), list(scratch.iterdir())) == ([place.out], [])
    assert (place.out, list(place.out.iterdir())) == (pfs / "out", [])
    assert (pfs.stat().st_ino, scratch.stat().st_ino) == inodes


def test_links_are_unlinked_and_not_followed(tmp_path: Path) -> None:
    (tmp_path / "precious").mkdir()
    (tmp_path / "precious" / "file").write_text("x")
    (top := tmp_path / "top").mkdir()
    (top / "to-directory").symlink_to(tmp_path / "precious")
    (top / "to-file").symlink_to(tmp_path / "precious" / "file")
    (top / "to-nothing").symlink_to("missing")

    empty(top)

    assert list(top.iterdir()) == []
    assert (tmp_path / "precious" / "file").read_text() == "x"


READ_ONLY = """
(top / "a" / "b").mkdir(parents=True)
(top / "a" / "b" / "file").write_text("x")
for folder in (top / "a" / "b", top / "a", top):
    folder.chmod(0o500)
(top / "a").chmod(0)
importlib.import_module("falconeri_worker.directories").empty(top)
print(list(top.iterdir()))
"""


def test_read_only_directories_go_too(tmp_path: Path) -> None:
    (top := tmp_path / "top").mkdir()

    assert as_a_user(READ_ONLY, top, "falconeri_worker.directories") == "[]\n"


def test_a_directory_that_must_exist_is_named(tmp_path: Path) -> None:
    with pytest.raises(NotADirectoryError, match="missing does not exist"):
        empty(tmp_path / "missing")


@pytest.mark.parametrize(
    ("wire", "local"),
    [
        ("/pfs/texts/a.txt", "/data/texts/a.txt"),
        ("/pfs/texts/", "/data/texts"),
        ("/pfs/texts/été/~1", "/data/texts/été/~1"),
    ],
)
def test_paths_are_translated(wire: str, local: str) -> None:
    assert local_path(Path("/data"), wire) == Path(local)


@pytest.mark.parametrize(
    "wire", ["/etc/passwd", "/pfs", "/pfs/", "/pfs/../x", "/pfs/a/../../x", "pfs/a", "/pfs/out/x"]
)
def test_paths_that_lead_elsewhere_are_refused(wire: str) -> None:
    with pytest.raises(InvalidInput, match="not in its repository"):
        local_path(Path("/data"), wire)
