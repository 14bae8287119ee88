"""How long a falconerid takes from its start to its first "ready", and its libraries alone."""

from __future__ import annotations

import http.client
import subprocess
import sys
import time
from pathlib import Path

from benchmarks.http_tier.servers import NotStarted, falconerid
from falconeri.local._ports import HOST

_LIBRARIES = "import falcon.asgi, prometheus_client, psycopg_pool, typer, uvicorn, waitress"


def start_s(database_url: str, state: Path) -> float:
    """Seconds until `/readyz` says that requests can come, the database being there.

    Raises:
        NotStarted: It says something else.
    """
    began_s = time.monotonic()
    with falconerid(database_url, state) as api:
        connection = http.client.HTTPConnection(HOST, api.port, timeout=30)
        connection.request("GET", "/readyz")
        status = connection.getresponse().status
        took_s = time.monotonic() - began_s
        connection.close()
    if status != http.client.OK:
        raise NotStarted(f"falconerid answers /readyz with {status}")
    return took_s


def libraries_s() -> float:
    """Seconds that a Python takes which loads the same libraries and ends."""
    began_s = time.monotonic()
    subprocess.run([sys.executable, "-c", _LIBRARIES], check=True)
    return time.monotonic() - began_s
