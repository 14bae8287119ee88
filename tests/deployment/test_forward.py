"""Ports of the cluster's pods on this machine."""

from __future__ import annotations

import signal
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from kubernetes import client

from falconeri.client.retry import RetryPolicy
from falconeri.deployment import forward
from falconeri.deployment.forward import Forwarder, Route
from falconeri.errors import Unavailable
from falconeri.kube.api import KubeApi
from falconeri.local._ports import free_ports
from tests.cli.command import ARGV, environment
from tests.deployment.port_forwards import PortForwards, echoed, port_forwards
from tests.processes import wait_until


@pytest.fixture
def kube() -> Iterator[PortForwards]:
    with port_forwards() as server:
        yield server


@pytest.fixture
def api(kube: PortForwards) -> KubeApi:
    configuration = client.Configuration()
    configuration.host = kube.url
    return KubeApi(client.ApiClient(configuration), "default")


@pytest.fixture
def route() -> Route:
    return Route("falconerid", free_ports()[0], "the REST API")


def test_bytes_go_to_a_ready_pod_and_back(kube: PortForwards, api: KubeApi, route: Route) -> None:
    kube.ready["falconerid"] = ["falconerid-a"]
    forwarder = Forwarder(api, route, lambda _line: None)
    try:
        words = b"hello" * 50_000
        assert echoed(route.port, words) == b"%d:" % route.port + words
    finally:
        forwarder.close()


def test_pod_that_took_another_ones_place_is_found(
    kube: PortForwards, api: KubeApi, route: Route
) -> None:
    forwarder = Forwarder(api, route, lambda _line: None)
    try:
        kube.ready["falconerid"] = ["falconerid-a"]
        assert echoed(route.port, b"one").endswith(b"one")
        kube.ready["falconerid"] = ["falconerid-b"]
        assert echoed(route.port, b"two").endswith(b"two")
    finally:
        forwarder.close()

    assert kube.asked == ["falconerid-a", "falconerid-b"]


def test_trouble_is_told_once_and_so_is_its_end(
    kube: PortForwards, api: KubeApi, route: Route, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(forward, "PATIENCE", RetryPolicy(deadline_s=0.2, tries=2, base_s=0.01))
    told: list[str] = []
    forwarder = Forwarder(api, route, told.append)
    try:
        assert echoed(route.port, b"x") == b""
        assert echoed(route.port, b"x") == b""
        kube.ready["falconerid"] = ["falconerid-a"]
        assert echoed(route.port, b"x").endswith(b"x")
    finally:
        forwarder.close()

    assert [line.partition(": ")[2] or line for line in told] == [
        "no pod of falconerid is ready (`falconeri status` says why)",
        f"port {route.port} works again",
    ]


def test_port_that_is_taken_is_named(api: KubeApi, route: Route) -> None:
    with (
        socket.create_server(("127.0.0.1", route.port)),
        pytest.raises(Unavailable, match=f"port {route.port} of this machine is taken"),
    ):
        Forwarder(api, route, lambda _line: None)


def test_only_services_that_are_there_are_forwarded(kube: PortForwards, api: KubeApi) -> None:
    with pytest.raises(Unavailable, match="nothing is deployed"):
        forward.routes(api)

    kube.services |= {"falconerid", "falconeri-postgres"}

    assert [route.port for route in forward.routes(api)] == [8089, 8090, 5432]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_end_that_was_asked_for_is_no_failure(
    kube: PortForwards, tmp_path: Path, number: signal.Signals
) -> None:
    kube.services.add("falconerid")
    config: dict[str, Any] = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "fake",
        "clusters": [{"name": "fake", "cluster": {"server": kube.url}}],
        "users": [{"name": "fake", "user": {"token": "x"}}],
        "contexts": [{"name": "fake", "context": {"cluster": "fake", "user": "fake"}}],
    }
    (tmp_path / "kubeconfig").write_text(yaml.safe_dump(config))
    said = tmp_path / "said"
    offset = max(0, free_ports()[0] - 8089)
    with (
        said.open("wb") as output,
        subprocess.Popen(
            [*ARGV, "proxy", "--port-offset", str(offset)],
            stderr=output,
            env=environment({"KUBECONFIG": str(tmp_path / "kubeconfig")}),
        ) as process,
    ):
        wait_until(lambda: "clients wait" in said.read_text() or process.poll() is not None)
        process.send_signal(number)

    assert process.returncode == 0, said.read_text()
    assert f"127.0.0.1:{8089 + offset} is the REST API" in said.read_text()
