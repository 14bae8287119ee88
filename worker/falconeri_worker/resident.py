"""The program that is started once and receives datums one by one, by lines of JSON.

For programs that are slow to start. The protocol is in docs/resident.md: one line to its stdin
begins a datum, one line of its stdout ends it, stderr is its log. Whatever goes wrong with the
program costs the datum in work, and the next datum gets a new one.
"""

from __future__ import annotations

from collections.abc import Sequence

from falconeri.log import get_logger
from falconeri.states import FailureClass
from falconeri.wire import codec
from falconeri.wire.work import Claim, WorkOrder
from falconeri_worker import variables
from falconeri_worker.child import CommandNotStarted, bury_orphans, quoted
from falconeri_worker.conversation import Conversation, Ended
from falconeri_worker.excerpt import Excerpt
from falconeri_worker.program import ProgramFailed, Ran, failed_to_start, took_too_long
from falconeri_worker.settings import Settings
from falconeri_worker.stopping import Stop

START_LIMIT_S = 1800.0
"""How long it may take until it is ready. `datum_timeout` doesn't count that time."""

log = get_logger(__name__)


class Resident:
    """Keeps the job's program running from one datum to the next.

    Args:
        order: The job.
        settings: The surroundings.
        start_limit_s: How long it may take to begin.
    """

    def __init__(
        self, order: WorkOrder, settings: Settings, start_limit_s: float = START_LIMIT_S
    ) -> None:
        self._order = order
        self._settings = settings
        self._start_limit_s = start_limit_s
        self._what = f"program {quoted(order.command)}"
        self._talk: Conversation | None = None

    def run(self, claim: Claim, *, stops: Sequence[Stop], output: Excerpt) -> Ran:
        """Tell the program of the datum, and wait for its answer."""
        used_before = self._talk
        try:
            talk = self._ready_to_talk()
            ended = self._work_on(talk, claim, stops, output)
            if ended.unread and talk is used_before:
                # It was about to end after its last datum: this one has done it no harm.
                self._note_restart("it ended between two datums")
                ended = self._work_on(self._ready_to_talk(), claim, stops, output)
        except CommandNotStarted as ex:
            return failed_to_start(ex)
        bury_orphans()
        return self._ran(ended)

    def close(self) -> None:
        """Let the program end by itself, by the end of its stdin; kill it if it doesn't."""
        if self._talk is not None:
            self._talk.say_goodbye()
            self._drop(self._talk)

    def _ready_to_talk(self) -> Conversation:
        """Return the running program, or a new one if that has ended or talks out of turn."""
        if self._talk is not None:
            why = self._talk.out_of_step()
            if why is None:
                return self._talk
            self._note_restart(why)
            self._drop(self._talk)
        self._talk = Conversation(
            self._order.command,
            env=variables.of_job(self._order, self._settings),
            cwd=variables.working_directory(self._order, self._settings),
        )
        return self._talk

    def _work_on(
        self, talk: Conversation, claim: Claim, stops: Sequence[Stop], output: Excerpt
    ) -> Ended:
        sound = False
        try:
            ended = talk.work_on(
                self._line(claim),
                stops=stops,
                output=output,
                start_limit_s=self._start_limit_s,
                timeout_s=self._order.program.datum_timeout_s,
            )
            sound = ended.finished is None and not any(stop.requested for stop in stops)
        finally:
            if not sound:
                self._drop(talk)
        for stop in stops:
            stop.check()
        return ended

    def _note_restart(self, why: str) -> None:
        log.warning("resident_program_restarted", job_id=self._order.job_id, reason=why)

    def _drop(self, talk: Conversation) -> None:
        self._talk = None
        talk.close()

    def _line(self, claim: Claim) -> bytes:
        start = {
            "datum_id": claim.datum_id,
            "attempt": claim.attempt,
            "inputs": [
                {"path": variables.local(each.local_path, self._settings), "uri": each.uri}
                for each in claim.inputs
            ],
        }
        return codec.encode({"start": start}) + b"\n"

    def _ran(self, ended: Ended) -> Ran:
        finished = ended.finished
        return Ran(
            failure=self._failure(ended),
            exit_code=finished.exit_code if finished else None,
            signal=finished.signal if finished else None,
            cpu_s=ended.cpu_s,
            peak_memory_bytes=ended.peak_memory_bytes,
        )

    def _failure(self, ended: Ended) -> ProgramFailed | None:
        finished = ended.finished
        if finished is not None and finished.out_of_memory:
            how = f"was killed for lack of memory: {finished.failure}"
            return ProgramFailed(f"{self._what} {how}", FailureClass.OUT_OF_MEMORY)
        if ended.timed_out and ended.was_ready:
            return took_too_long(self._what, self._order.program.datum_timeout_s)
        if ended.timed_out:
            limit = f"was not ready within {self._start_limit_s:.0f} s"
            return ProgramFailed(f"{self._what} {limit}", FailureClass.TIMEOUT)
        if (how := ended.misunderstood or _how(ended)) is not None:
            return ProgramFailed(f"{self._what} {how}")
        return None


def _how(ended: Ended) -> str | None:
    if ended.error is not None:
        return f"failed: {ended.error}"
    if ended.finished is None or ended.done:
        return None
    when = "before the datum was done" if ended.was_ready else "before it was ready"
    return f"ended {when}: {ended.finished.failure or 'exit status 0'}"
