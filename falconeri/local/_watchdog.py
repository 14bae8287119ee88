"""Runs one PostgreSQL server and stops it when the process that wanted it is gone.

A program of its own, started as `python -I -S _watchdog.py OWNER_FD LOCK_FD UID GID SERVER...`:

- OWNER_FD: the reading end of a pipe. Its end of file means that the owner has closed the
  writing end or has died, however suddenly.
- LOCK_FD: a locked file, which the server inherits: it is locked as long as one of its
  processes lives, so that nobody has to guess from process ids.
- UID, GID: whom the server runs as; "-" for the same as the watchdog.

It ends with the server, and with its exit status. Imports nothing of Falconeri.
"""

import ctypes
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Sequence
from types import FrameType

_FAST_SHUTDOWN_LIMIT_S = 30.0
_PR_SET_PDEATHSIG = 1


def main(arguments: Sequence[str]) -> int:
    """Run the server until it ends by itself or has to."""
    owner_fd, lock_fd, uid, gid, *server_argv = arguments
    as_root = uid != "-"
    server = subprocess.Popen(
        server_argv,
        stdin=subprocess.DEVNULL,
        pass_fds=[int(lock_fd)],
        cwd="/",
        user=int(uid) if as_root else None,
        group=int(gid) if as_root else None,
        extra_groups=[] if as_root else None,
        preexec_fn=_end_with_watchdog,  # noqa: PLW1509 - there is no other thread yet
    )

    def shut_down(_number: int, _frame: FrameType | None) -> None:
        server.send_signal(signal.SIGINT)  # "fast": ends sessions, writes a checkpoint

    for ending in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(ending, shut_down)
    threading.Thread(target=_end_with_owner, args=(int(owner_fd), server), daemon=True).start()
    return server.wait()


def _end_with_watchdog() -> None:
    """Have this process shut down also when the watchdog itself is killed. Linux only."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGINT, 0, 0, 0)


def _end_with_owner(owner_fd: int, server: subprocess.Popen[bytes]) -> None:
    while os.read(owner_fd, 1):
        pass
    server.send_signal(signal.SIGINT)
    try:
        server.wait(_FAST_SHUTDOWN_LIMIT_S)
    except subprocess.TimeoutExpired:
        server.send_signal(signal.SIGQUIT)  # "immediate": the next start replays the log


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
