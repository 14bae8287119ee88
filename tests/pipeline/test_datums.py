"""Plans over real directories, and over a store that counts what is taken from it."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, cast

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from falconeri.errors import InvalidInput, ObjectNotFound
from falconeri.pipeline import plan_datums
from falconeri.storage import Credentials, Entry, Storage, open_storage
from falconeri.wire.spec import Atom, Glob, Input
from falconeri.wire.work import InputRef


def open_(uri: str) -> Storage:
    return open_storage(uri, Credentials({}))


def atom(uri: str, repo: str = "repo", glob: Glob = Glob.ENTRIES) -> Input:
    return Input(atom=Atom(uri, repo, glob))


def directory(parent: Path, name: str, *files: str) -> str:
    for file in files:
        path = parent / name / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return f"file://{parent}/{name}"


def local_paths(input_: Input) -> list[tuple[str, ...]]:
    return [tuple(ref.local_path for ref in datum) for datum in plan_datums(input_, open_)]


# --- Atoms ------------------------------------------------------------------------------


@pytest.mark.parametrize("slash", ["", "/"])
def test_each_top_level_entry_is_a_datum(tmp_path: Path, slash: str) -> None:
    uri = directory(tmp_path, "in", "b.txt", "a/x", "a/deep/y", "é #.txt")

    assert list(plan_datums(atom(uri + slash), open_)) == [
        [InputRef(f"{uri}/a/", "/pfs/repo/a/")],
        [InputRef(f"{uri}/b.txt", "/pfs/repo/b.txt")],
        [InputRef(f"{uri}/é #.txt", "/pfs/repo/é #.txt")],
    ]


@pytest.mark.parametrize("slash", ["", "/"])
def test_everything_together_is_one_datum(tmp_path: Path, slash: str) -> None:
    uri = directory(tmp_path, "in", "b.txt", "a/x")

    assert list(plan_datums(atom(uri + slash, glob=Glob.WHOLE), open_)) == [
        [InputRef(f"{uri}/", "/pfs/repo/")]
    ]


def test_the_old_name_of_an_atom_means_the_same(tmp_path: Path) -> None:
    uri = directory(tmp_path, "in", "x")
    old = msgspec.convert({"pfs": {"URI": uri, "repo": "repo", "glob": "/*"}}, Input)

    assert list(plan_datums(old, open_)) == list(plan_datums(atom(uri), open_))


@pytest.mark.parametrize("glob", Glob)
@pytest.mark.parametrize("exists", [True, False], ids=["empty", "missing"])
def test_an_input_without_files_is_named(tmp_path: Path, glob: Glob, *, exists: bool) -> None:
    if exists:
        (tmp_path / "in").mkdir()

    with pytest.raises(ObjectNotFound) as caught:
        list(plan_datums(atom(f"file://{tmp_path}/in", glob=glob), open_))

    assert f"file://{tmp_path}/in" in caught.value.detail


def test_a_tree_of_empty_directories_holds_nothing(tmp_path: Path) -> None:
    (tmp_path / "in" / "sub").mkdir(parents=True)

    with pytest.raises(ObjectNotFound):
        list(plan_datums(atom(f"file://{tmp_path}/in", glob=Glob.WHOLE), open_))


class Counting:
    """A store whose directory has `count` files; counts the entries that were taken."""

    def __init__(self, *names: str, count: int = 0) -> None:
        self.names = names or tuple(f"{number:09}" for number in range(count))
        self.taken = 0

    def list_entries(self, uri: str) -> Iterator[Entry]:
        for name in self.names:
            self.taken += 1
            yield Entry(f"{uri}{name}", 0)

    list_files = list_entries


def opener(stores: dict[str, Counting]) -> Callable[[str], Storage]:
    return lambda uri: cast("Storage", stores[uri])  # a plan asks for nothing but listings


@pytest.mark.parametrize("name", ["../x", "a//", "/", ".", "a\0b"])
def test_a_key_that_cannot_be_a_local_path_is_refused_by_name(name: str) -> None:
    uri = "s3://bucket/dir/"

    with pytest.raises(InvalidInput) as caught:
        list(plan_datums(atom(uri), opener({uri: Counting("fine", name)})))

    assert repr(f"s3://bucket/dir/{name}") in caught.value.detail


# --- Unions and crosses -----------------------------------------------------------------


def test_a_union_is_one_part_after_the_other(tmp_path: Path) -> None:
    one = atom(directory(tmp_path, "one", "a", "b"), "one")
    two = atom(directory(tmp_path, "two", "a"), "two")

    assert local_paths(Input(union=[two, one, two])) == [
        ("/pfs/two/a",),
        ("/pfs/one/a",),
        ("/pfs/one/b",),
        ("/pfs/two/a",),
    ]


def test_the_left_factor_of_a_cross_changes_most_slowly(tmp_path: Path) -> None:
    uri = directory(tmp_path, "in", "1", "2")
    factors = [atom(uri, repo) for repo in ("x", "y", "z")]

    assert local_paths(Input(cross=factors)) == [
        (f"/pfs/x/{x}", f"/pfs/y/{y}", f"/pfs/z/{z}") for x in "12" for y in "12" for z in "12"
    ]


def test_crosses_and_unions_nest(tmp_path: Path) -> None:
    one, two, three = (
        atom(directory(tmp_path, name, "a", "b"), name) for name in ("one", "two", "three")
    )
    nested = Input(cross=[Input(union=[one, two]), Input(cross=[three])])

    assert local_paths(nested) == [
        (f"/pfs/{repo}/{left}", f"/pfs/three/{right}")
        for repo in ("one", "two")
        for left in "ab"
        for right in "ab"
    ]


def test_empty_combinations_have_no_datums(tmp_path: Path) -> None:
    full = atom(directory(tmp_path, "in", "x"))

    assert local_paths(Input(union=[])) == []
    assert local_paths(Input(cross=[])) == []
    assert local_paths(Input(cross=[full, Input(union=[])])) == []
    assert local_paths(Input(cross=[Input(union=[]), full])) == []


_Shape = int | tuple[str, list[Any]]
"""An atom with so many files, or a kind of combination with its parts."""

_SHAPES: st.SearchStrategy[_Shape] = st.recursive(
    st.integers(1, 3),
    lambda parts: st.tuples(st.sampled_from(["cross", "union"]), st.lists(parts, max_size=3)),
    max_leaves=6,
)


@given(shape=_SHAPES)
def test_unions_add_and_crosses_multiply(shape: _Shape) -> None:
    stores: dict[str, Counting] = {}

    def build(part: _Shape) -> tuple[Input, int]:
        if isinstance(part, int):
            uri = f"s3://bucket/{len(stores)}/"
            stores[uri] = Counting(count=part)
            return atom(uri, f"repo{len(stores)}"), part
        kind, parts = part
        built = [build(child) for child in parts]
        inputs, counts = [input_ for input_, _ in built], [count for _, count in built]
        if kind == "union":
            return Input(union=inputs), sum(counts)
        return Input(cross=inputs), math.prod(counts) if counts else 0

    input_, expected = build(shape)

    assert sum(1 for _ in plan_datums(input_, stores.__getitem__)) == expected  # pyright: ignore[reportArgumentType]


def test_only_right_factors_are_held_in_memory() -> None:
    left, right = Counting(count=1_000_000), Counting(count=3)
    stores = {"s3://b/left/": left, "s3://b/right/": right}
    cross = Input(cross=[atom("s3://b/left/", "left"), atom("s3://b/right/", "right")])

    datums = plan_datums(cross, opener(stores))
    for _ in range(7):
        next(datums)

    assert left.taken <= 4
    assert right.taken == 3


@pytest.mark.parametrize(
    ("one", "two"),
    [
        (("a", Glob.ENTRIES), ("a", Glob.ENTRIES)),
        (("a", Glob.WHOLE), ("b", Glob.WHOLE)),
        (("a", Glob.WHOLE), ("b", Glob.ENTRIES)),
        (("b", Glob.ENTRIES), ("a", Glob.WHOLE)),
    ],
)
def test_two_files_of_a_datum_with_one_path_are_refused_by_name(
    tmp_path: Path, one: tuple[str, Glob], two: tuple[str, Glob]
) -> None:
    for name in "ab":
        directory(tmp_path, name, name)
    factors = [atom(f"file://{tmp_path}/{name}", "same", glob) for name, glob in (one, two)]

    with pytest.raises(InvalidInput, match="same local path") as caught:
        local_paths(Input(cross=factors))

    for name, _ in (one, two):
        assert f"file://{tmp_path}/{name}/" in caught.value.detail


def test_a_repo_may_be_shared_by_different_names(tmp_path: Path) -> None:
    one = atom(directory(tmp_path, "one", "a"), "same")
    two = atom(directory(tmp_path, "two", "a.txt", "a!/x"), "same")

    assert local_paths(Input(cross=[one, two])) == [
        ("/pfs/same/a", "/pfs/same/a!/"),
        ("/pfs/same/a", "/pfs/same/a.txt"),
    ]


def test_a_file_is_no_directory_of_the_same_datum(tmp_path: Path) -> None:
    one = atom(directory(tmp_path, "one", "a"), "same")
    two = atom(directory(tmp_path, "two", "a/x"), "same")

    with pytest.raises(InvalidInput, match=r"/one/a as /pfs/same/a, .*/two/a/ as /pfs/same/a/"):
        local_paths(Input(cross=[one, two]))
