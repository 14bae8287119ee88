"""What is found below a URI, and how little is asked for it."""

from __future__ import annotations

import pytest
from hypothesis import assume, given, settings

from falconeri.errors import DirectoryNotFound, InvalidInput
from falconeri.globs import compile_glob
from falconeri.pipeline.matches import CHECKED, Match, check_directories, find_matches
from tests.globs import oracle
from tests.pipeline.stores import BASE, Keys, keys


def found(store: Keys, glob: str, *, measured: bool = False) -> list[str]:
    """The keys that are found, relative to the URI."""
    matches = find_matches(store.storage, BASE, compile_glob(glob), measured=measured)
    return [match.uri.removeprefix(BASE) for match in matches]


@settings(max_examples=300, deadline=None)
@given(nodes=oracle.globs, names=oracle.keys)
def test_both_ways_to_list_find_what_the_glob_says(nodes: oracle.Word, names: list[str]) -> None:
    text = oracle.text_of(nodes)
    try:
        compile_glob(text)
    except ValueError:
        assume(False)  # noqa: FBT003 (hypothesis has no other)
    # A directory that is found must not have a file where it needs another directory.
    names = [name for name in names if not any(name.startswith(f"{other}/") for other in names)]
    expected = oracle.found(nodes, names)

    assert found(keys(*names), text) == expected
    assert found(keys(*names), text, measured=True) == expected


TREE = ("a/1", "a/2/x", "b", "c-1/1", "c-1/2", "c-2/1", "c/1", "d/e/f/g", "z")


@pytest.mark.parametrize(
    ("glob", "asked", "taken"),
    [
        ("/*", [""], 7),
        ("/a/*", ["a/"], 2),
        ("/c-*", ["c-"], 2),
        ("/c-*/1", ["c-", "c-1/1", "c-2/1"], 4),
        ("/d/e/f/g", ["d/e/f/g"], 1),
        ("/*/*/*", ["", "a/", "a/2/", "c-1/", "c-2/", "c/", "d/", "d/e/"], 16),
        ("/{a,d/e}/*", ["a/", "d/e/"], 3),
        ("/{a/*,d/*/f}", ["a/", "d/", "d/e/f"], 4),
        ("/**", ["*"], 9),
        ("/c/**", ["c/*"], 1),
        ("/c-**", ["c-*"], 3),
        ("/{a,c}/**/*", ["a/*", "c/*"], 3),
        ("/", ["*"], 9),
    ],
)
def test_only_what_leads_to_something_is_listed(glob: str, asked: list[str], taken: int) -> None:
    store = keys(*TREE)

    found(store, glob)

    assert (store.asked, store.taken) == (asked, taken)


def test_directories_have_sizes_if_they_are_measured() -> None:
    store = keys("a/1", "a/b/22", "a/b/333", "c")
    glob = compile_glob("/*")

    assert list(find_matches(store.storage, BASE, glob)) == [
        Match(f"{BASE}a/", None),
        Match(f"{BASE}c", 1),
    ]
    assert list(find_matches(store.storage, BASE, glob, measured=True)) == [
        Match(f"{BASE}a/", len("a/1a/b/22a/b/333")),
        Match(f"{BASE}c", 1),
    ]
    assert list(find_matches(store.storage, BASE, compile_glob("/"))) == [
        Match(BASE, len("a/1a/b/22a/b/333c"))
    ]


@pytest.mark.parametrize("name", ["a/../b", "a//b", "a/./b", "a/b\0c", "/b"])
@pytest.mark.parametrize("glob", ["/", "/*"])
def test_key_in_a_measured_directory_that_cannot_be_a_local_path_is_named(
    glob: str, name: str
) -> None:
    with pytest.raises(InvalidInput) as caught:
        found(keys("a/a", name, "c"), glob, measured=True)

    assert repr(BASE + name) in caught.value.detail


def test_measured_directory_that_could_not_be_a_local_one_is_refused() -> None:
    with pytest.raises(InvalidInput) as caught:
        found(keys("a/b", "a/b-c", "a/b/d"), "/*", measured=True)

    assert caught.value.detail == f"'{BASE}a/b' and '{BASE}a/b/d'"


@pytest.mark.parametrize("name", ["a/../b", "a//b", "a/./b", "a/b\0c", "a/a/b"])
def test_key_in_a_directory_that_is_found_and_not_listed_is_refused_too(name: str) -> None:
    store = keys("a/a", name, "c")

    with pytest.raises(InvalidInput) as caught:
        check_directories(store.storage, BASE, compile_glob("/*"))

    assert repr(BASE + name) in caught.value.detail


@pytest.mark.parametrize("glob", ["/c*", "/a/a", "/nowhere/*", "/**"])
def test_what_a_glob_does_not_find_as_a_directory_is_not_refused(glob: str) -> None:
    store = keys("a/a", "a//b", "c/d")

    check_directories(store.storage, BASE, compile_glob(glob))


def test_no_more_than_the_first_files_are_looked_at_in_directories() -> None:
    store = Keys(lambda: (f"a/{number:09}" for number in range(10 * CHECKED)))

    check_directories(store.storage, BASE, compile_glob("/*"))

    assert store.taken == CHECKED


@pytest.mark.parametrize("glob", ["/", "/*", "/**", "/x/*", "/x/y", "/{x,y}/**", "/[x]/y"])
def test_directory_that_is_not_there_has_nothing_in_it(glob: str) -> None:
    assert found(keys("a"), glob.replace("/", "/nowhere/", 1)) == []


def test_directory_that_vanishes_while_it_is_listed_is_an_error() -> None:
    names = iter([["a/1", "b/1"], ["b/1"]])
    store = Keys(lambda: next(names))

    with pytest.raises(DirectoryNotFound, match="a/"):
        found(store, "/*/*")
