"""How the benchmark talks with its programs: a line of JSON each way, by stdin and stdout."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from typing import IO, TypeVar, cast

import msgspec

T = TypeVar("T")


class ProgramFailed(Exception):
    """A program of the benchmark has ended; what it said is on stderr."""


class Program:
    """A program that answers each line by a line."""

    def __init__(self, module: str, process: subprocess.Popen[bytes]) -> None:
        self._module = module
        self._process = process
        self._to = cast("IO[bytes]", process.stdin)
        self._from = cast("IO[bytes]", process.stdout)

    @property
    def pid(self) -> int:
        """Its process."""
        return self._process.pid

    def tell(self, message: object) -> None:
        """Send a line."""
        self._to.write(msgspec.json.encode(message) + b"\n")
        self._to.flush()

    def hear(self, answer: type[T]) -> T:
        """Wait for its next line.

        Raises:
            ProgramFailed: It has ended instead.
        """
        line = self._from.readline()
        if not line:
            raise ProgramFailed(f"{self._module} has ended, exit status {self._process.wait()}")
        return msgspec.json.decode(line, type=answer)


@contextmanager
def running(module: str, settings: object) -> Generator[Program]:
    """Start a module of this package as a program; its settings are its first line."""
    with subprocess.Popen(
        [sys.executable, "-P", "-m", f"{__package__}.{module}"],
        env=os.environ,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as process:
        try:
            program = Program(module, process)
            program.tell(settings)
            yield program
        finally:
            process.kill()


def hear(message: type[T]) -> T:
    """Within a program: the next line that it is told."""
    return msgspec.json.decode(sys.stdin.buffer.readline(), type=message)


def heard(message: type[T]) -> Iterator[T]:
    """Within a program: all that it is told until nobody is there any more."""
    for line in sys.stdin.buffer:
        yield msgspec.json.decode(line, type=message)


def say(answer: object) -> None:
    """Within a program: answer."""
    sys.stdout.buffer.write(msgspec.json.encode(answer) + b"\n")
    sys.stdout.buffer.flush()
