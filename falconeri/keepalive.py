"""Notices on idle connections that the other side has vanished without a word: in half a minute.

Without it that takes two hours. One home for the figures, in libpq's terms and the kernel's. Called
by whatever makes connections that are silent for long.
"""

from __future__ import annotations

import socket
import sys
from typing import Any

IDLE_S = 15
INTERVAL_S = 5
PROBES = 3

LIBPQ: dict[str, Any] = {
    "keepalives_idle": IDLE_S,
    "keepalives_interval": INTERVAL_S,
    "keepalives_count": PROBES,
}
"""The parameters of a connection to PostgreSQL."""


def socket_options() -> list[tuple[int, int, int]]:
    """Level, name and value of each option; off Linux, where names differ, only the first."""
    options = [(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)]
    if sys.platform == "linux":
        options += [
            (socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, IDLE_S),
            (socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, INTERVAL_S),
            (socket.IPPROTO_TCP, socket.TCP_KEEPCNT, PROBES),
        ]
    return options
