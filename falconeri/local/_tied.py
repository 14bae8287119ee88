"""Becomes another program that the kernel kills when the thread that started it is gone.

A program of its own, started as `python -I -S _tied.py PARENT_PID PROGRAM ARGUMENTS...`. Doing this
here rather than between fork and exec keeps Python code out of a forked, multi-threaded process.
Only Linux has such a thing; elsewhere a parent that is killed leaves its children to themselves.
Imports nothing of Falconeri.
"""

import ctypes
import os
import signal
import sys
from collections.abc import Sequence

_PR_SET_PDEATHSIG = 1


def main(arguments: Sequence[str]) -> None:
    """Tie this process to its parent, then become the program."""
    parent_pid, *argv = arguments
    if sys.platform == "linux":
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0) != 0:
            sys.exit(f"prctl: {os.strerror(ctypes.get_errno())}")
    if os.getppid() != int(parent_pid):
        sys.exit("the parent was gone at once")
    os.execv(argv[0], argv)  # noqa: S606  (no shell is wanted)


if __name__ == "__main__":
    main(sys.argv[1:])
