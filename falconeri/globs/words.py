"""Reading a glob: its characters become words, one for each way to take all of its braces.

Called by `compile_glob`.
"""

from __future__ import annotations

import re
from enum import Enum, auto
from typing import NamedTuple

MAX_PATHS = 1000
"""Paths that a glob may stand for when its braces are multiplied out."""

MAX_NESTED = 10
"""Braces inside each other."""


class Kind(Enum):
    """What a token may be."""

    CHARACTER = auto()
    """One that means itself."""
    CLASS = auto()
    """One of several; `?` is one of all."""
    STAR = auto()
    STARS = auto()
    SLASH = auto()


class Token(NamedTuple):
    """A part of a glob, and where it is."""

    kind: Kind
    text: str
    """The character, or the regular expression of a class."""
    at: int


Word = list[Token]
"""One of the ways to take every brace of a glob."""

_ITSELF = "the character itself is `\\{}`"


class Reader:
    """Goes through a glob once, from left to right."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._open: list[int] = []
        """Where the braces are that aren't closed yet."""

    def words(self) -> list[Word]:
        """Read all of it."""
        words = self._sequence()
        if self._at < len(self._text):
            raise glob_error(self._at, "this `}` closes nothing; " + _ITSELF.format("}"))
        return words

    def _sequence(self) -> list[Word]:
        """Read up to the end, or to what ends an alternative of the innermost brace."""
        words: list[Word] = [[]]
        while self._at < len(self._text):
            character = self._text[self._at]
            if character == "}" or (character == "," and self._open):
                break
            if character == "{":
                words = self._combined(words, self._braces())
            else:
                token = self._token()
                for word in words:
                    word.append(token)
        return words

    def _combined(self, words: list[Word], endings: list[Word]) -> list[Word]:
        require_few(len(words) * len(endings))
        return [word + ending for word in words for ending in endings]

    def _braces(self) -> list[Word]:
        self._open.append(self._at)
        if len(self._open) > MAX_NESTED:
            raise glob_error(self._at, f"braces nested more than {MAX_NESTED} levels deep")
        words: list[Word] = []
        while not words or self._text[self._at] == ",":
            self._at += 1
            words += self._sequence()
            require_few(len(words))
            if self._at == len(self._text):
                raise glob_error(self._open[-1], "this `{` is not closed; " + _ITSELF.format("{"))
        self._open.pop()
        self._at += 1
        return words

    def _token(self) -> Token:
        at, character = self._at, self._text[self._at]
        if character in "@!+?*" and self._ahead(1) == "(":
            problem = (
                f"`{character}(` begins a pattern that is not known here (are braces enough?); "
            )
            raise glob_error(at, problem + _ITSELF.format("("))
        if character == "*":
            return self._stars()
        if character == "[":
            return self._class()
        if character == "]":
            raise glob_error(at, "this `]` closes nothing; " + _ITSELF.format("]"))
        if character == "/":
            self._at += 1
            return Token(Kind.SLASH, "/", at)
        if character == "?":
            self._at += 1
            return Token(Kind.CLASS, ".", at)
        return Token(Kind.CHARACTER, self._character(), at)

    def _stars(self) -> Token:
        at = self._at
        self._at += len(self._text) - at - len(self._text[at:].lstrip("*"))
        return Token(Kind.STAR if self._at == at + 1 else Kind.STARS, "", at)

    def _character(self) -> str:
        """Read a character that means itself, perhaps because of a backslash before it."""
        at = self._at
        if self._text[at] == "\\":
            at += 1
            if at == len(self._text):
                raise glob_error(self._at, "nothing follows this `\\`")
            if self._text[at] == "/":
                raise glob_error(self._at, "no name has a `/` in it")
        self._at = at + 1
        return self._text[at]

    def _class(self) -> Token:
        start = self._at
        negated = self._ahead(1) in {"!", "^"}
        self._at += 1 + negated
        ranges: list[str] = []
        while True:
            if self._at >= len(self._text):
                raise glob_error(start, "this `[` is not closed; " + _ITSELF.format("["))
            if self._text[self._at] == "]":
                break
            ranges.append(self._range())
        if not ranges:
            raise glob_error(start, "a class without characters")
        self._at += 1
        return Token(Kind.CLASS, f"[{'^' * negated}{''.join(ranges)}]", start)

    def _range(self) -> str:
        """Read a character of a class, or two with a `-` between them."""
        at = self._at
        if self._ahead() == "[" and self._ahead(1) == ":":
            raise glob_error(at, "named classes are not known here; write ranges such as `a-zA-Z`")
        first = self._member()
        if self._ahead() != "-" or self._ahead(1) in {"", "]"}:
            return re.escape(first)
        self._at += 1
        last = self._member()
        if last < first:
            raise glob_error(at, f"the range {first}-{last} is the wrong way round")
        return f"{re.escape(first)}-{re.escape(last)}"

    def _member(self) -> str:
        if self._ahead() == "/":
            raise glob_error(self._at, "no name has a `/` in it")
        return self._character()

    def _ahead(self, count: int = 0) -> str:
        """The next character, or the one so many behind it; nothing behind the end."""
        return self._text[self._at + count : self._at + count + 1]


def glob_error(at: int, problem: str) -> ValueError:
    """Say what is wrong with which character."""
    return ValueError(f"character {at + 1}: {problem}")


def require_few(paths: int) -> None:
    """Refuse a glob that would take too much time and memory."""
    if paths > MAX_PATHS:
        raise ValueError(f"it stands for more than {MAX_PATHS:,} paths")
