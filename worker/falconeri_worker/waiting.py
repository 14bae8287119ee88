"""How a worker without a datum waits for the next one, or for the job's end.

Called by `crew`. The usual way is to be told by the waiting port; asking again and again is what
remains when that port can't be reached.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Protocol
from uuid import UUID

from falconeri.client.work import WorkClient
from falconeri.errors import FalconeriError, JobNotFound, JobNotRunning, Unauthorized
from falconeri.log import get_logger
from falconeri.states import Verdict
from falconeri.wire.work import WaitForWork, WorkAnswer, WorkerIdentity
from falconeri_worker.patience import EARLY_PAUSE_S, Patience

_FIRST_POLL_S = 2.0
_LONGEST_POLL_S = 30.0

log = get_logger(__name__)


class Waiting(Protocol):
    """A way to wait for work."""

    def ask(self) -> WorkAnswer:
        """Wait a while; return `claimed`, `ended`, or `empty` for: ask again.

        Raises:
            JobNotFound: There is no such job any more.
            JobNotRunning: It has ended.
        """
        ...


class Told(Waiting):
    """The waiting port holds the answer until there is work.

    Args:
        client: To the waiting port; tries once.
        job_id: Whose work.
        identity: Who waits.
        pause: How to sleep.
    """

    def __init__(
        self,
        client: WorkClient,
        job_id: UUID,
        identity: WorkerIdentity,
        *,
        pause: Callable[[float], None],
    ) -> None:
        self._client = client
        self._job_id = job_id
        self._identity = identity
        self._pause = pause
        self._patience = Patience()

    def ask(self) -> WorkAnswer:
        """Wait up to `MAX_HOLD_S` seconds, if nothing between us minds."""
        answer, early = self._patience.spend(self._wait)
        if answer.verdict is Verdict.EMPTY and early:
            self._pause(random.uniform(0, EARLY_PAUSE_S))  # noqa: S311
        return answer

    def _wait(self, hold_s: float) -> WorkAnswer:
        who = self._identity
        wish = WaitForWork(
            pod_name=who.pod_name, node_name=who.node_name, hold_s=hold_s, rung=who.rung
        )
        return self._client.wait_for_work(self._job_id, wish)


class Polled(Waiting):
    """Asks for a datum after pauses that grow up to half a minute.

    Args:
        claim: Asks falconerid's REST port.
        pause: How to sleep.
    """

    def __init__(self, claim: Callable[[], WorkAnswer], *, pause: Callable[[float], None]) -> None:
        self._claim = claim
        self._pause = pause
        self._longest_s = _FIRST_POLL_S

    def ask(self) -> WorkAnswer:
        """Pause and ask."""
        self._pause(random.uniform(self._longest_s / 2, self._longest_s))  # noqa: S311
        self._longest_s = min(2 * self._longest_s, _LONGEST_POLL_S)
        return self._claim()

    def reset(self) -> None:
        """Begin with short pauses again."""
        self._longest_s = _FIRST_POLL_S


class ToldOrPolled(Waiting):
    """Polls as long as the waiting port can't be used, and tries that again after each poll."""

    def __init__(self, told: Waiting, polled: Polled) -> None:
        self._told = told
        self._polled = polled

    def ask(self) -> WorkAnswer:
        """Wait in the better way that works."""
        try:
            answer = self._told.ask()
        except (JobNotFound, JobNotRunning, Unauthorized):
            raise
        except FalconeriError as ex:
            log.info("waiting_port_not_usable", error=str(ex))
            return self._polled.ask()
        self._polled.reset()
        return answer
