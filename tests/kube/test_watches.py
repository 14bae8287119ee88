"""Watches on the fake, by the official client."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from kubernetes import client
from kubernetes.watch import Watch

from tests.kube.cluster import FakeKubernetes
from tests.kube.waiting import Apis

NS = "default"


@pytest.fixture
def apis(stored_apis: Apis) -> Apis:
    return stored_apis


def put(apis: Apis, name: str, color: str = "red") -> Any:  # noqa: ANN401 - a config map
    made = {"metadata": {"name": name, "labels": {"color": color}}}
    return apis.core.create_namespaced_config_map(NS, made)


def paint(apis: Apis, name: str, color: str) -> None:
    apis.core.patch_namespaced_config_map(name, NS, {"metadata": {"labels": {"color": color}}})


def watch(apis: Apis, count: int = 0, **options: object) -> list[tuple[str, str]]:
    """The first so many events, or all until the server ends the watch."""
    watcher: Any = Watch()
    events: list[tuple[str, str]] = []
    for event in watcher.stream(apis.core.list_namespaced_config_map, NS, **options):
        name = event["raw_object"]["metadata"].get("name", "")
        events.append((event["type"], name))
        if len(events) == count:
            watcher.stop()
    return events


def test_a_watch_tells_what_has_happened_since_a_version(apis: Apis) -> None:
    put(apis, "old")
    version = apis.core.list_namespaced_config_map(NS).metadata.resource_version
    put(apis, "new")
    paint(apis, "new", "blue")
    apis.core.delete_namespaced_config_map("new", NS)

    assert watch(apis, 3, resource_version=version) == [
        ("ADDED", "new"),
        ("MODIFIED", "new"),
        ("DELETED", "new"),
    ]


def test_a_watch_tells_what_happens_while_it_lasts(apis: Apis) -> None:
    version = apis.core.list_namespaced_config_map(NS).metadata.resource_version
    events: list[tuple[str, str]] = []
    watcher = threading.Thread(
        target=lambda: events.extend(watch(apis, 2, resource_version=version)), daemon=True
    )
    watcher.start()
    put(apis, "a")
    put(apis, "b")
    watcher.join(timeout=20)
    assert events == [("ADDED", "a"), ("ADDED", "b")]


def test_a_watch_of_no_version_begins_with_what_there_is_and_ends_in_time(apis: Apis) -> None:
    put(apis, "a")
    assert watch(apis, timeout_seconds=1) == [("ADDED", "a")]


def test_what_enters_and_leaves_a_selection_is_added_and_deleted(apis: Apis) -> None:
    put(apis, "a", "blue")
    version = apis.core.list_namespaced_config_map(NS).metadata.resource_version
    put(apis, "b", "blue")
    paint(apis, "a", "red")
    paint(apis, "a", "blue")

    seen = watch(apis, 2, resource_version=version, label_selector="color=red")
    assert seen == [("ADDED", "a"), ("DELETED", "a")]


def test_bookmarks_say_how_far_a_quiet_watch_is(apis: Apis, stored: FakeKubernetes) -> None:
    put(apis, "a")
    version = apis.core.list_namespaced_config_map(NS).metadata.resource_version
    apis.core.create_namespaced_secret(NS, {"metadata": {"name": "other"}})

    watcher: Any = Watch()
    events = list(
        watcher.stream(
            apis.core.list_namespaced_config_map,
            NS,
            resource_version=version,
            allow_watch_bookmarks=True,
            timeout_seconds=1,
        )
    )
    assert {event["type"] for event in events} == {"BOOKMARK"}
    assert int(watcher.resource_version) > int(version)
    stored.forget_the_past()


def test_a_watch_of_a_forgotten_version_is_gone(apis: Apis, stored: FakeKubernetes) -> None:
    version = put(apis, "a").metadata.resource_version
    put(apis, "b")
    stored.forget_the_past()

    with pytest.raises(client.ApiException) as caught:
        watch(apis, resource_version=version, timeout_seconds=2)
    error: Any = caught.value
    assert error.status == 410


def test_an_outage_cuts_watches_and_refuses_connections(apis: Apis, stored: FakeKubernetes) -> None:
    ended = threading.Event()

    def follow() -> None:
        with pytest.raises(Exception):  # noqa: B017, PT011 - whatever the client makes of it
            watch(apis)
        ended.set()

    threading.Thread(target=follow, daemon=True).start()
    with stored.outage():
        assert ended.wait(20)
        with pytest.raises(Exception, match="refused"):
            apis.core.list_namespaced_config_map(NS)
    assert apis.core.list_namespaced_config_map(NS).items == []
