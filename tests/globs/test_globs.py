"""What globs find, and which of them are refused."""

from __future__ import annotations

import re

import pytest
from hypothesis import assume, given, settings

from falconeri.globs import MAX_LENGTH, MAX_PATHS, compile_glob
from tests.globs import oracle

TREE = ["a.csv", "a.json", "b/c.csv", "b/c/d.json", "b/c.d/e.csv", "x [1].csv", ".h/i"]


def found(glob: str, keys: list[str] = TREE) -> list[str]:
    """The paths that a glob finds; that of a directory ends with `/`."""
    compiled = compile_glob(glob)
    results: dict[str, None] = {}
    for key in keys:
        names = key.split("/")
        depth = compiled.depth_in(names)
        if depth is not None:
            results[
                "".join(f"{name}/" for name in names[:depth]) if depth < len(names) else key
            ] = None
    return list(results)


@pytest.mark.parametrize(
    ("glob", "paths"),
    [
        ("/", [""]),
        ("/*", ["a.csv", "a.json", "b/", "x [1].csv", ".h/"]),
        ("/*/", ["b/", ".h/"]),
        ("/**", TREE),
        ("/*.csv", ["a.csv", "x [1].csv"]),
        ("/a.*", ["a.csv", "a.json"]),
        ("/a.csv", ["a.csv"]),
        ("/b", ["b/"]),
        ("/*/*", ["b/c.csv", "b/c/", "b/c.d/", ".h/i"]),
        ("/*/*/", ["b/c/", "b/c.d/"]),
        ("/b/**", ["b/c.csv", "b/c/d.json", "b/c.d/e.csv"]),
        ("/**/*.json", ["a.json", "b/c/d.json"]),
        ("/**.json", ["a.json", "b/c/d.json"]),
        ("/b**.csv", ["b/c.csv", "b/c.d/e.csv"]),
        ("/**/c*/*", ["b/c/d.json", "b/c.d/e.csv"]),
        ("/?.csv", ["a.csv"]),
        ("/[a-c].[!x-z]*", ["a.csv", "a.json"]),
        ("/[^a]*", ["b/", "x [1].csv", ".h/"]),
        (r"/x \[1].csv".replace("1]", r"1\]"), ["x [1].csv"]),
        ("/x [[]1[]-]x]*".replace("[]-]x]", r"[\]]"), ["x [1].csv"]),
        ("/{a,z}.{csv,json}", ["a.csv", "a.json"]),
        ("/{b/c,.h}/*", ["b/c/d.json", ".h/i"]),
        ("/b/c{,.{csv,d/*}}", ["b/c.csv", "b/c/", "b/c.d/e.csv"]),
        ("/{b,b/c/*}", ["b/"]),
        ("/{b/c/*,b/c,b}", ["b/"]),
        ("/{*.csv,**/*.json}", ["a.csv", "a.json", "b/c/d.json", "x [1].csv"]),
        ("/A*", []),
    ],
)
def test_glob_finds(glob: str, paths: list[str]) -> None:
    assert sorted(found(glob)) == sorted(paths)


@settings(max_examples=400, deadline=None)
@given(nodes=oracle.globs, keys=oracle.keys)
def test_glob_finds_what_trying_everything_finds(nodes: oracle.Word, keys: list[str]) -> None:
    text = oracle.text_of(nodes)
    try:
        compile_glob(text)
    except ValueError:
        assume(False)  # noqa: FBT003 (hypothesis has no other)

    assert found(text, keys) == oracle.found(nodes, keys), text


@pytest.mark.parametrize(
    ("glob", "at", "problem"),
    [
        ("*", 1, "begins with `/`"),
        ("", 1, "begins with `/`"),
        ("//", 2, "between two slashes"),
        ("/a//b", 4, "between two slashes"),
        ("/{,a}/b", 6, "between two slashes"),
        ("/a/../b", 4, "'..'"),
        ("/.", 2, "'.'"),
        ("/a[bc", 3, "is not closed"),
        ("/[", 2, "is not closed"),
        ("/[a-", 2, "is not closed"),
        ("/[]", 2, "without characters"),
        ("/[!]", 2, "without characters"),
        ("/[z-a]", 3, "wrong way round"),
        ("/[a/b]", 4, "no name has a `/`"),
        ("/[!--/]", 6, "no name has a `/`"),
        ("/[x[:alpha:]]", 4, "named classes"),
        ("/a]", 3, "closes nothing"),
        ("/a}", 3, "closes nothing"),
        ("/{a,b", 2, "is not closed"),
        ("/{a,{b}", 2, "is not closed"),
        ("/x{a,{b", 6, "is not closed"),
        ("/a\\", 3, "nothing follows"),
        ("/[\\", 3, "nothing follows"),
        ("/a\\/b", 3, "no name has a `/`"),
        ("/**/", 4, "at the end directories"),
        ("/a/@(b|c)", 4, "`@(`"),
        ("/*(1).csv", 2, "`*(`"),
        ("/" + "{" * 11, 12, "nested more than 10"),
    ],
)
def test_wrong_glob_is_refused_with_the_place(glob: str, at: int, problem: str) -> None:
    with pytest.raises(ValueError, match=re.escape(problem)) as caught:
        compile_glob(glob)

    assert str(caught.value).startswith(f"character {at}: ")


@pytest.mark.parametrize(
    "glob",
    [
        "/" + "{a,b}" * 10,
        "/" + "{a,b,c,d}" * 60,
        "/a" + "**a" * 10,
        "/a" + "**a" * 99,
        f"/{'x' * MAX_LENGTH}",
    ],
)
def test_glob_that_would_take_too_long_is_refused(glob: str) -> None:
    with pytest.raises(ValueError, match=r"more than 1,000 paths|longer than"):
        compile_glob(glob)


def test_glob_may_stand_for_many_paths() -> None:
    glob = "/{" + ",".join(f"{number:03}" for number in range(MAX_PATHS)) + "}"

    assert found(glob, ["007", "1000", "999/x"]) == ["007", "999/"]


@pytest.mark.parametrize(
    "glob", ["/" + "*a" * 30 + "b", "/" + "**/a*/" * 30 + "b", "/**" + "/*a" * 30 + "b"]
)
def test_stars_are_no_way_to_keep_a_server_busy(glob: str) -> None:
    compiled = compile_glob(glob)

    assert compiled.depth_in(["a" * 1000]) is None
    assert compiled.depth_in(["a"] * 500) is None


@pytest.mark.parametrize(
    ("glob", "prefixes"),
    [
        ("/", [""]),
        ("/*", [""]),
        ("/a*", ["a"]),
        ("/a/b?c/d", ["a/b"]),
        ("/a/b", ["a/b"]),
        ("/a/**", ["a/"]),
        ("/a/b**", ["a/b"]),
        ("/logs/2024-{01,02}/*", ["logs/2024-01/", "logs/2024-02/"]),
        ("/{ab,a,b/c}", ["a", "b/c"]),
        ("/{x,**}", [""]),
        ("/a\\*[b]", ["a*"]),
    ],
)
def test_only_what_begins_as_the_glob_does_need_be_listed(glob: str, prefixes: list[str]) -> None:
    assert compile_glob(glob).prefixes == prefixes
