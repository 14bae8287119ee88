"""Finds out whether pods of this machine can have a root of their own, with their own `/pfs`.

Called once by `local`.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from falconeri.cluster.plan import PodPlan
from falconeri.cluster.pod import Pod


def why_no_private_root(pods: Path) -> str | None:
    """Say what stands against it, or None.

    Args:
        pods: The directory for pods; one is made in it and removed.
    """
    if sys.platform != "linux":
        return "it takes Linux"
    return _covered(pods, Path(sys.prefix), Path(sys.base_prefix)) or _try(pods / "probe")


def _covered(*needed: Path) -> str | None:
    """Say if something that workers need would disappear behind their own `/pfs` or `/scratch`."""
    for path in needed:
        for top in ("/pfs", "/scratch"):
            if path.resolve().is_relative_to(Path(top).resolve()):
                return f"{path} lies below the machine's {top}"
    return None


def _try(directory: Path) -> str | None:
    """Have a pod look into its own `/pfs`, and say why it doesn't work."""
    pod = Pod(directory)
    pfs = directory / "pfs"
    (pfs / "seen").mkdir(parents=True)
    pod.launch(PodPlan(os.environ, directory, [(pfs, "/pfs")]), ["ls", "/pfs/seen"])
    end = pod.wait()
    reason = None if end.exit_code == 0 else f"{end.message}: {pod.last_words()}"
    pod.discard()
    return reason
