"""Workers to start, and ways to see what became of them."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeVar
from uuid import uuid4

from falconeri.cluster.base import WorkersSpec
from falconeri.cluster.leftovers import MARKER

T = TypeVar("T")

_PATIENCE_S = 30.0


def make_workers(
    transform: Mapping[str, object] | None = None,
    *,
    parallelism: int = 1,
    job_name: str = "words-abc123",
) -> WorkersSpec:
    """The workers of a fresh job; `transform` replaces parts of its spec's `transform`."""
    return WorkersSpec(
        job_id=uuid4(),
        job_name=job_name,
        spec={"transform": {"cmd": ["true"], "image": "words:1", **(transform or {})}},
        parallelism=parallelism,
        token="t0ken",
    )


def shell(script: str) -> tuple[str, ...]:
    """A worker that is a shell script."""
    return ("/bin/sh", "-euc", script, "worker")


def eventually(look: Callable[[], T], *, what: str) -> T:
    """Look again and again until something true is seen, and return it."""
    deadline = time.monotonic() + _PATIENCE_S
    pause = threading.Event()
    while not (seen := look()):
        assert time.monotonic() < deadline, f"never saw {what}"
        pause.wait(0.01)
    return seen


def is_alive(pid: int) -> bool:
    """Whether a process exists and is more than an entry that waits for its parent."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8")
    except (FileNotFoundError, ProcessLookupError):
        return False
    return stat.rpartition(")")[2].split()[0] != "Z"


def pids_below(state: Path) -> dict[int, str]:
    """The live processes of all pods in a state directory, with their command lines."""
    marker = os.fsencode(f"{MARKER}={state.resolve()}/pods/")
    found: dict[int, str] = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            entries = (folder / "environ").read_bytes().split(b"\0")
            line = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode()
        except OSError:
            continue
        if any(entry.startswith(marker) for entry in entries):
            found[int(folder.name)] = line
    return found


def mounts() -> list[str]:
    """This process's mounts."""
    return Path("/proc/self/mountinfo").read_text(encoding="utf-8").splitlines()
