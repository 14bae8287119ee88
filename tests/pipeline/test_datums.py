"""Plans over real directories, and over a store that counts what is taken from it.

What becomes of unions and crosses: tests/sql/test_expand_cross.py, tests/server/test_spool.py.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import cast

import msgspec
import pytest

from falconeri.errors import InvalidInput, ObjectNotFound
from falconeri.pipeline import plan_datums
from falconeri.pipeline.datums import CrossOf, Inputs, Listing, Plan, UnionOf
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


def listed(plan: Plan[Listing]) -> list[Inputs]:
    """The datums of all atoms, from left to right."""
    if isinstance(plan, Listing):
        return [datum.inputs for datum in plan.datums]
    parts = plan.union if isinstance(plan, UnionOf) else plan.cross
    return [datum for part in parts for datum in listed(part)]


def shape(plan: Plan[Listing]) -> Plan[str]:
    """The same plan with the atoms' URIs."""
    if isinstance(plan, Listing):
        return plan.atom.uri
    if isinstance(plan, UnionOf):
        return UnionOf(tuple(map(shape, plan.union)))
    return CrossOf(tuple(map(shape, plan.cross)))


# --- Atoms ------------------------------------------------------------------------------


@pytest.mark.parametrize("slash", ["", "/"])
def test_each_top_level_entry_is_a_datum(tmp_path: Path, slash: str) -> None:
    uri = directory(tmp_path, "in", "b.txt", "a/x", "a/deep/y", "é #.txt")

    assert listed(plan_datums(atom(uri + slash), open_)) == [
        [InputRef(f"{uri}/a/", "/pfs/repo/a/")],
        [InputRef(f"{uri}/b.txt", "/pfs/repo/b.txt")],
        [InputRef(f"{uri}/é #.txt", "/pfs/repo/é #.txt")],
    ]


@pytest.mark.parametrize("slash", ["", "/"])
def test_everything_together_is_one_datum(tmp_path: Path, slash: str) -> None:
    uri = directory(tmp_path, "in", "b.txt", "a/x")

    assert listed(plan_datums(atom(uri + slash, glob=Glob.WHOLE), open_)) == [
        [InputRef(f"{uri}/", "/pfs/repo/")]
    ]


def test_the_old_name_of_an_atom_means_the_same(tmp_path: Path) -> None:
    uri = directory(tmp_path, "in", "x")
    old = msgspec.convert({"pfs": {"URI": uri, "repo": "repo", "glob": "/*"}}, Input)

    assert listed(plan_datums(old, open_)) == listed(plan_datums(atom(uri), open_))


@pytest.mark.parametrize("glob", Glob)
@pytest.mark.parametrize("exists", [True, False], ids=["empty", "missing"])
def test_an_input_without_files_is_named(tmp_path: Path, glob: Glob, *, exists: bool) -> None:
    if exists:
        (tmp_path / "in").mkdir()

    with pytest.raises(ObjectNotFound) as caught:
        listed(plan_datums(atom(f"file://{tmp_path}/in", glob=glob), open_))

    assert f"file://{tmp_path}/in" in caught.value.detail


def test_a_tree_of_empty_directories_holds_nothing(tmp_path: Path) -> None:
    (tmp_path / "in" / "sub").mkdir(parents=True)

    with pytest.raises(ObjectNotFound):
        listed(plan_datums(atom(f"file://{tmp_path}/in", glob=Glob.WHOLE), open_))


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
        listed(plan_datums(atom(uri), opener({uri: Counting("fine", name)})))

    assert repr(f"s3://bucket/dir/{name}") in caught.value.detail


# --- Unions and crosses -----------------------------------------------------------------


def test_plan_is_made_like_its_input() -> None:
    a, b, c, d = (atom(f"s3://bucket/{name}/") for name in "abcd")
    input_ = Input(
        union=[a, Input(cross=[Input(union=[b, c]), Input(cross=[c, d])]), Input(union=[])]
    )

    plan = plan_datums(input_, open_)

    assert shape(plan) == UnionOf(
        (
            "s3://bucket/a/",
            CrossOf(
                (
                    UnionOf(("s3://bucket/b/", "s3://bucket/c/")),
                    CrossOf(("s3://bucket/c/", "s3://bucket/d/")),
                )
            ),
            UnionOf(()),
        )
    )


@pytest.mark.parametrize("count", [0, 1])
def test_a_cross_of_fewer_than_two_combines_nothing(count: int) -> None:
    parts = [atom("s3://bucket/a/")] * count

    assert shape(plan_datums(Input(cross=parts), open_)) == UnionOf(("s3://bucket/a/",) * count)


def test_nothing_is_listed_before_it_is_read() -> None:
    stores = {f"s3://bucket/{name}/": Counting(count=1_000_000) for name in "ab"}
    atoms = [atom(uri) for uri in stores]

    plan = plan_datums(Input(cross=atoms), opener(stores))
    assert isinstance(plan, CrossOf)
    first, second = plan.cross
    assert isinstance(first, Listing)
    for _ in range(7):
        next(first.datums)

    assert [store.taken for store in stores.values()] == [7, 0]
    assert isinstance(second, Listing)
