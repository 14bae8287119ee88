"""The few calls of the Kubernetes API that a cluster needs, each with a time limit.

By the official client's transport and credentials, without its models: these refuse objects with
fields that are newer than they are, and take seconds to import. Called by `kubernetes` and
`informer`. Knows nothing of jobs.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
from collections.abc import Iterator, Mapping
from importlib import import_module
from pathlib import Path
from typing import Any, cast
from urllib.parse import quote

from urllib3.exceptions import HTTPError

from falconeri.errors import (
    Conflict,
    FalconeriError,
    Forbidden,
    InvalidArgument,
    InvalidSpec,
    NotFound,
    Unavailable,
)

Object = dict[str, Any]

_PLACES = {
    "events": "api/v1",
    "jobs": "apis/batch/v1",
    "pods": "api/v1",
    "secrets": "api/v1",
}
_CONNECT_S = 5.0
_READ_S = 20.0
_WATCH_S = 120
"""How long a watch lasts. An idle one ends then, and so does one whose connection is dead."""

_PAGE = 500
_MANAGER = "falconerid"
_NAMESPACE_FILE = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")


def part(obj: Object, *path: str) -> Object:
    """The object that a path leads to; an empty one if there is none."""
    found: Any = _follow(obj, path)
    return {} if found is None else found


def parts(obj: Object, *path: str) -> list[Object]:
    """The list that a path leads to; an empty one if there is none."""
    found: Any = _follow(obj, path)
    return [] if found is None else found


def _follow(obj: Object, path: tuple[str, ...]) -> Any:  # noqa: ANN401 - any JSON
    found: Any = obj
    for word in path:
        if found is None:
            return None
        found = found.get(word)
    return found


class Expired(FalconeriError):
    """410: the past that was asked for is forgotten; list again."""


class AlreadyExists(Conflict):
    """There is another object of this name."""


class KubernetesApi:
    """One namespace of one cluster. Thread-safe; one for the life of a process."""

    def __init__(self, client: Any, namespace: str) -> None:  # noqa: ANN401 - it is untyped
        self._client = client
        self.namespace = namespace

    @classmethod
    def connect(cls, *, namespace: str | None, context: str | None = None) -> KubernetesApi:
        """Find the cluster: the one that this process is a pod of, else kubeconfig's.

        Args:
            namespace: None for the pod's own, or the context's.
            context: Of the kubeconfig file; given, it is used inside of a cluster too.

        Raises:
            InvalidArgument: There is none.
        """
        config: Any = import_module("kubernetes.config")
        generated: Any = import_module("kubernetes.client")
        settings: Any = generated.Configuration()
        try:
            if context is None and os.environ.get("KUBERNETES_SERVICE_HOST"):
                config.load_incluster_config(client_configuration=settings)
                place = _NAMESPACE_FILE.read_text().strip()
            else:
                file = os.environ.get("KUBECONFIG")  # the client looks only when it is imported
                contexts, current = config.list_kube_config_contexts(file)
                config.load_kube_config(file, context=context, client_configuration=settings)
                chosen = current if context is None else _named(contexts, context)
                place = chosen["context"].get("namespace") or "default"
        except (
            config.ConfigException,
            OSError,
            TypeError,
            LookupError,
            StopIteration,
            ValueError,
        ) as ex:
            raise InvalidArgument(
                "FALCONERI_CLUSTER is kubernetes, but there is none to talk to",
                detail=str(ex),
                hint="KUBECONFIG names a kubeconfig file; a pod needs its service account's token",
            ) from ex
        settings.retries = False  # callers know better when to try again
        settings.connection_pool_maxsize = 8
        return cls(generated.ApiClient(settings), namespace or place)

    def close(self) -> None:
        """Close all connections."""
        self._client.close()

    def find(self, plural: str, name: str) -> Object | None:
        """An object, or None.

        Raises:
            FalconeriError: It can't be told.
        """
        try:
            return self._call("GET", plural, name)
        except NotFound:
            return None

    def list(self, plural: str, *, labels: str = "") -> tuple[list[Object], str]:
        """All objects with some labels, and the version at which a watch goes on.

        Raises:
            FalconeriError: They can't be told.
        """
        query = {"limit": str(_PAGE), **({"labelSelector": labels} if labels else {})}
        found: list[Object] = []
        while True:
            page = self._call("GET", plural, query=query)
            found += page.get("items") or []
            metadata = page["metadata"]
            if not metadata.get("continue"):
                return found, metadata["resourceVersion"]
            query["continue"] = metadata["continue"]

    def create(self, plural: str, obj: Object) -> Object:
        """Make an object.

        Raises:
            AlreadyExists: There is one of this name.
            InvalidSpec: The cluster doesn't accept it.
            FalconeriError: Any other trouble.
        """
        return self._call("POST", plural, body=obj, query={"fieldManager": _MANAGER})

    def merge(self, plural: str, name: str, patch: Object) -> Object:
        """Change an object by a merge patch.

        Raises:
            FalconeriError: As `create`; NotFound.
        """
        return self._call("PATCH", plural, name, body=patch, query={"fieldManager": _MANAGER})

    def delete(self, plural: str, name: str, *, uid: str) -> bool:
        """Delete an object and what it owns, if it is still the same one; say whether it was.

        Raises:
            FalconeriError: It can't be told.
        """
        options = {"propagationPolicy": "Background", "preconditions": {"uid": uid}}
        try:
            self._call("DELETE", plural, name, body=options)
        except (NotFound, Conflict):
            return False
        return True

    def watch(self, plural: str, *, labels: str, version: str) -> Watching:
        """Begin to watch what changes after a version.

        Raises:
            Expired: The version is too old.
            FalconeriError: Any other trouble.
        """
        query = {
            "watch": "true",
            "resourceVersion": version,
            "labelSelector": labels,
            "allowWatchBookmarks": "true",
            "timeoutSeconds": str(_WATCH_S),
        }
        response = self._send("GET", self._path(plural), query=query, read_s=_WATCH_S + 10.0)
        if response.status != _OK:
            response.read()
            raise _refusal(response, f"watch {plural}")
        return Watching(response.response)

    def _call(
        self,
        method: str,
        plural: str,
        name: str = "",
        *,
        body: Object | None = None,
        query: Mapping[str, str] | None = None,
    ) -> Object:
        try:
            response = self._send(method, self._path(plural, name), body=body, query=query)
            data: bytes = response.read()
        except (HTTPError, OSError) as ex:
            raise _unreachable(ex) from ex
        if not _OK <= response.status < _REDIRECT:
            named = name or (body or {}).get("metadata", {}).get("name", "")
            raise _refusal(response, f"{method} {plural}/{named}".rstrip("/"))
        return json.loads(data)

    def _path(self, plural: str, name: str = "") -> str:
        path = f"/{_PLACES[plural]}/namespaces/{quote(self.namespace)}/{plural}"
        return f"{path}/{quote(name)}" if name else path

    def _send(
        self,
        method: str,
        path: str,
        *,
        body: Object | None = None,
        query: Mapping[str, str] | None = None,
        read_s: float = _READ_S,
    ) -> Any:  # noqa: ANN401 - the client is untyped
        kind = "application/merge-patch+json" if method == "PATCH" else "application/json"
        request = self._client.param_serialize(
            method,
            path,
            query_params=list((query or {}).items()),
            header_params={"Accept": "application/json", "Content-Type": kind},
            body=body,
            auth_settings=["BearerToken"],
        )
        try:
            return self._client.call_api(*request, _request_timeout=(_CONNECT_S, read_s))
        except (HTTPError, OSError) as ex:
            raise _unreachable(ex) from ex


class Watching:
    """An open watch: an iterator of events, which another thread may end."""

    def __init__(self, response: Any) -> None:  # noqa: ANN401 - urllib3's, by the untyped client
        self._response = response

    def __iter__(self) -> Iterator[tuple[str, Object]]:
        """The events, until the server ends the watch.

        Raises:
            Expired: What comes next is forgotten.
            Unavailable: The connection is lost.
        """
        rest = b""
        try:
            for chunk in self._response.stream(65536, decode_content=False):
                *lines, rest = (rest + chunk).split(b"\n")
                for line in filter(None, lines):
                    event: Object = json.loads(line)
                    if event["type"] == "ERROR":
                        raise _error_of(event["object"], "watch")
                    yield event["type"], event["object"]
        except (HTTPError, OSError, ValueError) as ex:
            raise _unreachable(ex) from ex
        finally:
            self._response.close()

    def end(self) -> None:
        """Make the iteration end at once. Called by another thread."""
        # Closing it would wait for the thread that reads.
        connection = getattr(self._response, "connection", None)
        found: socket.socket | None = getattr(connection, "sock", None)
        with contextlib.suppress(OSError):
            if found is not None:
                found.shutdown(socket.SHUT_RDWR)


_OK, _REDIRECT = 200, 300
_CLASSES: Mapping[int, type[FalconeriError]] = {
    400: InvalidSpec,
    401: Forbidden,
    403: Forbidden,
    404: NotFound,
    409: Conflict,
    410: Expired,
    422: InvalidSpec,
}


def _named(contexts: list[Object], name: str) -> Object:
    return next(context for context in contexts if context["name"] == name)


def _unreachable(ex: BaseException) -> Unavailable:
    reason = getattr(ex, "reason", None)
    cause = reason if isinstance(reason, BaseException) else ex
    return Unavailable("the Kubernetes API can't be reached", detail=str(cause))


def _refusal(response: Any, what: str) -> FalconeriError:  # noqa: ANN401 - untyped
    try:
        status: Any = json.loads(response.data)
    except ValueError:
        status = None
    if not isinstance(status, dict):
        status = {"code": response.status, "message": response.reason}
    return _error_of({"code": response.status, **cast("Object", status)}, what)


def _error_of(status: Object, what: str) -> FalconeriError:
    code, message = status.get("code", 0), status.get("message") or "no reason given"
    detail = f"{what}: {message}"
    if status.get("reason") == "AlreadyExists":
        return AlreadyExists(detail=detail)
    if code in _CLASSES:
        return _CLASSES[code]("Kubernetes refused a request", detail=detail)
    return Unavailable("the Kubernetes API failed", detail=f"{detail} (HTTP {code})")
