"""A Kubernetes API server that forwards ports, as far as `falconeri proxy` asks: over websockets.

Every pod is this process: a port of it echoes, with its number before it.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import json
import re
import socket
import struct
import threading
from collections.abc import Generator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

_MAGIC = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_FORWARD = re.compile(r"/api/v1/namespaces/default/pods/([^/]+)/portforward\?ports=(\d+)")
_BINARY, _CLOSE, _PING = 2, 8, 9


class PortForwards(ThreadingHTTPServer):
    """What it knows: services, and pods by the name of their app."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.services: set[str] = set()
        self.ready: dict[str, list[str]] = {}
        self.asked: list[str] = []
        """The pods whose ports were forwarded."""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


@contextmanager
def port_forwards() -> Generator[PortForwards]:
    server = PortForwards()
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Handler(BaseHTTPRequestHandler):
    server: PortForwards  # pyright: ignore[reportIncompatibleVariableOverride]
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        del format, args

    def do_GET(self) -> None:
        if forward := _FORWARD.fullmatch(self.path):
            self.server.asked.append(forward[1])
            self._forward(int(forward[2]))
        elif "/services/" in self.path:
            name = self.path.rpartition("/")[2]
            there = name in self.server.services
            self._answer(200 if there else 404, {"metadata": {"name": name}})
        else:
            app = self.path.rpartition("%3D")[2]
            pods = [_pod(name) for name in self.server.ready.get(app, ())]
            self._answer(200, {"metadata": {"resourceVersion": "1"}, "items": pods})

    def _answer(self, status: int, body: dict[str, Any]) -> None:
        text = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def _forward(self, port: int) -> None:
        """Channel 0 is the data, channel 1 what goes wrong; each begins with the port's number."""
        key = self.headers["Sec-WebSocket-Key"].encode()
        accept = base64.b64encode(hashlib.sha1(key + _MAGIC).digest())  # noqa: S324 - RFC 6455
        self.send_response(101)
        self.send_header("Upgrade", "websocket")
        self.send_header("Connection", "Upgrade")
        self.send_header("Sec-WebSocket-Accept", accept.decode())
        self.send_header("Sec-WebSocket-Protocol", "v4.channel.k8s.io")
        self.end_headers()
        self.close_connection = True
        number = struct.pack("<H", port)
        self._send(b"\x00" + number)
        self._send(b"\x01" + number)
        first = True
        while (message := self._receive()) is not None:
            channel, data = message[:1], message[1:]
            if channel == b"\x00" and data:
                self._send(b"\x00" + (b"%d:" % port if first else b"") + data)
                first = False

    def _send(self, message: bytes) -> None:
        size = len(message)
        if size < 126:
            length = bytes([size])
        elif size < 2**16:
            length = b"\x7e" + struct.pack(">H", size)
        else:
            length = b"\x7f" + struct.pack(">Q", size)
        self.wfile.write(bytes([0x80 | _BINARY]) + length + message)

    def _receive(self) -> bytes | None:
        """The next message; None at the end."""
        try:
            head = self.rfile.read(2)
            if len(head) < 2 or head[0] & 0xF == _CLOSE:
                return None
            size = head[1] & 0x7F
            if size == 126:
                (size,) = struct.unpack(">H", self.rfile.read(2))
            elif size == 127:
                (size,) = struct.unpack(">Q", self.rfile.read(8))
            mask = self.rfile.read(4)
            data = self.rfile.read(size)
        except OSError:
            return None
        if head[0] & 0xF == _PING:
            return b"\x01"
        return bytes(byte ^ mask[i % 4] for i, byte in enumerate(data))


def _pod(name: str) -> dict[str, Any]:
    ready = {"type": "Ready", "status": "True"}
    return {"metadata": {"name": name}, "status": {"conditions": [ready]}}


def echoed(port: int, words: bytes) -> bytes:
    """What a port of this machine answers; nothing if it hangs up."""
    with socket.create_connection(("127.0.0.1", port), timeout=60) as connection:
        connection.sendall(words)
        found = b""
        with contextlib.suppress(ConnectionResetError):
            while not found.endswith(words) and (chunk := connection.recv(65536)):
                found += chunk
        return found
