r"""The language of globs: which files and directories below a URI an input has.

A glob begins with `/`, the directory itself. Between slashes `*` is any text, `?` one character,
`[a-z]` and `[!a-z]` one of a class, `{one,two}` either of these; `\` takes the next character as it
is. `**` is any text with slashes in it, and between two slashes also nothing: `/**/*.json` finds
`/a.json`, too.

The language is Pachyderm's (whose `**` between slashes is never nothing), with two rules of shells:
`**` finds files only, as it would find both a directory and what is in it; a `/` at the end finds
directories only. Pachyderm's extended patterns, such as `@(a|b)`, and named classes are refused.

A compiled glob is a set of paths in which no braces are left, and in which each segment says for
itself which names it takes. Matching never tries all ways to match, however many stars there are.
Knows nothing of storage: specs are checked with it, and `falconeri.pipeline` lists with it.
"""

from __future__ import annotations

from falconeri.globs.paths import Glob, GlobPath, Segment, common_prefix, paths_of
from falconeri.globs.words import MAX_NESTED, MAX_PATHS, Reader, glob_error

__all__ = [
    "MAX_LENGTH",
    "MAX_NESTED",
    "MAX_PATHS",
    "Glob",
    "GlobPath",
    "Segment",
    "common_prefix",
    "compile_glob",
]

MAX_LENGTH = 4096
"""Characters of a glob."""


def compile_glob(text: str) -> Glob:
    """Read a glob.

    Raises:
        ValueError: It isn't one; the message has the place and what is wrong there.
    """
    if len(text) > MAX_LENGTH:
        raise ValueError(f"longer than {MAX_LENGTH:,} characters")
    if not text.startswith("/"):
        raise glob_error(0, "a glob begins with `/`")
    return Glob(path for word in Reader(text).words() for path in paths_of(word))
