"""Plans over real directories, and over a store that counts what is taken from it.

What becomes of unions and crosses: tests/sql/test_expand_cross.py, tests/server/test_spool.py.
"""

from __future__ import annotations

import tracemalloc
from pathlib import Path
from typing import Any

import msgspec
import pytest
from msgspec import UNSET, UnsetType

from falconeri.errors import InvalidInput, ObjectNotFound
from falconeri.pipeline import groups, plan_datums
from falconeri.pipeline.datums import CrossOf, Inputs, Listing, Plan, UnionOf
from falconeri.pipeline.matches import CHECKED
from falconeri.storage import Credentials, Storage, open_storage
from falconeri.wire.spec import Atom, Grouping, Input
from falconeri.wire.work import InputRef
from tests.pipeline.stores import BASE, Keys, keys


def open_(uri: str) -> Storage:
    return open_storage(uri, Credentials({}))


def atom(uri: str, repo: str = "repo", glob: str = "/*", **fields: Any) -> Input:  # noqa: ANN401
    return Input(atom=Atom(uri, repo, glob, **fields))


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

    assert listed(plan_datums(atom(uri + slash, glob="/"), open_)) == [
        [InputRef(f"{uri}/", "/pfs/repo/")]
    ]


def test_the_old_name_of_an_atom_means_the_same(tmp_path: Path) -> None:
    uri = directory(tmp_path, "in", "x")
    old = msgspec.convert({"pfs": {"URI": uri, "repo": "repo", "glob": "/*"}}, Input)

    assert listed(plan_datums(old, open_)) == listed(plan_datums(atom(uri), open_))


GLOBS = ["/", "/*", "/**", "/x/*", "/[x]*/**"]


@pytest.mark.parametrize("glob", GLOBS)
@pytest.mark.parametrize("exists", [True, False], ids=["empty", "missing"])
def test_an_input_without_files_is_named(tmp_path: Path, glob: str, *, exists: bool) -> None:
    if exists:
        (tmp_path / "in").mkdir()

    with pytest.raises(ObjectNotFound) as caught:
        listed(plan_datums(atom(f"file://{tmp_path}/in", glob=glob), open_))

    assert caught.value.detail == f"file://{tmp_path}/in with the glob {glob}"
    assert "allow_empty" in caught.value.hint


@pytest.mark.parametrize("glob", GLOBS)
@pytest.mark.parametrize("exists", [True, False], ids=["empty", "missing"])
def test_an_input_may_be_without_files(tmp_path: Path, glob: str, *, exists: bool) -> None:
    if exists:
        (tmp_path / "in").mkdir()
    empty = atom(f"file://{tmp_path}/in", glob=glob, allow_empty=True)

    assert listed(plan_datums(empty, open_)) == []


def test_what_cannot_be_listed_is_not_taken_for_empty(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "link").symlink_to(tmp_path / "nowhere")

    with pytest.raises(ObjectNotFound, match="link"):
        listed(plan_datums(atom(f"file://{tmp_path}/in", allow_empty=True), open_))


def test_a_tree_of_empty_directories_holds_nothing(tmp_path: Path) -> None:
    (tmp_path / "in" / "sub").mkdir(parents=True)

    with pytest.raises(ObjectNotFound):
        listed(plan_datums(atom(f"file://{tmp_path}/in", glob="/"), open_))


@pytest.mark.parametrize("name", ["../x", "a//x", "/x", "./x", "a/../x", "a/\0", "x/./y"])
@pytest.mark.parametrize("glob", ["/", "/*", "/**", "/**/*"])
def test_a_key_that_cannot_be_a_local_path_is_refused_by_name(name: str, glob: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        listed(plan_datums(atom(BASE, glob=glob), lambda _: keys("fine", name).storage))

    assert repr(BASE + name) in caught.value.detail


def test_a_key_that_the_glob_does_not_find_may_be_anything() -> None:
    store = keys("a.csv", "../x", "b//c")

    assert paths(plan_datums(atom(BASE, glob="/*.csv"), lambda _: store.storage)) == [["a.csv"]]


# --- Grouped ----------------------------------------------------------------------------


def paths(plan: Plan[Listing]) -> list[list[str]]:
    """Where the inputs of each datum are below `/pfs/repo/`."""
    return [[ref.local_path.removeprefix("/pfs/repo/") for ref in refs] for refs in listed(plan)]


def sizes(plan: Plan[Listing]) -> list[tuple[int, bool]]:
    assert isinstance(plan, Listing)
    return [(datum.size_bytes, datum.exact) for datum in plan.datums]


def test_so_many_files_make_up_a_datum(tmp_path: Path) -> None:
    uri = directory(tmp_path, "in", "a", "b/c", "b/d", "e", "f")

    plan = plan_datums(atom(uri, glob="/**", datums=Grouping(files=2)), open_)

    assert paths(plan) == [["a", "b/c"], ["b/d", "e"], ["f"]]


def test_files_of_so_many_bytes_make_up_a_datum() -> None:
    by_bytes = atom(BASE, datums=Grouping(bytes="6B"))
    store = keys("a", "b/3", "c", "dddddddd", "e", "f")  # as long as their names

    assert paths(plan_datums(by_bytes, lambda _: store.storage)) == [
        ["a", "b/", "c"],
        ["dddddddd"],
        ["e", "f"],
    ]
    assert sizes(plan_datums(by_bytes, lambda _: store.storage)) == [
        (5, True),
        (8, True),
        (2, True),
    ]


def test_folders_in_a_group_of_files_are_not_looked_into() -> None:
    by_files = atom(BASE, datums=Grouping(files=2))
    store = keys("a", "b/3", "c")

    plan = plan_datums(by_files, lambda _: store.storage)

    assert sizes(plan) == [(1, False), (1, True)]


def test_two_keys_that_exclude_each_other_may_be_in_different_datums_only() -> None:
    store = keys("a", "a/b")

    assert paths(plan_datums(atom(BASE, glob="/**"), lambda _: store.storage)) == [["a"], ["a/b"]]
    for one in (atom(BASE, glob="/**", datums=Grouping(files=2)), atom(BASE, glob="/")):
        with pytest.raises(InvalidInput) as caught:
            listed(plan_datums(one, lambda _: store.storage))
        assert caught.value.detail == f"'{BASE}a' and '{BASE}a/b'"


# --- Of any length ----------------------------------------------------------------------


def peak_bytes(count: int, glob: str, grouping: Grouping | UnsetType) -> int:
    """The most memory that it takes to list so many keys, as many in each folder."""
    folder = count // 5
    store = Keys(lambda: (f"{n // folder}/{n:09}.json" for n in range(count)))
    plan = plan_datums(atom(BASE, glob=glob, datums=grouping), lambda _: store.storage)
    assert isinstance(plan, Listing)
    tracemalloc.start()
    try:
        assert sum(1 for _ in plan.datums) >= 5
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    ("glob", "grouping"),
    [
        ("/**", UNSET),
        ("/*/*", UNSET),
        ("/**", Grouping(files=100)),
        ("/*", Grouping(bytes="10kB")),
    ],
)
def test_ten_times_as_many_keys_need_no_more_memory(
    monkeypatch: pytest.MonkeyPatch, glob: str, grouping: Grouping | UnsetType
) -> None:
    monkeypatch.setattr(groups, "HELD", 1000)

    few, many = (peak_bytes(count, glob, grouping) for count in (3_000, 30_000))

    # One list of all the keys would take 60 bytes for each; other threads allocate a little, too.
    assert many - few < 10 * (30_000 - 3_000)


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
    stores = {glob: Keys(lambda: map(str, range(10**6))) for glob in ("/*", "/**")}
    opened = iter(stores.values())

    plan = plan_datums(
        Input(cross=[atom(BASE, glob=glob) for glob in stores]), lambda _: next(opened).storage
    )
    assert isinstance(plan, CrossOf)
    first, second = plan.cross
    assert isinstance(first, Listing)
    for _ in range(7):
        next(first.datums)

    assert [store.taken for store in stores.values()] == [CHECKED + 7, 0]
    assert isinstance(second, Listing)
