"""The HTTP side: reads requests, and answers as the API server does. Made by `cluster`."""

from __future__ import annotations

import contextlib
import json
import socket
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import yaml

from tests.kube.access import Access, Request
from tests.kube.discovery import discover
from tests.kube.kinds import Kind, find_kind
from tests.kube.refusals import Json, Refused, bad_request, not_found
from tests.kube.store import Store
from tests.kube.verbs import Target, Verbs
from tests.kube.watching import Query, list_page, watch

Logs = Callable[[str, str, Query], str]
"""What a pod's container has written: namespace, name, query."""

Fault = Callable[[Request], None]
"""Raises `Refused`, or takes its time, before a request is looked at."""

_METHODS = {"POST": "create", "PUT": "update", "PATCH": "patch"}


class Front(ThreadingHTTPServer):
    """Listens until closed."""

    daemon_threads = True
    allow_reuse_address = True
    request_queue_size = 64

    def __init__(
        self, store: Store, access: Access, logs: Logs, faults: list[Fault], *, port: int = 0
    ) -> None:
        self.store = store
        self.access = access
        self.logs = logs
        self.faults = faults
        self.verbs = Verbs(store)
        self.bookmark_s = 1.0
        self.closing = False
        self._connections: set[socket.socket] = set()
        super().__init__(("127.0.0.1", port), _Handler)
        self._thread = threading.Thread(target=self.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()

    def process_request(self, request: Any, client_address: Any) -> None:  # noqa: ANN401 - as its base
        self._connections.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:  # noqa: ANN401 - as its base
        self._connections.discard(request)
        super().shutdown_request(request)

    def close(self) -> None:
        """Stop listening, and cut all connections."""
        self.closing = True
        self.shutdown()
        self.server_close()
        for connection in list(self._connections):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        self._thread.join()

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ANN401 - as its base
        if not self.closing:
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # or else each call takes 40 ms
    server: Front  # pyright: ignore[reportIncompatibleVariableOverride]

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - as its base
        pass

    def handle_request(self) -> None:
        url = urlsplit(self.path)
        query = {name: values[-1] for name, values in parse_qs(url.query).items()}
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        try:
            self._answer(url.path, query, body)
        except Refused as ex:
            self._reply(ex.code, ex.status(), retry_after=ex.code == 429)
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = handle_request  # noqa: N815 - as its base

    def _answer(self, path: str, query: Query, body: bytes) -> None:
        if (said := discover(path)) is not None:
            self._reply(200, said)
            return
        target = _parse_path(path)
        request = Request(
            self._verb(target, query),
            target.kind.group,
            "/".join(filter(None, (target.kind.plural, target.subresource))),
            target.namespace,
            target.name,
        )
        self.server.access.check(self.headers.get("Authorization", ""), request)
        for fault in list(self.server.faults):
            fault(request)
        if request.verb == "watch":
            self._watch(target, query)
        elif target.subresource == "log":
            self._log(target, query)
        elif request.verb == "list":
            self._reply(200, list_page(self.server.store, target.kind, target.namespace, query))
        else:
            content_type = self.headers.get("Content-Type", "").partition(";")[0]
            sent = _decode(content_type, body) if body else None
            agent = self.headers.get("User-Agent", "unknown").partition("/")[0]
            call = getattr(self.server.verbs, request.verb)
            code, obj = call(target, query, sent, content_type, agent)
            self._reply(code, obj)

    def _verb(self, target: Target, query: Query) -> str:
        if self.command == "GET":
            if query.get("watch") in {"true", "1", "True"}:
                return "watch"
            return "get" if target.name else "list"
        if self.command == "DELETE":
            return "delete" if target.name else "deletecollection"
        return _METHODS[self.command]

    def _log(self, target: Target, query: Query) -> None:
        self.server.store.get(target.kind, target.namespace, target.name)
        text = self.server.logs(target.namespace, target.name, query)
        self._send(200, text.encode(), "text/plain")

    def _watch(self, target: Target, query: Query) -> None:
        if target.name:
            query["fieldSelector"] = f"metadata.name={target.name}"
        events = watch(
            self.server.store,
            target.kind,
            target.namespace,
            query,
            bookmark_s=self.server.bookmark_s,
            closing=lambda: self.server.closing,
        )
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for event in events:
            if event is not None:
                line = json.dumps(event).encode() + b"\n"
                self.wfile.write(b"%x\r\n%s\r\n" % (len(line), line))
        if not self.server.closing:
            self.wfile.write(b"0\r\n\r\n")
        self.close_connection = True

    def _reply(self, code: int, obj: Json, *, retry_after: bool = False) -> None:
        self._send(code, json.dumps(obj).encode(), "application/json", retry_after=retry_after)

    def _send(self, code: int, body: bytes, kind: str, *, retry_after: bool = False) -> None:
        self.send_response(code)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        if retry_after:
            self.send_header("Retry-After", "1")
        self.end_headers()
        self.wfile.write(body)


def _parse_path(path: str) -> Target:
    parts = [unquote(part) for part in path.split("/") if part]
    version, rest = "", list[str]()
    if parts[:1] == ["api"] and len(parts) > 1:
        version, rest = parts[1], parts[2:]
    elif parts[:1] == ["apis"] and len(parts) > 2:
        version, rest = f"{parts[1]}/{parts[2]}", parts[3:]
    namespace = ""
    if len(rest) > 2 and rest[0] == "namespaces" and rest[2] not in {"status", "finalize"}:
        namespace, rest = rest[1], rest[2:]
    plural, name, subresource, *more = [*rest, "", "", ""]
    kind = find_kind(version, plural)
    if kind is None or any(more) or not _has(kind, subresource):
        raise Refused(404, "NotFound", "the server could not find the requested resource")
    if kind.namespaced and name and not namespace:
        raise not_found(kind.qualified, name)
    return Target(kind, namespace, name, subresource)


def _has(kind: Kind, subresource: str) -> bool:
    return not subresource or subresource in kind.subresources


def _decode(content_type: str, body: bytes) -> Any:  # noqa: ANN401 - any JSON
    try:
        if content_type in {"application/apply-patch+yaml", "application/yaml"}:
            return yaml.safe_load(body)
        return json.loads(body)
    except (ValueError, yaml.YAMLError) as ex:
        raise bad_request(f"the body of the request can't be decoded: {ex}") from ex
