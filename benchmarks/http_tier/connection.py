"""A keep-alive connection that sends what a worker's client sends, at a tenth of its cost.

Server and clients share the machine here, and a worker's client takes a good part of it, which is
not what is to be measured. The bytes are the same, in the same two pieces: first the header, then
the body.
"""

from __future__ import annotations

import base64
import socket
from dataclasses import dataclass

from falconeri import __version__
from falconeri.client.transport import USER

_CHUNK_BYTES = 2**16


class Refused(Exception):
    """Another status than 200, or no answer at all; the message is what there is of it."""


@dataclass(frozen=True)
class Login:
    """Where falconerid is, and who calls."""

    host: str
    port: int
    password: str


class Connection:
    """One connection; one request at a time."""

    def __init__(self, login: Login) -> None:
        self._socket = socket.create_connection((login.host, login.port))
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._received = b""
        token = base64.b64encode(f"{USER}:{login.password}".encode()).decode()
        self._host = f"Host: {login.host}:{login.port}"
        self._headers = (
            f"Authorization: Basic {token}\r\nAccept: application/json\r\n"
            f"User-Agent: falconeri/{__version__}\r\nContent-Type: application/json\r\n\r\n"
        )

    def fileno(self) -> int:
        """For `select`."""
        return self._socket.fileno()

    def send(self, path: str, body: bytes) -> None:
        """Begin a POST."""
        head = (
            f"POST {path} HTTP/1.1\r\n{self._host}\r\nAccept-Encoding: identity\r\n"
            f"Content-Length: {len(body)}\r\n{self._headers}"
        )
        self._socket.sendall(head.encode())
        self._socket.sendall(body)

    def receive(self) -> bytes | None:
        """Take what has come, or wait for something; the answer's body once all of it is there.

        Raises:
            Refused: Another status than 200, or the connection has ended.
        """
        chunk = self._socket.recv(_CHUNK_BYTES)
        self._received += chunk
        head, end, body = self._received.partition(b"\r\n\r\n")
        length = _length(head) if end else -1
        if len(body) != length:
            if not chunk:
                raise Refused(f"cut off after {self._received!r}")
            return None
        if not head.startswith(b"HTTP/1.1 200 "):
            raise Refused(self._received.decode(errors="replace"))
        self._received = b""
        return body

    def ask(self, path: str, body: bytes) -> bytes:
        """Make a POST and wait for its answer.

        Raises:
            Refused: See `receive`.
        """
        self.send(path, body)
        while (answer := self.receive()) is None:
            pass
        return answer

    def close(self) -> None:
        """Go."""
        self._socket.close()


def _length(head: bytes) -> int:
    for line in head.split(b"\r\n"):
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            return int(value)
    return -1  # of no body: then the end of the connection is waited for, and refused
