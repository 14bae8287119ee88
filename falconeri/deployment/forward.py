"""Brings the cluster's services to this machine, through the Kubernetes API as `kubectl` does.

Called by `falconeri proxy`. Each connection to a port here is a stream of its own to whichever pod
is ready just then, so that a restart of falconerid or of its database costs the connections which
it had, and nothing has to be started again.
"""

from __future__ import annotations

import contextlib
import random
import socket
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from falconeri.client.retry import RetryPolicy
from falconeri.deployment.ailments import is_ready
from falconeri.deployment.render import MINIO, POSTGRES, SERVE
from falconeri.deployment.retrying import persistently
from falconeri.errors import FalconeriError, Unavailable
from falconeri.kube.api import KubeApi
from falconeri.kube.objects import name_of

HOST = "127.0.0.1"

PATIENCE = RetryPolicy(deadline_s=15.0, cap_s=4.0)
"""How long a connection waits for a pod: a restart takes some seconds."""

_CHUNK_BYTES = 64 * 1024


@dataclass(frozen=True)
class Route:
    """A port, here and there."""

    service: str
    port: int
    what: str


ROUTES = (
    Route(SERVE, 8089, "the REST API"),
    Route(SERVE, 8090, "where clients wait"),
    Route(POSTGRES, 5432, "the database"),
    Route(MINIO, 9000, "MinIO's buckets"),
    Route(MINIO, 9001, "MinIO's console"),
)


def routes(api: KubeApi) -> list[Route]:
    """Those whose service is there.

    Raises:
        Unavailable: Not even falconerid is.
        FalconeriError: The cluster can't be asked.
    """
    there = {route.service for route in ROUTES if api.find("Service", route.service) is not None}
    if SERVE not in there:
        raise Unavailable(
            f"nothing is deployed in namespace {api.namespace}",
            hint="`falconeri deploy` does it; or name another --namespace or --context",
        )
    return [route for route in ROUTES if route.service in there]


class Forwarder:
    """Listens on this machine for one route.

    Args:
        port: Where; None for the same one as there.
        say: Told of trouble, once for each trouble, in a line.
    """

    def __init__(
        self, api: KubeApi, route: Route, say: Callable[[str], None], *, port: int | None = None
    ) -> None:
        self._api = api
        self._route = route
        self.port = port or route.port
        self._say = say
        self._trouble = ""
        self._listener = self._bound()
        threading.Thread(target=self._accept, name=f"port {self.port}", daemon=True).start()

    def close(self) -> None:
        """Take no more connections; those that there are end with the process."""
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)  # wakes the thread
        self._listener.close()

    def _bound(self) -> socket.socket:
        """Raise Unavailable if somebody else has the port."""
        try:
            return socket.create_server((HOST, self.port), backlog=64)
        except OSError as ex:
            raise Unavailable(
                f"port {self.port} of this machine is taken",
                detail=str(ex.strerror),
                hint="by another proxy, or by `falconeri local up`? --port-offset avoids it",
            ) from ex

    def _accept(self) -> None:
        while True:
            try:
                local, _address = self._listener.accept()
            except OSError:  # closed
                return
            threading.Thread(target=self._serve, args=(local,), daemon=True).start()

    def _serve(self, local: socket.socket) -> None:
        with local:
            try:
                remote = persistently(PATIENCE, self._open)
            except FalconeriError as ex:
                self._tell(str(ex))
                return
            self._tell("")
            _exchange(local, remote)

    def _open(self) -> socket.socket:
        """A stream to a pod that is ready.

        Raises:
            Unavailable: There is none, or it can't be reached.
        """
        pods = self._api.list("Pod", labels=f"app={self._route.service}")
        ready = [name_of(pod) for pod in pods if is_ready(pod)]
        if not ready:
            what = f"no pod of {self._route.service} is ready"
            raise Unavailable(what, hint="`falconeri status` says why")
        kubernetes: Any = import_module("kubernetes.client")
        streams: Any = import_module("kubernetes.stream")
        # A client of its own: a stream changes its client while it is being opened.
        core = kubernetes.CoreV1Api(kubernetes.ApiClient(self._api.client.configuration))
        name = random.choice(ready)  # noqa: S311 - spreads load, keeps no secret
        try:
            forward = streams.portforward(
                core.connect_get_namespaced_pod_portforward,
                name,
                self._api.namespace,
                ports=str(self._route.port),
            )
        except kubernetes.ApiException as ex:
            detail = f"pod {name}: {ex.reason}"
            raise Unavailable("a pod's port can't be forwarded", detail=detail) from ex
        return forward.socket(self._route.port)

    def _tell(self, trouble: str) -> None:
        """Say what is wrong when it begins, and when it is over."""
        before, self._trouble = self._trouble, trouble
        if trouble and trouble != before:
            self._say(f"port {self.port}: {trouble}")
        elif before and not trouble:
            self._say(f"port {self.port} works again")


def _exchange(local: socket.socket, remote: socket.socket) -> None:
    """Copy both ways until both ends have nothing more to say, or one has gone."""
    back = threading.Thread(target=_copy, args=(remote, local), daemon=True)
    back.start()
    _copy(local, remote)
    back.join()
    with contextlib.suppress(OSError):
        remote.close()


def _copy(source: socket.socket, target: socket.socket) -> None:
    for chunk in _chunks(source):
        try:
            target.sendall(chunk)
        except OSError:
            break
    for end in (source, target):  # wakes the other direction
        with contextlib.suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)


def _chunks(source: socket.socket) -> Iterator[bytes]:
    with contextlib.suppress(OSError):
        while chunk := source.recv(_CHUNK_BYTES):
            yield chunk
