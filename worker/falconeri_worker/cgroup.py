"""What the kernel says about memory that ran out. Called by `command`; knows nothing of it."""

from __future__ import annotations

from pathlib import Path

_ROOT = Path("/sys/fs/cgroup")


def oom_kills(root: Path = _ROOT, of: Path = Path("/proc/self/cgroup")) -> int | None:
    """Return how many processes of our cgroup were killed for lack of memory, so far.

    Args:
        root: Where cgroups are mounted.
        of: The list of our cgroups.

    Returns:
        None if this system does not tell.
    """
    for path in _candidates(root, of):
        try:
            lines = path.read_text().splitlines()
        except OSError:
            continue
        for line in lines:
            name, _, count = line.partition(" ")
            if name == "oom_kill" and count.isdigit():
                return int(count)
    return None


def _candidates(root: Path, of: Path) -> list[Path]:
    """List where the count may be, for both versions of cgroups.

    In a container the mount often shows our own group at its root, while the list still has the
    path that the node knows.
    """
    try:
        groups = [line.split(":", 2) for line in of.read_text().splitlines()]
    except OSError:
        return []
    found: list[Path] = []
    for group in groups:
        if len(group) != len(("number", "controllers", "path")):
            continue
        _, controllers, path = group
        if not controllers:
            found += [root / path.lstrip("/") / "memory.events", root / "memory.events"]
        elif "memory" in controllers.split(","):
            v1 = root / "memory"
            found += [v1 / path.lstrip("/") / "memory.oom_control", v1 / "memory.oom_control"]
    return found
