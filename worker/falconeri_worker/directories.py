"""The two directories of a datum: emptied before it, so that nothing of another datum is seen.

Called by `datum`. Their top directories are mount points: they stay.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path, PurePosixPath

from falconeri.errors import InvalidInput

WIRE_PFS = PurePosixPath("/pfs")
"""What falconerid calls the directory, wherever it is here."""


def reset(pfs: Path, scratch: Path) -> Path:
    """Empty both directories and make `out`.

    Returns:
        The directory for outputs.

    Raises:
        OSError: One doesn't exist, or something in it can't be removed.
    """
    empty(pfs)
    empty(scratch)
    out = pfs / "out"
    out.mkdir()
    return out


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
    if parts[:repo_at] != WIRE_PFS.parts or not below or ".." in below or below[0] == "out":
        raise InvalidInput("an input's path is not in its repository", detail=repr(wire_path))
    return pfs.joinpath(*below)


def _make_writable(folder: Path) -> None:
    if not os.access(folder, os.R_OK | os.W_OK | os.X_OK):
        folder.chmod(stat.S_IMODE(folder.stat().st_mode) | stat.S_IRWXU)
