"""How long the worker of a bundle takes from its start to its first request."""

from __future__ import annotations

import os
import socket
import subprocess
import time
from pathlib import Path
from uuid import uuid4

_LIMIT_S = 60.0


def first_request_s(bundle: Path, work: Path) -> float:
    """Seconds until the first byte of it has come.

    Raises:
        TimeoutError: None has.
    """
    password = work / "password"
    password.write_text("secret")
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(_LIMIT_S)
        environment = {
            "FALCONERI_URL": f"http://127.0.0.1:{server.getsockname()[1]}/",
            "FALCONERI_PASSWORD_FILE": str(password),
            "FALCONERI_POD_NAME": "pod",
            "FALCONERI_NODE_NAME": "node",
            "FALCONERI_PFS": str(work / "pfs"),
            "FALCONERI_SCRATCH": str(work / "scratch"),
        }
        began_s = time.perf_counter()
        worker = subprocess.Popen(
            [bundle / "falconeri-worker", str(uuid4())], env=environment, stderr=subprocess.DEVNULL
        )
        try:
            connection, _ = server.accept()
            with connection:
                connection.recv(1)
                return time.perf_counter() - began_s
        finally:
            worker.kill()
            worker.wait()


def bare_start_s(bundle: Path) -> float:
    """Seconds that the bundle's Python takes to do nothing."""
    loader = next((bundle / "lib").glob("ld-linux*"))
    command = [loader, "--library-path", bundle / "lib", bundle / "bin" / "python3"]
    began_s = time.perf_counter()
    subprocess.run(
        [*command, "-I", "-S", "-c", "pass"],
        env=os.environ | {"PYTHONHOME": str(bundle)},
        check=True,
    )
    return time.perf_counter() - began_s
