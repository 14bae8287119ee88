"""The servers that are measured: falconerid as a process of its own, and what it has used."""

from __future__ import annotations

import os
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

from benchmarks.http_tier import talk
from benchmarks.http_tier.connection import Login
from falconeri.local._ports import HOST, free_ports, is_healthy
from falconeri.tokens import make_token

_TICKS_PER_S = os.sysconf("SC_CLK_TCK")
_LIMIT_S = 30.0


class NotStarted(Exception):
    """A server that is to be measured doesn't answer."""


@dataclass(frozen=True)
class Running:
    """A server that runs."""

    pid: int
    port: int
    wait_port: int
    password: str

    def login(self, job_id: UUID, *, waiting: bool = False) -> Login:
        """What a worker of a job needs to call it."""
        port = self.wait_port if waiting else self.port
        return Login(HOST, port, make_token(self.password, job_id))

    def admin(self) -> Login:
        """What the admin needs to call it."""
        return Login(HOST, self.port, self.password)

    def cpu_s(self) -> float:
        """The processor time that it has used so far."""
        return cpu_s(self.pid)

    def memory_bytes(self) -> int:
        """Its resident memory."""
        pages = int(Path(f"/proc/{self.pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE")


def cpu_s(pid: int) -> float:
    """The processor time that a process has used so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS_PER_S


@contextmanager
def falconerid(database_url: str, state: Path) -> Generator[Running]:
    """A falconerid with its default settings, ready for requests.

    Raises:
        NotStarted: It isn't ready after half a minute; it has said why.
    """
    port, wait_port = free_ports()
    password = secrets.token_hex(16)
    settings = {
        "FALCONERI_DATABASE_URL": database_url,
        "FALCONERI_PASSWORD": password,
        "FALCONERI_LISTEN_HOST": HOST,
        "FALCONERI_PORT": str(port),
        "FALCONERI_WAIT_PORT": str(wait_port),
        "FALCONERI_STATE": str(state),
        "FALCONERI_LOG": "warning",
    }
    with subprocess.Popen(
        [sys.executable, "-P", "-m", "falconeri.daemon", "serve"], env=os.environ | settings
    ) as process:
        try:
            deadline = time.monotonic() + _LIMIT_S
            while not is_healthy(port):
                if process.poll() is not None or time.monotonic() > deadline:
                    raise NotStarted("falconerid")
                time.sleep(0.01)
            yield Running(process.pid, port, wait_port, password)
        finally:
            process.send_signal(signal.SIGTERM)


@contextmanager
def empty() -> Generator[Running]:
    """A server that does nothing, behind the same Waitress."""
    port, wait_port = free_ports()
    with talk.running("empty", port) as program:
        program.hear(str)
        yield Running(program.pid, port, wait_port, "")
