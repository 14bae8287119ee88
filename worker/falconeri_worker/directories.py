"""The directories of a datum: what its command sees, and where its files are before and after.

The command sees `/pfs`, with its inputs and `out`, and `/scratch`. Where one datum follows the
other, both are emptied in between. Where a datum's inputs are fetched while another's command runs,
they are put aside, and moved to `/pfs` by renaming when it is their turn; afterwards `out` goes
aside, to be uploaded while the next command runs.

A file can only be renamed within one mount, and `/pfs` is often one of its own. So there has to be
another way to it: `space`, a directory with `pfs` and `scratch` in it, which are mounted at `/pfs`
and `/scratch`, too. Called by `datum`. The top directories stay: they are mount points.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path, PurePosixPath

from falconeri.errors import InvalidArgument, InvalidInput

WIRE_PFS = PurePosixPath("/pfs")
"""What falconerid calls the directory, wherever it is here."""

OUT = "out"


class Directories:
    """Those of one worker.

    Args:
        pfs: What the command sees as `/pfs`.
        scratch: What it sees as `/scratch`.
        space: Holds both, as `pfs` and `scratch`, and room beside them; None: there is none.
    """

    def __init__(self, pfs: Path, scratch: Path, space: Path | None) -> None:
        self.pfs = pfs
        self.scratch = scratch
        self._space = space

    def check_space(self) -> None:
        """See whether files can be put aside, for several lanes.

        Raises:
            InvalidArgument: No; `detail` says why.
        """
        if self._space is None:
            raise InvalidArgument(detail="FALCONERI_SPACE is not set")
        try:
            for name, seen in (("pfs", self.pfs), ("scratch", self.scratch)):
                if not (self._space / name).samefile(seen):
                    raise InvalidArgument(
                        detail=f"FALCONERI_SPACE: {self._space / name} is not {seen}"
                    )
            (probe := self._aside(0)).mkdir(exist_ok=True)
            probe.rename(there := self._space / "pfs" / probe.name)
            there.rename(probe)
        except OSError as ex:
            raise InvalidArgument(detail=f"FALCONERI_SPACE: {ex}") from ex

    def alone(self) -> Place:
        """Return the place of a lane that has no other beside it."""
        return Place(self.pfs, self.pfs, self.scratch)

    def lane(self, slot: int) -> Place:
        """Return the place of one of several lanes; after `check_space`."""
        if self._space is None:
            raise RuntimeError("several lanes need space")
        aside = self._aside(slot)
        aside.mkdir(exist_ok=True)
        return Place(self._space / "pfs", aside, self._space / "scratch")

    def _aside(self, slot: int) -> Path:
        return Path(self._space or self.pfs, f"lane-{slot}")


class Place:
    """Where the datums of a lane are, one after the other."""

    def __init__(self, pfs: Path, aside: Path, scratch: Path) -> None:
        self._pfs = pfs
        self._aside = aside
        self._scratch = scratch

    @property
    def aside(self) -> Path:
        """Where inputs go at first, and where `out` is after the command's end."""
        return self._aside

    @property
    def out(self) -> Path:
        """Where `out` is while the command runs."""
        return self._pfs / OUT

    def prepare(self) -> None:
        """Begin a datum: nothing of an earlier one is left.

        Raises:
            OSError: A directory doesn't exist, or something in it can't be removed.
        """
        empty(self._aside)
        if not self._is_alone:
            return
        empty(self._scratch)
        (self._pfs / OUT).mkdir()

    def enter(self) -> None:
        """Let the command see this datum and nothing else.

        Raises:
            OSError: Something can't be removed or renamed.
        """
        if self._is_alone:
            return
        empty(self._pfs)
        empty(self._scratch)
        _move_all(self._aside, self._pfs)
        (self._pfs / OUT).mkdir(exist_ok=True)

    def leave(self) -> None:
        """Make room for the next command.

        Raises:
            OSError: Something can't be removed or renamed.
        """
        if not self._is_alone:
            _move_all(self._pfs, self._aside)
            empty(self._scratch)

    def clear(self) -> None:
        """Empty what is this lane's alone, so that a worker without a datum needs no space.

        Raises:
            OSError: Something can't be removed.
        """
        empty(self._aside)
        if self._is_alone:
            empty(self._scratch)

    @property
    def _is_alone(self) -> bool:
        return self._aside == self._pfs


def empty(directory: Path) -> None:
    """Delete everything in a directory, also what the program has made read-only.

    Symbolic links are unlinked, never followed.

    Raises:
        OSError: It doesn't exist, or something in it can't be removed.
    """
    if not directory.is_dir():
        raise NotADirectoryError(f"the directory {directory} does not exist, but must")
    folders = [directory]
    for folder in folders:  # grows on the way: parents stand before their children
        _make_writable(folder)
        with os.scandir(folder) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    folders.append(folder / entry.name)
                else:
                    (folder / entry.name).unlink()
    for folder in reversed(folders[1:]):
        folder.rmdir()


def local_path(pfs: Path, wire_path: str) -> Path:
    """Translate a path below `/pfs`, as falconerid says it, to where that is here.

    Raises:
        InvalidInput: It isn't below `/pfs/<repo>`, or `<repo>` is `out`.
    """
    parts = PurePosixPath(wire_path).parts
    repo_at = len(WIRE_PFS.parts)
    below = parts[repo_at:]
    if parts[:repo_at] != WIRE_PFS.parts or not below or ".." in below or below[0] == OUT:
        raise InvalidInput("an input's path is not in its repository", detail=repr(wire_path))
    return pfs.joinpath(*below)


def _move_all(source: Path, target: Path) -> None:
    _make_writable(source)
    for path in list(source.iterdir()):
        if path.is_dir() and not path.is_symlink():
            _make_writable(path)  # its `..` changes
        path.rename(target / path.name)


def _make_writable(folder: Path) -> None:
    if not os.access(folder, os.R_OK | os.W_OK | os.X_OK):
        folder.chmod(stat.S_IMODE(folder.stat().st_mode) | stat.S_IRWXU)
