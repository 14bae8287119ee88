"""Chooses how the program of a job is run. Called by `loop`, once."""

from __future__ import annotations

from falconeri.wire.work import WorkOrder
from falconeri_worker.one_shot import OneShot
from falconeri_worker.program import Program
from falconeri_worker.settings import Settings


def open_program(order: WorkOrder, settings: Settings) -> Program:
    """Return what runs the job's program; nothing is started yet."""
    return OneShot(order, settings)
