"""One object from any store to a local file: in one answer or in parts, and never damaged.

For the stores, which open the answers; knows none of them.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Protocol, TypeVar

from falconeri.errors import TransferFailed
from falconeri.storage.atomic import local_errors, no_room, replacing
from falconeri.storage.checksums import Digest, Expected
from falconeri.storage.parts import Part, opened, split, write_at
from falconeri.storage.pool import PART_THREADS, PARTS
from falconeri.storage.wanted import go_on

T = TypeVar("T")

TRIES = 5
"""How often a content is moved that is damaged on its way."""

_CHUNK_BYTES = 1 << 18


class Damaged(TransferFailed):
    """A content was damaged, or broke off, on its way: it may arrive when it is moved again."""


@dataclass(frozen=True, slots=True)
class Answer:
    """An object, or a part of it, that is being read.

    Args:
        size_bytes: Of the whole object.
        expected: What the store says of the whole object.
        version: What to ask for, so that all parts are of one version.
        read: Reads so many bytes at most, or nothing at the end.
    """

    size_bytes: int
    expected: Expected
    version: str
    read: Callable[[int], bytes]


class Source(Protocol):
    """An object of a store."""

    @property
    def name(self) -> str:
        """Its URI and where it was looked for, as messages say it."""
        ...

    def open(
        self, part: Part | None = None, version: str | None = None
    ) -> AbstractContextManager[Answer]:
        """Ask for the object, or for a part of the version.

        What fails in the block as well is raised as an error of ours.

        Raises:
            Damaged: It breaks off.
            StorageError: See `Storage`.
        """
        ...


def fetch(source: Source, path: Path, *, part_bytes: int) -> int:
    """Fetch an object to `path`; of more than two parts, in parts. Returns its size.

    Raises:
        TransferFailed: It was damaged at each try, it changed, or it can't be written.
        StorageError: See `Storage`.
    """
    md5s: set[str] = set()
    with local_errors(path), replacing(path) as temporary:
        return again(partial(_fetch, source, temporary, part_bytes, md5s))


def again(move: Callable[[], T]) -> T:
    """Move something, several times if it is damaged.

    Raises:
        TransferFailed: It was damaged each time.
    """
    failures = 0
    while True:
        try:
            return move()
        except Damaged as ex:
            failures += 1
            if failures == TRIES:
                detail = f"{ex.detail} ({failures} times)"
                raise TransferFailed(ex.message, detail=detail, hint=ex.hint) from ex


def require_room(directory: Path, size_bytes: int, name: str) -> None:
    """Refuse what the disk can't hold.

    Args:
        directory: There.
        name: What is so big, for the message.

    Raises:
        TransferFailed: There is less room.
    """
    free_bytes = shutil.disk_usage(directory).free
    if size_bytes > free_bytes:
        problem = f"{name} has {size_bytes:,} bytes, {directory} has room for {free_bytes:,}"
        raise no_room(problem)


def _fetch(source: Source, path: Path, part_bytes: int, md5s: set[str]) -> int:
    with source.open() as answer:
        require_room(path.parent, answer.size_bytes, source.name)
        digest = Digest(answer.expected)
        if answer.size_bytes < 2 * part_bytes:
            size_bytes = _copy(answer, path, digest)
            _check(source, answer, size_bytes, digest.crc)
            _check_md5(source, answer.expected, digest, md5s)
            return size_bytes
    crc = _fetch_parts(source, answer, path, part_bytes)
    _check(source, answer, answer.size_bytes, crc)
    return answer.size_bytes


def _copy(answer: Answer, path: Path, digest: Digest) -> int:
    size_bytes = 0
    with path.open("wb", buffering=0) as file:
        while data := answer.read(_CHUNK_BYTES):
            go_on()
            file.write(data)
            digest.update(data)
            size_bytes += len(data)
    return size_bytes


def _fetch_parts(source: Source, answer: Answer, path: Path, part_bytes: int) -> int:
    """Fetch all parts into the file; return the CRC of all, if one is expected."""
    parts = split(answer.size_bytes, part_bytes)
    crcs: dict[int, int] = {}
    with opened(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC) as descriptor:
        os.truncate(descriptor, answer.size_bytes)

        def move(part: Part) -> None:
            fetch_it = partial(_fetch_part, source, answer, part, descriptor)
            crcs[part.number] = again(fetch_it)

        moves = (partial(move, part) for part in parts)
        for _ in PARTS.run_all(moves, ahead=PART_THREADS):
            pass
    whole = 0
    if answer.expected.crc:
        for part in parts:
            whole = answer.expected.crc.combine(whole, crcs[part.number], part.size_bytes)
    return whole


def _fetch_part(source: Source, whole: Answer, part: Part, descriptor: int) -> int:
    """Fetch one part to its place; return its CRC."""
    digest = Digest(Expected(whole.expected.crc))
    size_bytes = 0
    with source.open(part, whole.version) as answer:
        while size_bytes <= part.size_bytes and (data := answer.read(_CHUNK_BYTES)):
            go_on()
            size_bytes += len(data)
            if size_bytes <= part.size_bytes:  # else it isn't this part
                write_at(descriptor, data, part.offset + size_bytes - len(data))
                digest.update(data)
    if size_bytes != part.size_bytes:
        problem = f"{source.name}: {size_bytes} of {part.size_bytes} bytes at {part.offset}"
        raise Damaged("the transfer broke off", detail=problem)
    return digest.crc


def _check(source: Source, answer: Answer, size_bytes: int, crc: int) -> None:
    if size_bytes != answer.size_bytes:
        problem = f"{source.name}: {size_bytes} of {answer.size_bytes} bytes"
        raise Damaged("the transfer broke off", detail=problem)
    expected = answer.expected
    if expected.crc and crc != expected.value:
        problem = f"{source.name}: {expected.crc.name} {crc:08x} and not {expected.value:08x}"
        raise Damaged("the content was changed on its way", detail=problem)


def _check_md5(source: Source, expected: Expected, digest: Digest, seen: set[str]) -> None:
    """Refuse a content that hasn't the MD5, unless it was seen before: then it was none."""
    md5 = digest.md5
    if md5 is None or md5 == expected.md5 or md5 in seen:
        return
    seen.add(md5)
    problem = f"{source.name}: MD5 {md5}, and the ETag {expected.md5}"
    raise Damaged("the content was changed on its way", detail=problem)
