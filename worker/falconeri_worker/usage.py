"""What a process that goes on running has used so far. Called by `conversation`. Linux only."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

_TIMES = slice(11, 15)
"""utime, stime, cutime, cstime: in /proc/PID/stat, after the name in parentheses."""

_FORGET_PEAK = "5"


def cpu_s(pid: int) -> float | None:
    """Return the time of a process and of the children it waited for; None if nobody tells."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_bytes()
        times = stat[stat.rindex(b")") + 1 :].split()[_TIMES]
        return sum(map(int, times)) / os.sysconf("SC_CLK_TCK")
    except (OSError, ValueError):
        return None


def peak_memory_bytes(pid: int) -> int | None:
    """Return the most that a process had at once since `forget_peak`; None if nobody tells."""
    try:
        status = Path(f"/proc/{pid}/status").read_text(errors="replace")
    except OSError:
        return None
    for line in status.splitlines():
        name, _, value = line.partition(":")
        if name == "VmHWM":
            return int(value.split()[0]) * 1024
    return None


def forget_peak(pid: int) -> None:
    """Count the peak anew from now on, where that may be asked."""
    with contextlib.suppress(OSError):
        Path(f"/proc/{pid}/clear_refs").write_text(_FORGET_PEAK)
