"""The stores that a worker uses, opened once per scheme and kept, with their connections.

Called by `datum` and `outputs`.
"""

from __future__ import annotations

import threading
from collections.abc import Callable

from falconeri.storage import Credentials, Storage, open_storage


class Stores:
    """Opens stores with the credentials of this process's environment. Safe for many threads."""

    def __init__(self, open_: Callable[[str, Credentials], Storage] = open_storage) -> None:
        self._open = open_
        self._credentials = Credentials.from_environment()
        self._lock = threading.Lock()
        self._by_scheme: dict[str, Storage] = {}

    def of(self, uri: str) -> Storage:
        """Return the store of a URI.

        Raises:
            InvalidInput: Not a URI, or of an unknown kind.
            StorageError: The credentials' settings can't be used.
        """
        scheme = uri.partition(":")[0]
        with self._lock:
            if scheme not in self._by_scheme:
                self._by_scheme[scheme] = self._open(uri, self._credentials)
            return self._by_scheme[scheme]
