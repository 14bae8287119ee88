"""Ports of this machine: free ones, taken ones, and whether falconerid answers at one.

Called by `falconeri.local.stack`.
"""

from __future__ import annotations

import contextlib
import http.client
import random
import socket

from falconeri.errors import Unavailable

HOST = "127.0.0.1"  # not localhost, which may be ::1 first

_UNASSIGNED = (20_000, 32_000)
"""Linux assigns from 32,768 on, the other systems from 49,152."""


def is_healthy(port: int) -> bool:
    """Say whether a falconerid at this port is ready for requests."""
    connection = http.client.HTTPConnection(HOST, port, timeout=5)
    try:
        connection.request("GET", "/healthz")
        return connection.getresponse().status == http.client.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def free_ports() -> tuple[int, int]:
    """Choose two neighbouring ports that nobody uses at this moment.

    Below those that the system gives away by itself: one of these could be a client's by the time
    that falconerid binds it.
    """
    while True:
        first = random.randrange(*_UNASSIGNED, 2)  # noqa: S311 - to differ, not to be secret
        with contextlib.suppress(Unavailable):
            require_free(first)
            require_free(first + 1)
            return first, first + 1


def require_free(port: int) -> None:
    """Find out early and clearly.

    Raises:
        Unavailable: Another program listens there.
    """
    with contextlib.closing(socket.socket()) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError as ex:
            raise Unavailable(
                f"port {port} cannot be used",
                detail=ex.strerror or str(ex),
                hint="--port chooses another one; the one above it is used as well",
            ) from ex
