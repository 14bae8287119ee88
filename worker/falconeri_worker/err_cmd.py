"""What a job does about a datum whose program has failed as often as it may: run `err_cmd`.

If that succeeds, the datum is recovered: it counts as done and has no outputs; its failure is kept.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from falconeri.states import FailureClass
from falconeri.wire.work import Claim, WorkOrder
from falconeri_worker import command, variables
from falconeri_worker.child import CommandNotStarted
from falconeri_worker.command import Command
from falconeri_worker.excerpt import Excerpt, printable
from falconeri_worker.one_shot import lines
from falconeri_worker.program import Program, ProgramFailed, Ran, failed_to_start, ran
from falconeri_worker.settings import Settings
from falconeri_worker.stopping import Stop

TriesLeft = Callable[[Claim, FailureClass], int]

_ERROR_CHARACTERS = 8 * 1024
"""More than it ever has, and less than the kernel takes for a variable."""


class WithErrCmd:
    """A program, and `err_cmd` after it.

    Args:
        program: The program.
        order: The job; it has an `err_cmd`.
        settings: The surroundings.
        tries_left: Asks how often a datum may still fail, this failure of its present attempt
            included.
    """

    def __init__(
        self,
        program: Program,
        order: WorkOrder,
        settings: Settings,
        tries_left: TriesLeft,
    ) -> None:
        self._program = program
        self._order = order
        self._settings = settings
        self._tries_left = tries_left

    def run(self, claim: Claim, *, stops: Sequence[Stop], output: Excerpt) -> Ran:
        """Run the program; after a failure that would decide the datum, `err_cmd`."""
        first = self._program.run(claim, stops=stops, output=output)
        if first.failure is None:
            return first
        if self._tries_left(claim, first.failure.failure_class) > 1:
            return first
        second = self._run_err_cmd(claim, first.failure, stops, output)
        both = replace(
            first,
            cpu_s=(first.cpu_s or 0.0) + (second.cpu_s or 0.0),
            peak_memory_bytes=max(first.peak_memory_bytes or 0, second.peak_memory_bytes or 0),
        )
        if second.failure is None:
            return replace(both, recovered=True)
        message = f"{first.failure}; err_cmd: {second.failure}"
        return replace(both, failure=ProgramFailed(message, first.failure.failure_class))

    def close(self) -> None:
        """Leave nothing running."""
        self._program.close()

    def _run_err_cmd(
        self, claim: Claim, failure: ProgramFailed, stops: Sequence[Stop], output: Excerpt
    ) -> Ran:
        options = self._order.program
        to_run = Command(
            argv=options.err_cmd,
            env=variables.of_datum(self._order, self._settings, claim)
            | {
                "FALCONERI_ERROR": printable(str(failure))[:_ERROR_CHARACTERS],
                "FALCONERI_ERROR_CLASS": failure.failure_class,
            },
            cwd=variables.working_directory(self._order, self._settings),
            stdin=lines(options.err_stdin),
            timeout_s=options.datum_timeout_s,
        )
        try:
            finished = command.run(to_run, stops=stops, output=output)
        except CommandNotStarted as ex:
            return failed_to_start(ex)
        return ran(to_run.argv, finished, timeout_s=options.datum_timeout_s, accepted=False)
