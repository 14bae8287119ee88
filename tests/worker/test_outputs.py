"""What may lie in `/pfs/out`, and what may not."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from falconeri_worker.directories import empty
from falconeri_worker.outputs import OutputRefused, find_outputs
from tests.worker.user import as_a_user


@pytest.fixture
def out(tmp_path: Path) -> Path:
    (path := tmp_path / "pfs" / "out").mkdir(parents=True)
    return path


def uris(out: Path, egress: str = "s3://b/e") -> list[str]:
    return [output.uri for output in find_outputs(out, egress)]


def refusal(out: Path) -> str:
    with pytest.raises(OutputRefused) as caught:
        find_outputs(out, "s3://b/e/")
    return str(caught.value)


@pytest.mark.parametrize("egress", ["s3://b/e", "s3://b/e/"])
def test_files_are_found_at_any_depth_hidden_ones_too(out: Path, egress: str) -> None:
    (out / "d" / ".e").mkdir(parents=True)
    (out / "empty").mkdir()
    for name in ("z", ".hidden", "d/.e/été~1 %20.txt"):
        (out / name).write_text("x")

    assert uris(out, egress) == ["s3://b/e/.hidden", "s3://b/e/d/.e/été~1 %20.txt", "s3://b/e/z"]


def test_a_name_too_long_for_any_store_is_refused(out: Path) -> None:
    deep = out / "/".join(["d" * 200] * 10)
    deep.mkdir(parents=True)
    (deep / "file").write_text("x")

    assert "more than 2,000 bytes" in refusal(out)


def test_nothing_is_fine(out: Path) -> None:
    assert uris(out) == []


def test_links_that_stay_inside_are_followed(out: Path) -> None:
    (out / "d").mkdir()
    (out / "d" / "file").write_text("x")
    (out / "link").symlink_to("d/file")
    (out / "again").symlink_to("d")

    assert uris(out) == [
        "s3://b/e/again/file",
        "s3://b/e/d/file",
        "s3://b/e/link",
    ]


def test_out_itself_may_be_a_link(out: Path, tmp_path: Path) -> None:
    (tmp_path / "scratch").mkdir()
    (tmp_path / "scratch" / "file").write_text("x")
    out.rmdir()
    out.symlink_to(tmp_path / "scratch")

    assert uris(out) == ["s3://b/e/file"]


@pytest.mark.parametrize(
    ("target", "why"),
    [
        ("/etc/passwd", "leads outside, to /etc/passwd"),
        ("../texts", "leads outside"),
        ("missing", "leads nowhere (No such file or directory)"),
        ("link", "leads nowhere (Too many levels of symbolic links)"),
        (".", "leads in a circle"),
    ],
)
def test_a_link_that_leads_elsewhere_is_refused_by_name(out: Path, target: str, why: str) -> None:
    (out.parent / "texts").mkdir()
    (out / "link").symlink_to(target)

    assert refusal(out).startswith("output 'link' is a symbolic link that " + why)


def test_two_links_into_each_other_are_a_circle(out: Path) -> None:
    for name, other in (("a", "b"), ("b", "a")):
        (out / name).mkdir()
        (out / name / "link").symlink_to(f"../{other}")

    assert "leads in a circle" in refusal(out)


def test_a_pipe_is_refused_by_name(out: Path) -> None:
    os.mkfifo(out / "pipe")

    assert refusal(out).startswith("output 'pipe' is not a file")


def test_a_name_that_is_not_utf_8_is_refused(out: Path) -> None:
    Path(os.fsdecode(os.fsencode(out) + b"/caf\xe9")).write_text("x")

    message = refusal(out)
    message.encode()  # fit for JSON
    assert "has a name that is not UTF-8" in message


UNREADABLE = """
outputs = importlib.import_module("falconeri_worker.outputs")
def look():
    try:
        outputs.find_outputs(top, "s3://b/e/")
    except outputs.OutputRefused as ex:
        print(ex)
(top / "secret").touch(mode=0)
look()
(top / "secret").unlink()
(top / "d").mkdir(mode=0)
look()
"""


def test_what_cannot_be_read_is_refused(out: Path) -> None:
    said = as_a_user(UNREADABLE, out, "falconeri_worker.outputs")

    assert said.splitlines() == [
        "output 'secret' cannot be read",
        "output 'd' is a directory that cannot be read",
    ]


def test_a_removed_directory_is_noticed(out: Path) -> None:
    out.rmdir()

    assert "has removed" in refusal(out)


def test_a_thousand_levels_are_no_problem(out: Path) -> None:
    here = os.open(out, os.O_RDONLY)
    for _ in range(1200):
        os.mkdir("d", dir_fd=here)
        below = os.open("d", os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = below
    os.close(here)

    assert uris(out) == []

    empty(out)  # pytest could not
    assert list(out.iterdir()) == []
