"""The verbs of the Kubernetes API that Falconeri needs, each with a time limit.

By the official client's transport and credentials, without its models: these refuse objects with
fields that are newer than they are, and take seconds to import. Called by `falconeri.cluster` and
`falconeri.deployment`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from urllib3.exceptions import HTTPError

from falconeri.errors import Conflict, FalconeriError, NotFound
from falconeri.kube.connecting import connect
from falconeri.kube.objects import Object, name_of, part, parts
from falconeri.kube.refusals import error_of, status_of, unreachable
from falconeri.kube.watching import Watching

_APPS = "apis/apps/v1"
_RBAC = "apis/rbac.authorization.k8s.io/v1"
_PLACES = {
    "Deployment": (_APPS, "deployments"),
    "Event": ("api/v1", "events"),
    "Job": ("apis/batch/v1", "jobs"),
    "NetworkPolicy": ("apis/networking.k8s.io/v1", "networkpolicies"),
    "PersistentVolumeClaim": ("api/v1", "persistentvolumeclaims"),
    "Pod": ("api/v1", "pods"),
    "PodDisruptionBudget": ("apis/policy/v1", "poddisruptionbudgets"),
    "Role": (_RBAC, "roles"),
    "RoleBinding": (_RBAC, "rolebindings"),
    "Secret": ("api/v1", "secrets"),
    "Service": ("api/v1", "services"),
    "ServiceAccount": ("api/v1", "serviceaccounts"),
    "StatefulSet": (_APPS, "statefulsets"),
}
"""Where the objects of a kind are."""

_JSON = "application/json"
_MERGE = "application/merge-patch+json"
_APPLY = "application/apply-patch+yaml"
_WORDS = {
    ("GET", _JSON): "read",
    ("POST", _JSON): "create",
    ("PATCH", _MERGE): "change",
    ("PATCH", _APPLY): "apply",
    ("DELETE", _JSON): "delete",
}

TIMEOUT_S = 20.0
_CONNECT_S = 5.0
_WATCH_S = 120
"""How long a watch lasts. An idle one ends then, and so does one whose connection is dead."""

_PAGE = 500
_OK, _REDIRECTS = 200, 300


@dataclass(frozen=True)
class KubeApi:
    """One namespace of one cluster. Thread-safe."""

    client: Any
    """The official client's `ApiClient`. It is untyped, and takes a second to import."""
    namespace: str
    manager: str = "falconeri"
    """Whom the cluster notes down as the one who sets a field."""
    timeout_s: float = TIMEOUT_S

    @classmethod
    def connect(
        cls,
        *,
        context: str | None = None,
        namespace: str | None = None,
        manager: str = "falconeri",
        timeout_s: float = TIMEOUT_S,
    ) -> KubeApi:
        """Find the cluster as `kubectl` does; nothing is sent yet.

        Args:
            context: Of the kubeconfig file; None for its current one, or the pod that we are.
            namespace: None for the context's or the pod's own, or `default`.

        Raises:
            InvalidArgument: There is no cluster, or no such context.
        """
        client, place = connect(context)
        return cls(client, namespace or place, manager, timeout_s)

    @property
    def url(self) -> str:
        """Where the API server is."""
        return self.client.configuration.host

    def close(self) -> None:
        """Close all connections."""
        self.client.close()

    def find(self, kind: str, name: str) -> Object | None:
        """The object, or None if there is none. Any other trouble is an error.

        Raises:
            FalconeriError: It can't be told; nothing follows from that.
        """
        try:
            return self._call("GET", kind, name)
        except NotFound:
            return None

    def list(self, kind: str, *, labels: str = "", fields: str = "") -> list[Object]:
        """All objects of a kind, or those that selectors select.

        Raises:
            FalconeriError: They can't be told.
        """
        return self.snapshot(kind, labels=labels, fields=fields)[0]

    def snapshot(
        self, kind: str, *, labels: str = "", fields: str = ""
    ) -> tuple[list[Object], str]:
        """The same, and the version at which a watch goes on.

        Raises:
            FalconeriError: As `list`.
        """
        selectors = {"labelSelector": labels, "fieldSelector": fields}
        query = {"limit": str(_PAGE), **{key: text for key, text in selectors.items() if text}}
        found: list[Object] = []
        while True:
            page = self._call("GET", kind, query=query)
            found += [{**obj, "kind": kind} for obj in parts(page, "items")]
            metadata = part(page, "metadata")
            if not metadata.get("continue"):
                return found, metadata["resourceVersion"]
            query["continue"] = metadata["continue"]

    def create(self, obj: Object) -> Object:
        """Make an object.

        Raises:
            AlreadyExists: There is one of this name.
            Unacceptable: The cluster doesn't take it.
            FalconeriError: Any other trouble.
        """
        return self._call("POST", obj["kind"], body=obj, query={"fieldManager": self.manager})

    def apply(self, obj: Object) -> Object:
        """Make the object, or make it as it should be; fields of others stay (server-side apply).

        Raises:
            FalconeriError: As `create`.
        """
        query = {"fieldManager": self.manager, "force": "true"}
        return self._call("PATCH", obj["kind"], name_of(obj), body=obj, query=query, type_=_APPLY)

    def merge(self, kind: str, name: str, patch: Object) -> Object:
        """Change an object by a merge patch.

        Raises:
            FalconeriError: As `create`; NotFound.
        """
        query = {"fieldManager": self.manager}
        return self._call("PATCH", kind, name, body=patch, query=query, type_=_MERGE)

    def delete(self, kind: str, name: str, *, uid: str | None = None) -> bool:
        """Delete an object and what it owns; say whether there was one.

        Args:
            uid: Only if it is still this one.

        Raises:
            FalconeriError: It can't be told.
        """
        options: Object = {"propagationPolicy": "Background"}
        if uid is not None:
            options["preconditions"] = {"uid": uid}
        try:
            self._call("DELETE", kind, name, body=options)
        except NotFound:
            return False
        except Conflict:
            if uid is None:
                raise
            return False
        return True

    def watch(self, kind: str, *, labels: str, version: str) -> Watching:
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
        response = self._send("GET", self._path(kind), query=query, read_s=_WATCH_S + 10.0)
        if response.status != _OK:
            raise error_of(self._status(response), f"watch {kind.lower()} in {self._place}")
        return Watching(response.response, self.url)

    def log(self, pod: str, container: str, *, lines: int) -> list[str]:
        """The last lines that a container has written; none if it can't be told.

        The container before it, if this one has not written anything.
        """
        for previous in ("false", "true"):
            query = {"container": container, "tailLines": str(lines), "previous": previous}
            try:
                response = self._send("GET", self._path("Pod", pod, "log"), query=query)
                data: bytes = response.read()
            except (FalconeriError, HTTPError, OSError):
                return []  # it is a help and no more
            if response.status != _OK:
                return []
            said = data.decode(errors="replace").splitlines()
            if found := [line for line in said if line.strip()]:
                return found[-lines:]
        return []

    @property
    def _place(self) -> str:
        return f"namespace {self.namespace}"

    def _call(
        self,
        method: str,
        kind: str,
        name: str = "",
        *,
        body: Object | None = None,
        query: Mapping[str, str] | None = None,
        type_: str = _JSON,
    ) -> Object:
        """Send a request about an object, or about all of a kind, and return the answer.

        Raises:
            FalconeriError: It did not work; of a class that says why.
        """
        path = self._path(kind, name)
        try:
            response = self._send(method, path, body=body, query=query, type_=type_)
            if _OK <= response.status < _REDIRECTS:
                return json.loads(response.read())
        except (HTTPError, OSError, ValueError) as ex:
            raise unreachable(ex, self.url) from ex
        named = name or part(body or {}, "metadata").get("name", "")
        subject = f"{kind.lower()}/{named}".rstrip("/")
        what = f"{_WORDS[method, type_]} {subject} in {self._place}"
        raise error_of(self._status(response), what)

    def _path(self, kind: str, *names: str) -> str:
        group, plural = _PLACES[kind]
        words = (group, "namespaces", self.namespace, plural, *filter(None, names))
        return "/" + "/".join(quote(word, safe="/") for word in words)

    def _send(
        self,
        method: str,
        path: str,
        *,
        body: Object | None = None,
        query: Mapping[str, str] | None = None,
        type_: str = _JSON,
        read_s: float | None = None,
    ) -> Any:  # noqa: ANN401 - the client is untyped
        request = self.client.param_serialize(
            method,
            path,
            query_params=list((query or {}).items()),
            header_params={"Accept": _JSON, "Content-Type": type_},
            body=body,
            auth_settings=["BearerToken"],
        )
        limits_s = min(_CONNECT_S, self.timeout_s), read_s or self.timeout_s
        try:
            return self.client.call_api(*request, _request_timeout=limits_s)
        except (HTTPError, OSError) as ex:
            raise unreachable(ex, self.url) from ex

    def _status(self, response: Any) -> Object:  # noqa: ANN401 - the client is untyped
        try:
            return status_of(response.status, response.reason, response.read() or b"")
        except (HTTPError, OSError) as ex:
            raise unreachable(ex, self.url) from ex
