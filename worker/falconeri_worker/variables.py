"""The environment of the user's program, and the directory where it begins.

Called by `one_shot`, `resident` and `err_cmd`.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import PurePosixPath

from falconeri.wire.work import Claim, WorkOrder
from falconeri_worker import directories
from falconeri_worker.environment import of_the_container
from falconeri_worker.settings import Settings

_NOT_FOR_COMMANDS = ("FALCONERI_PASSWORD", "FALCONERI_SPACE", "FALCONERI_LISTEN_DSN")


def of_job(
    order: WorkOrder, settings: Settings, environ: Mapping[str, str] = os.environ
) -> dict[str, str]:
    """Return what holds for all datums: the pod's variables without the password's, and ours."""
    inherited = {
        name: value
        for name, value in of_the_container(environ).items()
        if not name.startswith(_NOT_FOR_COMMANDS)
    }
    return inherited | {
        "FALCONERI_PFS": str(settings.pfs),
        "FALCONERI_SCRATCH": str(settings.scratch),
        "FALCONERI_JOB_ID": str(order.job_id),
    }


def of_datum(
    order: WorkOrder, settings: Settings, claim: Claim, environ: Mapping[str, str] = os.environ
) -> dict[str, str]:
    """Return what a command for a single datum gets.

    A variable with the name of each repo says where its input is: the one file or directory, or, if
    the datum has several of this repo, the repo's directory. What there is already stays, lest a
    repo called `PATH` hide all programs.
    """
    environment = of_job(order, settings, environ)
    environment |= {
        "FALCONERI_DATUM_ID": str(claim.datum_id),
        "FALCONERI_ATTEMPT": str(claim.attempt),
    }
    return _paths(claim, settings) | environment


def working_directory(order: WorkOrder, settings: Settings) -> str | None:
    """Return where the program begins, or None for where the worker is: the image's directory."""
    if order.program.working_dir is None:
        return None
    return local(order.program.working_dir, settings)


def local(path: str, settings: Settings) -> str:
    """Return a path of falconerid's as it is here, where `/pfs` may be another directory."""
    wire = PurePosixPath(path)
    if directories.WIRE_PFS not in (wire, *wire.parents):
        return path
    return str(settings.pfs / wire.relative_to(directories.WIRE_PFS))


def _paths(claim: Claim, settings: Settings) -> dict[str, str]:
    paths: dict[str, set[PurePosixPath]] = {}
    for each in claim.inputs:
        path = PurePosixPath(each.local_path).relative_to(directories.WIRE_PFS)
        paths.setdefault(path.parts[0], set()).add(path)
    return {
        repo: str(settings.pfs / (found.pop() if len(found) == 1 else repo))
        for repo, found in paths.items()
    }
