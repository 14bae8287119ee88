"""The user's program, as a datum sees it: it is run over the files that are in `/pfs` just then.

Called by `datum`. `one_shot` starts a command for each datum, `resident` one for all of them, and
`err_cmd` adds what happens after a failure; `programs` chooses. None of them knows where the files
come from.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from falconeri.states import FailureClass
from falconeri.wire.work import Claim
from falconeri_worker.child import CommandNotStarted, quoted
from falconeri_worker.command import Finished
from falconeri_worker.excerpt import Excerpt
from falconeri_worker.stopping import Stop


class ProgramFailed(Exception):
    """It did not come to a good end; the message says how."""

    def __init__(self, message: str, failure_class: FailureClass = FailureClass.COMMAND) -> None:
        super().__init__(message)
        self.failure_class = failure_class


@dataclass(frozen=True, kw_only=True)
class Ran:
    """How the program of a datum ended, and what it used."""

    failure: ProgramFailed | None = None
    recovered: bool = False
    """Its failure is made up for: the datum is done, without outputs."""
    exit_code: int | None = None
    signal: int | None = None
    cpu_s: float | None = None
    peak_memory_bytes: int | None = None


class Program(Protocol):
    """Runs over one datum at a time."""

    def run(self, claim: Claim, *, stops: Sequence[Stop], output: Excerpt) -> Ran:
        """Run over the datum whose inputs are there, to the end.

        Args:
            claim: The datum.
            stops: Wishes to stop.
            output: Gets what it prints, while it prints.

        Raises:
            BaseException: The reason of the wish to stop that came true; nothing works on the datum
                any more.
        """
        ...

    def close(self) -> None:
        """Leave nothing running."""
        ...


def failed_to_start(error: CommandNotStarted) -> Ran:
    """Return how a program ended that did not even begin."""
    return Ran(failure=ProgramFailed(str(error)))


def ran(argv: Sequence[str], finished: Finished, *, timeout_s: int | None, accepted: bool) -> Ran:
    """Return how a command ended.

    Args:
        argv: The command.
        finished: What is known of its process.
        timeout_s: How long it might run.
        accepted: Whether its exit code is as good as 0.
    """
    return Ran(
        failure=_failure(quoted(argv), finished, timeout_s=timeout_s, accepted=accepted),
        exit_code=finished.exit_code,
        signal=finished.signal,
        cpu_s=finished.cpu_s,
        peak_memory_bytes=finished.peak_memory_bytes,
    )


def took_too_long(what: str, timeout_s: int | None) -> ProgramFailed:
    """Return the failure of what was stopped for the time that it took."""
    limit = f"datum_timeout: {timeout_s} s"
    return ProgramFailed(f"{what} took too long ({limit})", FailureClass.TIMEOUT)


def _failure(
    command: str, finished: Finished, *, timeout_s: int | None, accepted: bool
) -> ProgramFailed | None:
    if finished.out_of_memory:
        how = f"was killed for lack of memory: {finished.failure}"
        return ProgramFailed(f"command {command} {how}", FailureClass.OUT_OF_MEMORY)
    if finished.timed_out:
        return took_too_long(f"command {command}", timeout_s)
    if finished.failure is None or accepted:
        return None
    return ProgramFailed(f"command {command} failed: {finished.failure}")
