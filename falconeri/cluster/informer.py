"""A copy of some of a cluster's objects, kept up to date by a watch in a thread of its own.

It lists, watches from there, goes on where a watch ended, and lists again when the past is
forgotten (410) or too much went wrong. Called by `kubernetes`, once for jobs and once for pods.
"""

from __future__ import annotations

import random
import threading
from collections.abc import Callable

from falconeri.errors import FalconeriError
from falconeri.kube.api import KubeApi
from falconeri.kube.objects import Object
from falconeri.kube.refusals import Expired
from falconeri.kube.watching import Watching
from falconeri.log import get_logger

_log = get_logger(__name__)

_CAP_S = 15.0
_SYNC_S = 5.0

OnChange = Callable[[Object | None, Object | None], None]
"""Told of each change, by the informer's thread: the object before, and after it."""


class Informer:
    """The objects of one kind that have a label.

    Args:
        on_change: Must return soon. A list after a pause is told as the changes that it amounts to.
    """

    def __init__(self, api: KubeApi, kind: str, *, labels: str, on_change: OnChange) -> None:
        self._api = api
        self._kind = kind
        self._labels = labels
        self._on_change = on_change
        self._lock = threading.Lock()
        self._objects: dict[str, Object] = {}
        self._version = ""
        self._is_current = threading.Event()
        self._stopping = threading.Event()
        self._watching: Watching | None = None
        self._thread = threading.Thread(target=self._run, name=f"watch {kind}", daemon=True)

    def start(self) -> None:
        """Begin to watch. Returns at once."""
        self._thread.start()

    def stop(self) -> None:
        """End, soon."""
        self._stopping.set()
        if (watching := self._watching) is not None:
            watching.end()
        if self._thread.ident is not None:
            self._thread.join(timeout=5)

    def await_current(self) -> bool:
        """Wait a little for the copy to be up to date; say whether it is."""
        return self._is_current.wait(_SYNC_S)

    def objects(self) -> list[Object]:
        """The objects, which nobody may change."""
        with self._lock:
            return list(self._objects.values())

    def note(self, obj: Object) -> None:
        """Take over what a write of our own has answered, before the watch tells it."""
        self._put(obj)

    def forget(self, obj: Object) -> None:
        """Take over that a call of our own has deleted an object."""
        self._drop(obj)

    def _run(self) -> None:
        failures = 0
        while not self._stopping.is_set():
            try:
                if not self._version:
                    self._list()
                self._follow()
                failures = 0
            except Expired:
                self._version = ""
                _log.info("watch_expired", kind=self._kind)
            except FalconeriError as ex:
                failures += 1
                self._is_current.clear()
                pause_s = min(_CAP_S, 0.1 * 2**failures) * random.uniform(0.5, 1.0)  # noqa: S311 - to spread load
                _log.warning("watch_failed", kind=self._kind, error=str(ex), pause_s=pause_s)
                self._stopping.wait(pause_s)
            except Exception:  # noqa: BLE001 - see below
                # Whatever it was, a fresh list is a way out; without a watch nothing would be seen.
                failures += 1
                self._version = ""
                self._is_current.clear()
                _log.exception("watch_failed", kind=self._kind)
                self._stopping.wait(min(_CAP_S, 0.1 * 2**failures))

    def _list(self) -> None:
        objects, version = self._api.snapshot(self._kind, labels=self._labels)
        present = {obj["metadata"]["uid"]: obj for obj in objects}
        with self._lock:
            gone = [obj for obj in self._objects.values() if _uid(obj) not in present]
        for obj in gone:
            self._drop(obj)
        for obj in objects:
            self._put(obj)
        self._version = version

    def _follow(self) -> None:
        self._watching = self._api.watch(self._kind, labels=self._labels, version=self._version)
        if self._stopping.is_set():
            self._watching.end()
        self._is_current.set()
        try:
            for type_, obj in self._watching:
                if type_ == "DELETED":
                    self._drop(obj)
                elif type_ != "BOOKMARK":
                    self._put(obj)
                self._version = obj["metadata"]["resourceVersion"]
        finally:
            self._watching = None

    def _put(self, obj: Object) -> None:
        with self._lock:
            before = self._objects.get(_uid(obj))
            if before is not None and _version(before) >= _version(obj):
                return  # older news than our own
            self._objects[_uid(obj)] = obj
        self._on_change(before, obj)

    def _drop(self, obj: Object) -> None:
        with self._lock:
            before = self._objects.pop(_uid(obj), None)
        if before is not None:
            self._on_change(before, None)


def _uid(obj: Object) -> str:
    return obj["metadata"]["uid"]


def _version(obj: Object) -> int:
    return int(obj["metadata"]["resourceVersion"])
