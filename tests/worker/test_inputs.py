"""Which inputs of a datum are fetched at the same time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier
from typing import cast

import pytest

from falconeri.errors import InvalidInput
from falconeri.storage import Credentials, Storage
from falconeri.wire.work import InputRef
from falconeri_worker.inputs import apart, fetch_inputs
from falconeri_worker.stores import Stores

PATIENCE_S = 60
"""After this a test that hangs fails instead."""


def run_all(tasks: Sequence[Callable[[], int]]) -> list[int]:
    with ThreadPoolExecutor(len(tasks)) as pool:
        return [future.result() for future in [pool.submit(task) for task in tasks]]


def pieces(*paths: str) -> list[list[str]]:
    return [[paths[number] for number in piece] for piece in apart([Path(path) for path in paths])]


def test_what_has_nothing_in_common_is_fetched_together() -> None:
    together = ("/pfs/a/x", "/pfs/a/xy", "/pfs/a/dir", "/pfs/a/dir-b/x", "/pfs/b/x")

    assert pieces(*together) == [list(together)]
    assert pieces() == []


@pytest.mark.parametrize("later", ["/pfs/a/x", "/pfs/a", "/pfs/a/x/y/z"])
def test_what_touches_an_earlier_one_comes_after_it(later: str) -> None:
    assert pieces("/pfs/b/x", "/pfs/a/x", later, "/pfs/c/x") == [
        ["/pfs/b/x", "/pfs/a/x"],
        [later, "/pfs/c/x"],
    ]


def test_an_order_that_matters_is_kept_through_all_pieces() -> None:
    assert pieces("/pfs/a/x", "/pfs/a/x", "/pfs/a/y", "/pfs/a/x") == [
        ["/pfs/a/x"],
        ["/pfs/a/x", "/pfs/a/y"],
        ["/pfs/a/x"],
    ]


def test_inputs_are_fetched_at_the_same_time(tmp_path: Path) -> None:
    together = Barrier(8)

    class Waiting:
        def download(self, _uri: str, _path: Path) -> int:
            together.wait(PATIENCE_S)
            return 2

    def open_(_uri: str, _credentials: Credentials) -> Storage:
        return cast("Storage", Waiting())

    inputs = [InputRef(f"s3://b/{number}", f"/pfs/in/{number}") for number in range(8)]

    assert fetch_inputs(inputs, tmp_path, Stores(open_), run_all) == 16


def test_the_later_of_two_files_in_one_place_wins(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name / "sub").mkdir(parents=True)
        (tmp_path / name / "sub" / "x").write_text(name)
    (tmp_path / "a" / "y").write_text("y")
    inputs = [InputRef(f"file://{tmp_path}/{name}/", "/pfs/in/") for name in ("a", "b")]
    inputs.append(InputRef(f"file://{tmp_path}/a/y", "/pfs/in/sub/x"))

    sizes = [fetch_inputs(inputs[:n], tmp_path / "pfs", Stores(), run_all) for n in (2, 3)]

    assert sizes == [3, 4]
    assert (tmp_path / "pfs" / "in" / "sub" / "x").read_text() == "y"
    assert (tmp_path / "pfs" / "in" / "y").read_text() == "y"


def test_nothing_is_fetched_if_one_path_is_not_in_a_repository(tmp_path: Path) -> None:
    (tmp_path / "x").touch()
    inputs = [InputRef(f"file://{tmp_path}/x", path) for path in ("/pfs/in/x", "/pfs/out/x")]

    with pytest.raises(InvalidInput, match="not in its repository"):
        fetch_inputs(inputs, tmp_path / "pfs", Stores(), run_all)

    assert not (tmp_path / "pfs").exists()
