"""Ports of this machine: free ones, taken ones, and whether falconerid answers at one.

Called by `falconeri.local.stack` alone.
"""

from __future__ import annotations

import contextlib
import http.client
import socket

from falconeri.errors import Unavailable

HOST = "127.0.0.1"  # not localhost, which may be ::1 first


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
    """Choose two ports that nobody uses at this moment."""
    with contextlib.ExitStack() as probes:
        sockets = [probes.enter_context(contextlib.closing(socket.socket())) for _ in range(2)]
        for each in sockets:
            each.bind((HOST, 0))
        first, second = (int(each.getsockname()[1]) for each in sockets)
        return first, second


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
