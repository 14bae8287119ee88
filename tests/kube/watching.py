"""Lists in pages, and watches. Called by `front`."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Callable, Iterator

from tests.kube.kinds import Kind
from tests.kube.refusals import Json, bad_request, expired
from tests.kube.selectors import Matches, parse_fields, parse_labels
from tests.kube.store import Change, Store

Query = dict[str, str]


def selection(kind: Kind, query: Query) -> Matches:
    """What a query's selectors select."""
    labels = parse_labels(query.get("labelSelector", ""))
    fields = parse_fields(kind.name, query.get("fieldSelector", ""))
    return lambda obj: labels(obj) and fields(obj)


def list_page(store: Store, kind: Kind, namespace: str, query: Query) -> Json:
    """A list, or as much of it as `limit` allows.

    Raises:
        Refused: 400; 410 for a page of a list that is forgotten.
    """
    matches = selection(kind, query)
    with store.changed:
        after, version = _continued(store, query.get("continue", ""))
        items = [obj for obj in store.list(kind.name, namespace, matches) if _place(obj) > after]
        limit = int(query.get("limit") or 0)
        metadata: Json = {"resourceVersion": str(version or store.version)}
        if limit and len(items) > limit:
            token = {"after": _place(items[limit - 1]), "version": version or store.version}
            metadata["continue"] = base64.urlsafe_b64encode(json.dumps(token).encode()).decode()
            if not query.get("labelSelector") and not query.get("fieldSelector"):
                metadata["remainingItemCount"] = len(items) - limit
            items = items[:limit]
    return {
        "kind": f"{kind.name}List",
        "apiVersion": kind.version,
        "metadata": metadata,
        "items": [{k: v for k, v in i.items() if k not in {"kind", "apiVersion"}} for i in items],
    }


def _place(obj: Json) -> list[str]:
    return [obj["metadata"].get("namespace", ""), obj["metadata"]["name"]]


def _continued(store: Store, token: str) -> tuple[list[str], int]:
    if not token:
        return [], 0
    try:
        said = json.loads(base64.urlsafe_b64decode(token))
    except ValueError as ex:
        raise bad_request("continue key is not valid") from ex
    if said["version"] < store.floor:
        raise expired("The provided continue parameter is too old")
    return said["after"], said["version"]


def watch(
    store: Store,
    kind: Kind,
    namespace: str,
    query: Query,
    *,
    bookmark_s: float,
    closing: Callable[[], bool],
) -> Iterator[Json | None]:
    """The events of a watch; None now and then, when nothing happens.

    Raises:
        Refused: 400.
    """
    matches = selection(kind, query)
    asked = query.get("resourceVersion", "")
    if asked and not asked.isdigit():
        raise bad_request(f'strconv.ParseUint: parsing "{asked}": invalid syntax')
    return _events(
        store,
        kind,
        lambda obj: namespace in {"", obj["metadata"].get("namespace", "")} and matches(obj),
        version=int(asked or 0),
        end=time.monotonic() + float(query.get("timeoutSeconds") or 1800),
        bookmark_s=bookmark_s if query.get("allowWatchBookmarks") in {"true", "1"} else None,
        closing=closing,
    )


def _events(
    store: Store,
    kind: Kind,
    matches: Matches,
    *,
    version: int,
    end: float,
    bookmark_s: float | None,
    closing: Callable[[], bool],
) -> Iterator[Json | None]:
    with store.changed:
        too_old = version and version < store.floor
        message = f"too old resource version: {version} ({store.floor})"
        present = [] if version else store.list(kind.name, "", matches)
        version = version or store.version
    if too_old:
        yield {"type": "ERROR", "object": expired(message).status()}
        return
    yield from ({"type": "ADDED", "object": obj} for obj in present)
    told = time.monotonic()
    while time.monotonic() < end and not closing():
        with store.changed:
            if version < store.floor:
                return  # it must ask again, and is told that it is too late
            if store.version <= version:
                store.changed.wait(min(0.1, max(0.0, end - time.monotonic())))
            news = _newer(store.log, version)
            version = max(version, store.version)
        for change in news:
            if change.kind == kind.name and (event := _event(change, matches)):
                yield event
        if bookmark_s is not None and time.monotonic() - told > bookmark_s:
            yield _bookmark(kind, version)
            told = time.monotonic()
        yield None
    if bookmark_s is not None and not closing():
        yield _bookmark(kind, version)


def _newer(log: list[Change], version: int) -> list[Change]:
    newer: list[Change] = []
    for change in reversed(log):
        if change.version <= version:
            break
        newer.append(change)
    newer.reverse()
    return newer


def _event(change: Change, matches: Matches) -> Json | None:
    """What a change means to somebody who sees only a selection."""
    is_in = change.type != "DELETED" and matches(change.object)
    was_in = change.previous is not None and matches(change.previous)
    if not is_in and not was_in:
        return None
    type_ = "DELETED" if not is_in else "MODIFIED" if was_in else "ADDED"
    return {"type": type_, "object": change.object}


def _bookmark(kind: Kind, version: int) -> Json:
    metadata = {"resourceVersion": str(version), "creationTimestamp": None}
    obj = {"kind": kind.name, "apiVersion": kind.version, "metadata": metadata}
    return {"type": "BOOKMARK", "object": obj}
