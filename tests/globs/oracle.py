"""Globs as trees, and what they find, worked out by trying everything.

Independent of the code under test: nothing here reads a glob's text or makes a regular expression.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import product
from typing import NamedTuple

from hypothesis import strategies as st


class Literal(NamedTuple):
    character: str


class OneOf(NamedTuple):
    characters: str
    negated: bool


class Anything(NamedTuple):
    """`?`, `*` or `**`."""

    text: str


class Braces(NamedTuple):
    alternatives: list[list[Node]]


Node = Literal | OneOf | Anything | Braces
Word = list[Node]

SLASH = Literal("/")
STARS = Anything("**")
_NAMES = "ab.-"


def text_of(nodes: Sequence[Node]) -> str:
    """How the glob is written."""
    return "".join(map(_text, nodes))


def _text(node: Node) -> str:
    match node:
        case Literal(character):
            return f"\\{character}" if character in "*?[]{},\\" else character
        case OneOf(characters, negated):
            # A hyphen is itself at the end of a class.
            return f"[{'!' * negated}{''.join(sorted(characters, key='-'.__eq__))}]"
        case Anything(text):
            return text
        case Braces(alternatives):
            return "{" + ",".join(map(text_of, alternatives)) + "}"


def depth_in(nodes: Sequence[Node], names: Sequence[str]) -> int | None:
    """How many names of a file's path make up what the glob finds."""
    words = list(_words(nodes))
    shallow = [word for word in words if STARS not in word]
    if [SLASH] in shallow:
        return 0
    for depth in range(1, len(names)):
        path = "".join(f"/{name}" for name in names[:depth])
        if any(_fits(word[:-1] if word[-1] == SLASH else word, path) for word in shallow):
            return depth
    path = "".join(f"/{name}" for name in names)
    return len(names) if any(_fits(word, path) for word in words) else None


def found(nodes: Sequence[Node], keys: Sequence[str]) -> list[str]:
    """The files and directories (with a `/` at the end) that the glob finds among files."""
    results: dict[str, None] = {}
    for key in keys:
        names = key.split("/")
        depth = depth_in(nodes, names)
        if depth == len(names):
            results[key] = None
        elif depth is not None:
            results["".join(f"{name}/" for name in names[:depth])] = None
    return list(results)


def _words(nodes: Sequence[Node]) -> Iterator[Word]:
    """Each way to take one alternative of all braces."""
    choices: list[list[Word]] = []
    for node in nodes:
        if isinstance(node, Braces):
            choices.append([word for part in node.alternatives for word in _words(part)])
        else:
            choices.append([[node]])
    for chosen in product(*choices):
        yield [node for word in chosen for node in word]


def _fits(word: Word, path: str) -> bool:
    """Try each way to take a path apart."""
    if not word:
        return not path
    first, rest = word[0], word[1:]
    if first == SLASH and rest[:2] == [STARS, SLASH] and _fits(rest[1:], path):
        return True
    if isinstance(first, Anything) and first.text != "?":
        end = len(path) if first == STARS or "/" not in path else path.index("/")
        return any(_fits(rest, path[taken:]) for taken in range(end + 1))
    return path != "" and _takes(first, path[0]) and _fits(rest, path[1:])


def _takes(node: Node, character: str) -> bool:
    match node:
        case Literal(own):
            return character == own
        case OneOf(characters, negated):
            return character != "/" and (character in characters) != negated
        case _:
            return character != "/"


def _apart(nodes: Sequence[Node]) -> Word:
    """Leave out stars beside stars, which would be read as other ones."""
    return [
        node
        for before, node in zip([None, *nodes], nodes, strict=False)
        if not (_is_star(node) and before is not None and _is_star(before))
    ]


def _is_star(node: Node) -> bool:
    return isinstance(node, Anything) and node.text != "?"


_CHARACTERS: st.SearchStrategy[Node] = st.one_of(
    st.sampled_from([Literal(character) for character in _NAMES]),
    st.sampled_from([Anything("?"), Anything("*"), STARS, SLASH, SLASH]),
    st.builds(OneOf, st.text(_NAMES, min_size=1, max_size=2), st.booleans()),
)
_WORDS = st.recursive(
    st.lists(_CHARACTERS, max_size=4).map(_apart),
    lambda words: st.lists(
        _CHARACTERS | st.lists(words, min_size=1, max_size=3).map(Braces), max_size=5
    ).map(_apart),
    max_leaves=6,
)

globs: st.SearchStrategy[Word] = _WORDS.map(lambda word: [SLASH, *word])
"""Many aren't valid: two slashes meet, for instance."""

keys: st.SearchStrategy[list[str]] = st.lists(
    st.lists(
        st.text(_NAMES, min_size=1, max_size=3).filter(lambda name: name not in {".", ".."}),
        min_size=1,
        max_size=4,
    ).map("/".join),
    min_size=1,
    max_size=8,
    unique=True,
).map(sorted)
"""Keys of a store, in their order; a file may be where others have a directory."""
