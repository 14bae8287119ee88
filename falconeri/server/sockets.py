"""Listening sockets, bound before anything is started that would have to be stopped again."""

from __future__ import annotations

import resource
import socket
import sys

from falconeri import keepalive
from falconeri.errors import Unavailable


def bound(host: str, port: int, *, shared: bool) -> list[socket.socket]:
    """Bind a port of each address of a host.

    Args:
        shared: Other processes of ours may bind it, too: the kernel spreads the connections.

    Raises:
        Unavailable: It is taken, or can't be had.
    """
    sockets: list[socket.socket] = []
    try:
        found = socket.getaddrinfo(
            host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )
        for family, _, _, _, address in dict.fromkeys(found):
            listener = socket.socket(family, socket.SOCK_STREAM)
            sockets.append(listener)
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if shared:
                listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            if family == socket.AF_INET6:
                listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            listener.bind(address)
    except OSError as ex:
        for listener in sockets:
            listener.close()
        raise Unavailable(f"can't listen on port {port}", detail=str(ex)) from ex
    return sockets


def allow_many() -> None:
    """Let this process have as many connections as the system grants; 1,024 is a usual default."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def drop_unheard(connection: socket.socket, *, after_s: float) -> None:
    """Have the kernel drop a peer that is silent for too long.

    One that has vanished without a word is noticed though nothing is sent to it. One that has
    acknowledged nothing of what was sent for so long may read nothing at all: without this, what is
    sent now and then piles up for a quarter of an hour. Linux only; elsewhere that is so.
    """
    for option in keepalive.socket_options():
        connection.setsockopt(*option)
    if sys.platform == "linux":
        limit_ms = round(after_s * 1000)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, limit_ms)
