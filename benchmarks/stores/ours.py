"""One transfer as a worker makes it, in a process of its own: `python -m … WHAT URI PATH`.

Called by `measure`.
"""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path

from falconeri.storage import Credentials, open_storage
from falconeri.storage.pool import FILE_THREADS
from falconeri_worker.stopping import Stop
from falconeri_worker.transfers import run_all


def main(what: str, uri: str, name: str) -> None:
    """Move a file, or (the URI ends with `/`) a directory of files."""
    storage = open_storage(uri, Credentials.from_environment())
    path = Path(name)
    if what == "down":
        storage.download(uri, path)
    elif uri.endswith("/"):
        uploads = [partial(storage.upload, file, f"{uri}{file.name}") for file in path.iterdir()]
        run_all(uploads, threads=FILE_THREADS, lost=Stop(), leaving=Stop())
    else:
        storage.upload(path, uri)


if __name__ == "__main__":
    main(*sys.argv[1:])
