"""The local cluster's secrets: `secrets/<name>/<key>` in the state directory, one file a key.

Called by `local` and `pods`. Values are never logged.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path

from falconeri.errors import SecretNotFound


def read_secret(secrets: Path, name: str) -> Mapping[str, str]:
    """The keys and values of a secret. One newline at a value's end is not part of it.

    Bytes that aren't UTF-8 become lone surrogates, as in `os.environ`.

    Raises:
        SecretNotFound: `secrets` has no such directory.
    """
    return {
        path.name: path.read_bytes().removesuffix(b"\n").decode("utf-8", "surrogateescape")
        for path in _keys(secrets, name)
    }


def copy_secret(secrets: Path, name: str, target: Path) -> None:
    """Make `target` a directory with the secret's keys as files, readable by the owner alone.

    Raises:
        SecretNotFound: As `read_secret`.
    """
    paths = _keys(secrets, name)
    target.mkdir(mode=0o700)
    for path in paths:
        shutil.copyfile(path, target / path.name)
        (target / path.name).chmod(0o400)


def _keys(secrets: Path, name: str) -> list[Path]:
    folder = secrets / name
    try:
        known = folder.parent == secrets and name not in {"", ".", ".."} and folder.is_dir()
    except OSError:  # no file can have such a name
        known = False
    if not known:
        raise SecretNotFound(
            detail=name,
            hint=f"a secret is a directory in {secrets} with a file for each key",
        )
    return sorted(path for path in folder.iterdir() if path.is_file())
