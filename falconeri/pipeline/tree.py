"""The files of one datum must be able to lie in one tree.

A store may have both a key `a` and a key `a/b`; a directory of a machine can't. Called for what
comes into a datum together.
"""

from __future__ import annotations

from falconeri.errors import InvalidInput


class Tree:
    """Takes files and directories in the order of their keys, and remembers next to nothing."""

    def __init__(self) -> None:
        self._above: list[str] = []
        """Names of which each begins the next one, and the last is the latest."""

    def add(self, uri: str) -> None:
        """Take the next one.

        Raises:
            InvalidInput: It lies in a directory whose name is that of a file before it.
        """
        while self._above and not uri.startswith(self._above[-1]):
            self._above.pop()
        if self._above and uri[len(self._above[-1])] == "/":
            raise InvalidInput(
                "two keys of one datum can't both be local files",
                detail=f"{self._above[-1]!r} and {uri!r}",
                hint="the first would have to be a file and a directory",
            )
        self._above.append(uri)
