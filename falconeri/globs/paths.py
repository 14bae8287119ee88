"""A glob's words as paths of segments, and matching them.

Called by `compile_glob`, and by what lists with a glob.
"""

from __future__ import annotations

import os.path
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import NamedTuple

from falconeri.globs.words import Kind, Token, Word, glob_error, require_few


class Segment(NamedTuple):
    """Which names there may be in one place of a path."""

    literal: str
    """What such a name begins with, or, without a pattern, the name."""
    pattern: re.Pattern[str] | None

    def takes(self, name: str) -> bool:
        """Return whether it may be this name."""
        if self.pattern is None:
            return name == self.literal
        return self.pattern.fullmatch(name) is not None


@dataclass(frozen=True, slots=True)
class GlobPath:
    """One of the paths that a glob stands for; without segments it is the directory itself."""

    segments: tuple[Segment | None, ...]
    """None: any number of directories, also none. It is never the last one."""
    finds_files: bool
    finds_directories: bool

    @property
    def prefix(self) -> str:
        """What all that it finds begins with."""
        names: list[str] = []
        for segment in self.segments:
            if segment is None:
                names.append("")
                break
            names.append(segment.literal)
            if segment.pattern is not None:
                break
        return "/".join(names)

    def fits(self, names: Sequence[str]) -> bool:
        """Return whether it is the path of these names."""
        at, taken = 0, 0
        again: tuple[int, int] | None = None
        while taken < len(names):
            segment = self.segments[at] if at < len(self.segments) else _END
            if segment is None:
                at += 1
                again = at, taken
            elif segment.takes(names[taken]):
                at, taken = at + 1, taken + 1
            elif again is None:
                return False
            else:  # one directory more for the last `**`; an earlier one could do no better
                at, taken = again[0], again[1] + 1
                again = at, taken
        return at == len(self.segments)


class Glob:
    """A compiled glob: all paths that it stands for."""

    def __init__(self, paths: Iterable[GlobPath]) -> None:
        self.paths = tuple(paths)
        self._files = [path for path in self.paths if path.finds_files]
        directories = [path for path in self.paths if path.finds_directories]
        directories.sort(key=lambda path: len(path.segments))
        self._directories = [
            (depth, list(same))
            for depth, same in groupby(directories, key=lambda path: len(path.segments))
        ]

    @property
    def is_whole(self) -> bool:
        """Whether it finds the directory itself, and so nothing else."""
        return any(not path.segments for path in self.paths)

    @property
    def is_deep(self) -> bool:
        """Whether what it finds may lie at any depth."""
        return any(None in path.segments for path in self.paths)

    @property
    def prefixes(self) -> list[str]:
        """What that which it finds begins with, in order; none is the beginning of another one."""
        kept: list[str] = []
        for prefix in sorted({path.prefix for path in self.paths}):
            if not kept or not prefix.startswith(kept[-1]):
                kept.append(prefix)
        return kept

    def below(self, prefix: str) -> Glob:
        """Keep the paths of one of its prefixes."""
        return Glob(path for path in self.paths if path.prefix.startswith(prefix))

    def depth_in(self, names: Sequence[str]) -> int | None:
        """How many names of a file's path make up what is found, or None.

        All of them: the file. Fewer: a directory that it is in, the outermost one that fits.
        """
        for depth, paths in self._directories:
            if depth < len(names) and any(path.fits(names[:depth]) for path in paths):
                return depth
        return len(names) if any(path.fits(names) for path in self._files) else None


def common_prefix(segments: Sequence[Segment | None]) -> str:
    """What the names begin with that any of these segments takes."""
    literals = [segment.literal if segment else "" for segment in segments]
    return os.path.commonprefix(literals)  # noqa: RUF071 (characters are meant)


def paths_of(word: Word) -> list[GlobPath]:
    """What one word stands for: several paths if there is a `**` within a name."""
    deep = any(token.kind is Kind.STARS for token in word)
    parts: list[Word] = [[]]
    for token in word[1:]:
        if token.kind is not Kind.SLASH:
            parts[-1].append(token)
        elif not parts[-1]:
            raise glob_error(token.at, "nothing between two slashes")
        else:
            parts.append([])
    directory = not parts[-1]
    if directory:
        parts.pop()
        if deep:
            raise glob_error(word[-1].at, "`**` finds files, a `/` at the end directories")
    if parts and [token.kind for token in parts[-1]] == [Kind.STARS]:
        parts.append([parts[-1][0]._replace(kind=Kind.STAR)])  # at the end, a file has a name
    paths: list[tuple[Segment | None, ...]] = [()]
    for part in parts:
        paths = [path + more for path in paths for more in _segments(part)]
        require_few(len(paths))
    return [GlobPath(path, finds_files=not directory, finds_directories=not deep) for path in paths]


def _segments(part: Word) -> list[tuple[Segment | None, ...]]:
    """What is between two slashes; a `**` in a name is text, or text, directories and text."""
    stars = [place for place, token in enumerate(part) if token.kind is Kind.STARS]
    if not stars:
        return [(_segment(part),)]
    if len(part) == 1:
        return [(None,)]
    require_few(2 ** len(stars))
    before, after = part[: stars[0]], part[stars[0] + 1 :]
    star = Token(Kind.STAR, "", part[stars[0]].at)
    below = [(None, *rest) for rest in _segments([star, *after])]
    if not before:
        return below
    first = _segment([*before, star])
    return [*_segments([*before, star, *after]), *((first, *rest) for rest in below)]


def _segment(part: Word) -> Segment:
    chunks = [""]
    literal = ""
    is_literal = True
    for token in part:
        is_literal = is_literal and token.kind is Kind.CHARACTER
        if is_literal:
            literal += token.text
        if token.kind is Kind.STAR:
            chunks.append("")
        else:
            text = token.text
            chunks[-1] += re.escape(text) if token.kind is Kind.CHARACTER else text
    if not is_literal:
        return Segment(literal, re.compile(_expression(chunks), re.DOTALL))
    if literal in {".", ".."}:
        raise glob_error(part[0].at, f"no key with the segment {literal!r} can be a local path")
    return Segment(literal, None)


def _expression(chunks: list[str]) -> str:
    """Join what is between stars. Where a chunk fits first is best: no need to come back to it."""
    first, *middle = chunks
    if not middle:
        return first
    last = middle.pop()
    return first + "".join(f"(?>.*?{chunk})" for chunk in middle if chunk) + f".*{last}"


_END = Segment("", re.compile(r"(?!)"))
"""Takes no name."""
