"""The Kubernetes API as an installation needs it: objects as JSON, and errors that say what to do.

By the official client, with the settings of `kubectl`. Called by everything in this package that
looks into a cluster or changes it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Any, cast
from urllib.parse import quote

from urllib3.exceptions import HTTPError

from falconeri.deployment.manifests import Object, name_of, part, parts
from falconeri.errors import Conflict, FalconeriError, Forbidden, InvalidArgument, Unavailable

FIELD_MANAGER = "falconeri"
TIMEOUT_S = 30.0

_APPLY = "application/apply-patch+yaml"
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

_WORDS = {"GET": "read", "PATCH": "apply", "POST": "create", "DELETE": "delete"}
_OK, _REDIRECTS = 200, 300
_NOT_FOUND = 404
_REFUSED = (400, 422)
_FORBIDDEN = (401, 403)
_CONFLICT = 409


@dataclass(frozen=True)
class Api:
    """One namespace of one cluster."""

    client: Any
    """The official client's `ApiClient`. It is untyped, and takes a second to import."""
    namespace: str
    timeout_s: float = TIMEOUT_S

    @classmethod
    def connect(
        cls,
        *,
        context: str | None = None,
        namespace: str | None = None,
        timeout_s: float = TIMEOUT_S,
    ) -> Api:
        """Read the kubeconfig file that `kubectl` would read; nothing is sent yet.

        Args:
            context: None for its current one.
            namespace: None for the context's, or `default`.

        Raises:
            InvalidArgument: There is no such file or context, or the file is none.
        """
        config: Any = import_module("kubernetes.config")
        try:
            contexts, current = config.list_kube_config_contexts()
            wanted: str = context or current["name"]
            by_name: dict[str, Object] = {one["name"]: one for one in contexts}
            client = config.new_client_from_config(context=context)
        except (config.ConfigException, OSError, TypeError, KeyError, ValueError) as ex:
            raise InvalidArgument(
                "no Kubernetes cluster to talk to",
                detail=str(ex),
                hint="`kubectl config get-contexts` lists what there is; KUBECONFIG names the file",
            ) from ex
        place = namespace or part(by_name, wanted, "context").get("namespace") or "default"
        client.configuration.retries = False  # we know better when to try again
        return cls(_generated().ApiClient(client.configuration), place, timeout_s)

    @property
    def url(self) -> str:
        """Where the API server is."""
        return self.client.configuration.host

    def find(self, kind: str, name: str) -> Object | None:
        """The object, or None if there is none. Any other trouble is an error.

        Raises:
            FalconeriError: The cluster can't be reached, or doesn't let us look.
        """
        try:
            return self._call("GET", kind, name)
        except _Absent:
            return None

    def list(self, kind: str, *, labels: str = "", fields: str = "") -> list[Object]:
        """All objects of a kind.

        Args:
            labels: A selector.
            fields: A selector of fields.

        Raises:
            FalconeriError: As `find`.
        """
        selectors = {"labelSelector": labels, "fieldSelector": fields}
        found = self._call(
            "GET", kind, query={key: text for key, text in selectors.items() if text}
        )
        return [{**obj, "kind": kind} for obj in parts(found, "items")]

    def apply(self, obj: Object) -> Object:
        """Make the object, or make it as it should be; fields of others stay (server-side apply).

        Raises:
            FalconeriError: As `find`; or the cluster doesn't accept it.
        """
        query = {"fieldManager": FIELD_MANAGER, "force": "true"}
        return self._call("PATCH", obj["kind"], name_of(obj), body=obj, query=query)

    def create(self, obj: Object) -> bool:
        """Make the object unless it exists; say whether it was made.

        Raises:
            FalconeriError: As `apply`.
        """
        try:
            self._call("POST", obj["kind"], body=obj, query={"fieldManager": FIELD_MANAGER})
        except _Exists:
            return False
        return True

    def delete(self, kind: str, name: str) -> bool:
        """Delete the object and what belongs to it; say whether there was one.

        Raises:
            FalconeriError: As `find`.
        """
        try:
            self._call("DELETE", kind, name, query={"propagationPolicy": "Background"})
        except _Absent:
            return False
        return True

    def log(self, pod: str, container: str, *, lines: int) -> list[str]:
        """The last lines that a container has written; none if it can't be told.

        The container before it, if this one has not written anything.
        """
        for previous in ("false", "true"):
            query = {"container": container, "tailLines": str(lines), "previous": previous}
            try:
                said = self._send("GET", self._path("Pod", pod, "log"), query=query)
            except Exception:  # noqa: BLE001 - it is a help and no more
                return []
            if found := [
                line for line in said.decode(errors="replace").splitlines() if line.strip()
            ]:
                return found[-lines:]
        return []

    def _call(
        self,
        method: str,
        kind: str,
        name: str = "",
        *,
        body: Object | None = None,
        query: Mapping[str, str] | None = None,
    ) -> Object:
        """Send a request about an object, or about all of a kind, and return the answer.

        Raises:
            FalconeriError: It did not work; of a class that says why.
        """
        named = name or (name_of(body) if body else "")
        subject = f"{kind.lower()}/{named}".rstrip("/")
        try:
            return json.loads(self._send(method, self._path(kind, name), body=body, query=query))
        except _generated().ApiException as ex:
            what = f"{_WORDS[method]} {subject} in namespace {self.namespace}"
            raise _error_of(ex, what) from ex
        except (HTTPError, OSError, ValueError) as ex:
            raise Unavailable(
                "the Kubernetes API can't be reached",
                detail=f"{self.url}: {_innermost(ex)}",
                hint="does `kubectl get pods` work?",
            ) from ex

    def _path(self, kind: str, *names: str) -> str:
        group, plural = _PLACES[kind]
        parts = (group, "namespaces", self.namespace, plural, *filter(None, names))
        return "/" + "/".join(quote(part, safe="/") for part in parts)

    def _send(
        self,
        method: str,
        path: str,
        *,
        body: Object | None = None,
        query: Mapping[str, str] | None = None,
    ) -> bytes:
        """By the client's transport and credentials, without its models: they refuse what is new.

        Raises:
            ApiException: The answer is a refusal.
        """
        request = self.client.param_serialize(
            method,
            path,
            query_params=list((query or {}).items()),
            header_params={
                "Accept": "application/json",
                "Content-Type": _APPLY if method == "PATCH" else "application/json",
            },
            body=body,
            auth_settings=["BearerToken"],
        )
        response = self.client.call_api(*request, _request_timeout=self.timeout_s)
        response.read()
        if not _OK <= response.status < _REDIRECTS:
            text = response.data.decode(errors="replace")
            raise _generated().ApiException(http_resp=response, body=text)
        return response.data


class _Absent(FalconeriError):
    """404 of an object."""


class _Exists(Conflict):
    """409 AlreadyExists."""


def _error_of(ex: Any, what: str) -> FalconeriError:  # noqa: ANN401 - untyped
    status = _status_of(ex.body)
    said = status.get("message") or ex.reason or "no reason given"
    detail = f"{what}: {said}"
    if ex.status == _NOT_FOUND:
        # Of a namespace, too: who looks there finds nothing, who creates something is told.
        return _Absent("not found", detail=detail)
    if ex.status == _CONFLICT and status.get("reason") == "AlreadyExists":
        return _Exists(detail=detail)
    if ex.status == _CONFLICT:
        return Conflict("the cluster has another opinion", detail=detail)
    if ex.status in _FORBIDDEN:
        hint = "ask who runs the cluster, or choose another --context or --namespace"
        return Forbidden("the cluster does not allow it", detail=detail, hint=hint)
    if ex.status in _REFUSED:
        return InvalidArgument("the cluster does not accept it", detail=detail)
    return Unavailable("the Kubernetes API failed", detail=f"{detail} (HTTP {ex.status})")


def _status_of(body: object) -> Object:
    """The `Status` object of an answer, empty if it is none."""
    try:
        status: Any = json.loads(body) if isinstance(body, str | bytes) else None
    except ValueError:
        return {}
    return cast("Object", status) if isinstance(status, dict) else {}


def _generated() -> Any:  # noqa: ANN401 - untyped
    return import_module("kubernetes.client")


def _innermost(ex: BaseException) -> str:
    """What was wrong at the bottom: `Connection refused`."""
    reason = getattr(ex, "reason", None)
    while isinstance(reason, BaseException):
        ex, reason = reason, getattr(reason, "reason", None)
    return str(ex).rpartition(">: ")[2] or type(ex).__name__
