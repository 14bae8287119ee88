"""Keeps the claims of this worker alive, and notices when they are not its own any more.

Each beat also tells what the programs have printed last, if that is news. A thread beside the work.
Errors of the network are logged: two beats may fail before a lease ends.
"""

from __future__ import annotations

import math
import random
import threading
import time
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from uuid import UUID

from falconeri.client.work import WorkClient
from falconeri.errors import ClaimLost, FalconeriError, JobNotFound, JobNotRunning
from falconeri.log import get_logger
from falconeri.wire.work import Claim, Held, WorkOrder
from falconeri.wire.work import Heartbeat as Beat
from falconeri_worker.excerpt import Excerpt
from falconeri_worker.stopping import Stop

BEATS_PER_LEASE = 3
_SOONER = 4

TAIL_BYTES = 4096
"""How much of what a program has printed last is told; falconerid keeps no more."""

log = get_logger(__name__)


@dataclass(frozen=True)
class _Holding:
    """A claim, the wish to stop its work, and what its program prints."""

    claim: Claim
    lost: Stop
    output: Excerpt
    since: float

    def said(self) -> Held:
        tail = self.output.last_lines(TAIL_BYTES)
        return Held(self.claim.datum_id, self.claim.attempt, tail or None)


class Heartbeat:
    """Beats while something is held.

    Args:
        client: Tries each call once, within less than `order.lease_s / 3`.
        order: The job and its lease.
        pod_name: Who holds.
    """

    def __init__(self, client: WorkClient, order: WorkOrder, pod_name: str) -> None:
        self._client = client
        self._job_id = order.job_id
        self._log = log.bind(job_id=order.job_id)
        self._interval_s = order.lease_s / BEATS_PER_LEASE
        self._pod_name = pod_name
        self._lock = threading.Lock()
        self._held: dict[UUID, _Holding] = {}
        self._answered = -math.inf
        self._told: list[Held] = []
        self._closed = threading.Event()

    def start(self) -> None:
        """Start the thread; it ends with the process, or with `close`."""
        threading.Thread(target=self._run, name="falconeri-heartbeat", daemon=True).start()

    def close(self) -> None:
        """Beat no more."""
        self._closed.set()

    @contextmanager
    def holding(self, claim: Claim, output: Excerpt) -> Generator[Stop]:
        """Hold a claim in this block; gives the wish to stop that is made when it is lost.

        Its reason is ClaimLost, or JobNotRunning when the whole job has ended.

        Args:
            output: What its program prints.
        """
        lost = Stop()
        with self._lock:
            self._held[claim.datum_id] = _Holding(claim, lost, output, time.monotonic())
        try:
            yield lost
        finally:
            with self._lock:  # `beat` must not use a closed pipe
                del self._held[claim.datum_id]
                lost.close()

    def is_sure_of(self, claim: Claim) -> bool:
        """Whether nobody else can have this claim: its lease was extended not long ago.

        While falconerid doesn't answer, leases end, and nothing may be written that somebody else
        may be writing.
        """
        with self._lock:
            held = self._held.get(claim.datum_id)
            since = max(self._answered, held.since if held else -math.inf)
        return time.monotonic() - since < (BEATS_PER_LEASE - 1) * self._interval_s

    def stop_all(self, reason: FalconeriError) -> None:
        """Make the wish for all that is held: the job has ended."""
        with self._lock:
            for each in self._held.values():
                each.lost.request(reason)

    def beat(self) -> bool:
        """Send one heartbeat if anything is held; return False if that failed."""
        with self._lock:
            held = dict(self._held)
        if not held:
            return True
        said = [each.said() for each in held.values()]
        # Nothing new: falconerid keeps what it was told, which costs it nothing.
        quiet = [Held(each.datum_id, each.attempt) for each in said]
        begun = time.monotonic()
        beat = Beat(pod_name=self._pod_name, held=quiet if said == self._told else said)
        try:
            answer = self._client.heartbeat(self._job_id, beat)
        except (JobNotFound, JobNotRunning, ClaimLost) as ex:
            self._stop(held, list(held), ex)
        except FalconeriError as ex:
            self._log.warning("heartbeat_failed", error=str(ex))
            return False
        else:
            self._answered = begun
            self._told = said
            self._stop(held, answer.lost, ClaimLost(detail="falconerid answered a heartbeat"))
            if answer.job_status.finished:
                ended = JobNotRunning(detail=f"the job is {answer.job_status}")
                self._stop(held, list(held), ended)
        return True

    def _stop(self, asked: dict[UUID, _Holding], lost: list[UUID], reason: FalconeriError) -> None:
        """Make the wish for those that are lost and were not let go meanwhile."""
        with self._lock:
            for datum_id in lost:
                if datum_id in asked and self._held.get(datum_id) is asked[datum_id]:
                    asked[datum_id].lost.request(reason)

    def _run(self) -> None:
        beaten = True
        while True:
            # Jitter: the workers of a job were all started at the same moment.
            pause_s = random.uniform(0.8, 1.0) * self._interval_s  # noqa: S311
            if self._closed.wait(pause_s if beaten else pause_s / _SOONER):
                return
            try:
                beaten = self.beat()
            except Exception:  # noqa: BLE001 (without this thread every claim would be lost)
                self._log.exception("heartbeat_failed")
                beaten = False
