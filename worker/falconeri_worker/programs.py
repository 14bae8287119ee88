"""Chooses how the program of a job is run. Called by `crew`, once."""

from __future__ import annotations

from falconeri.wire.work import WorkOrder
from falconeri_worker.err_cmd import TriesLeft, WithErrCmd
from falconeri_worker.one_shot import OneShot
from falconeri_worker.program import Program
from falconeri_worker.resident import Resident
from falconeri_worker.settings import Settings


def open_program(order: WorkOrder, settings: Settings, tries_left: TriesLeft) -> Program:
    """Return what runs the job's program; nothing is started yet.

    Args:
        order: The job.
        settings: The surroundings.
        tries_left: Asks how often a datum may still fail, this failure of its present attempt
            included.
    """
    kind = Resident if order.program.resident else OneShot
    program: Program = kind(order, settings)
    if not order.program.err_cmd:
        return program
    return WithErrCmd(program, order, settings, tries_left)
