"""One small defect planted into the SQL, and the tests that must notice it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

Change = tuple[str, str]
"""A text that occurs once in a file, and what takes its place."""


class StaleMutant(Exception):
    """The text is no longer there, or is there twice: the mutant would show nothing."""


@dataclass(frozen=True)
class Mutant:
    """A file of `sql/` with a change, and the tests to run against it."""

    file: str
    old: str
    new: str
    tests: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.file}: {_short(self.old)} -> {_short(self.new)}"

    def path(self, root: Path) -> Path:
        """The file in a checkout, or in a copy of it."""
        return root / "sql" / "functions" / f"{self.file}.sql"

    def test_files(self) -> list[str]:
        """The tests as pytest wants them, from the checkout's root."""
        return [f"tests/sql/test_{name}.py" for name in self.tests]

    def planted(self, text: str) -> str:
        """The file's text with the change.

        Raises:
            StaleMutant: The old text does not occur exactly once.
        """
        if text.count(self.old) != 1:
            raise StaleMutant(f"{self.file}.sql has this {text.count(self.old)} times: {self.old}")
        return text.replace(self.old, self.new)


def of(file: str, tests: str, *changes: Change) -> Iterator[Mutant]:
    """The mutants of one file, each to be noticed by at least one of these tests.

    Args:
        file: `<entity>/<function>`, a file of `sql/functions`.
        tests: What stands between `test_` and `.py` in their names, the likeliest first.
    """
    for old, new in changes:
        yield Mutant(file, old, new, tuple(tests.split()))


def _short(text: str) -> str:
    words = " ".join(text.split())
    return f"`{words}`" if words else "nothing"
