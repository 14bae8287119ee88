"""The program that is started for each datum, and ends with it: the usual one."""

from __future__ import annotations

from collections.abc import Sequence

from falconeri.wire.work import Claim, WorkOrder
from falconeri_worker import command, variables
from falconeri_worker.child import CommandNotStarted
from falconeri_worker.command import Command
from falconeri_worker.excerpt import Excerpt
from falconeri_worker.program import Ran, failed_to_start, ran
from falconeri_worker.settings import Settings
from falconeri_worker.stopping import Stop


class OneShot:
    """Runs the job's command.

    Args:
        order: The job.
        settings: The surroundings.
    """

    def __init__(self, order: WorkOrder, settings: Settings) -> None:
        self._order = order
        self._settings = settings

    def run(self, claim: Claim, *, stops: Sequence[Stop], output: Excerpt) -> Ran:
        """Start the command and wait for its end."""
        options = self._order.program
        to_run = Command(
            argv=self._order.command,
            env=variables.of_datum(self._order, self._settings, claim),
            cwd=variables.working_directory(self._order, self._settings),
            stdin=lines(options.stdin),
            timeout_s=options.datum_timeout_s,
        )
        try:
            finished = command.run(to_run, stops=stops, output=output)
        except CommandNotStarted as ex:
            return failed_to_start(ex)
        accepted = finished.exit_code in options.accept_return_code
        return ran(to_run.argv, finished, timeout_s=options.datum_timeout_s, accepted=accepted)

    def close(self) -> None:
        """Nothing runs between datums."""


def lines(stdin: Sequence[str]) -> bytes:
    """Return what a program reads from stdin."""
    return "".join(f"{line}\n" for line in stdin).encode()
