"""A worker's lanes, at work until the job has ended.

Called by `life`, in the main thread, which waits for the lanes and for signals.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import partial

from falconeri.client.original import OriginalWorkClient
from falconeri.client.retry import BRIEF, ONCE
from falconeri.client.transport import Transport
from falconeri.client.work import WorkClient
from falconeri.errors import FalconeriError, InvalidArgument, JobNotFound, JobNotRunning
from falconeri.log import get_logger
from falconeri.states import FailureClass
from falconeri.wire.work import (
    Claim,
    ClaimRequest,
    HeldAttempt,
    WorkAnswer,
    WorkerIdentity,
    WorkOrder,
)
from falconeri_worker import listening
from falconeri_worker.child import adopt_orphans
from falconeri_worker.datum import DatumRunner, Post, Wishes
from falconeri_worker.directories import Directories, Place
from falconeri_worker.ending import EndWatch
from falconeri_worker.heartbeat import BEATS_PER_LEASE, Heartbeat
from falconeri_worker.lane import Calls, Lane
from falconeri_worker.listening import Listened
from falconeri_worker.programs import open_program
from falconeri_worker.room import Room
from falconeri_worker.roster import LANES, Phase, Roster
from falconeri_worker.settings import Settings
from falconeri_worker.stopping import Broken, Leaving, Stop, Termination, wait_for_any
from falconeri_worker.stores import Stores
from falconeri_worker.waiting import Polled, Told, ToldOrPolled, Waiting

_BEAT_TIMEOUT_S = 30.0
_LEAVING_TIMEOUT_S = 5.0
_LEAVING_LIMIT_S = 25.0

Speak = Callable[[Transport], WorkClient]
"""Makes a client for this kind of falconerid."""

log = get_logger(__name__)


class Crew:
    """A worker's lanes, and what they share.

    Two wishes stop them: `termination` lets nothing new begin, `now` ends what has begun, too. The
    time between them is the grace of the settings.

    Args:
        adopting: Whether what commands leave behind becomes ours, to be killed when they end: only
            in a process whose children are all ours.
    """

    def __init__(
        self,
        *,
        order: WorkOrder,
        settings: Settings,
        identity: WorkerIdentity,
        speak: Speak,
        transport: Transport,
        termination: Termination,
        adopting: bool,
    ) -> None:
        self._order = order
        self._log = log.bind(job_id=order.job_id)
        self._settings = settings
        self._termination = termination
        self._adopting = adopting
        self._now = Stop()
        self._broken = Stop()
        self._ended: FalconeriError | None = None
        beat_s = min(order.lease_s / BEATS_PER_LEASE / 2, _BEAT_TIMEOUT_S)
        beating = speak(transport.but(timeout_s=beat_s, retries=ONCE))
        self._heartbeat = Heartbeat(beating, order, identity.pod_name)
        waiting = speak(transport.but(url=settings.wait_url, retries=ONCE))
        self._end_watch = EndWatch(waiting, order.job_id, self._heartbeat.stop_all)
        self._original = isinstance(waiting, OriginalWorkClient)
        client = speak(transport.but(pause=self._now.pause))
        self._calls = Calls(
            order=order,
            identity=identity,
            client=client,
            leaving=speak(
                Transport(
                    settings.url,
                    settings.password,
                    timeout_s=_LEAVING_TIMEOUT_S,
                    retries=BRIEF,
                    connections=transport.connections,
                )
            ),
            waiting=self._way_to_wait(identity, client, waiting),
        )
        self._program = open_program(order, settings, self._tries_left)
        self._stores = Stores()
        self._room = Room(settings.space or settings.pfs)
        places = self._places()
        self._roster = Roster(len(places), self._room)
        self._threads = [
            threading.Thread(
                target=self._run_lane,
                args=(slot, place),
                name=f"falconeri-lane-{slot}",
                daemon=True,
            )
            for slot, place in enumerate(places)
        ]

    def run(self) -> None:
        """Run all lanes to their end.

        Raises:
            Terminated: Told to go; the datums in work have been given back, or done in time.
            FalconeriError: falconerid refused us, or was away for too long.
        """
        if self._adopting:
            adopt_orphans()
        self._heartbeat.start()
        if not self._original:
            self._end_watch.start()
        try:
            for thread in self._threads:
                thread.start()
            wait_for_any(self._roster.all_gone, self._broken, self._termination)
            self._wind_up()
        finally:
            self._program.close()
            self._end_watch.close()
            self._heartbeat.close()
        if isinstance(why := self._broken.reason, Broken):
            raise why.error
        self._termination.check()
        self._log.info("job_ended", **({"reason": str(self._ended)} if self._ended else {}))

    def _tries_left(self, claim: Claim, failure_class: FailureClass) -> int:
        held = HeldAttempt(self._calls.identity.pod_name, claim.attempt, failure_class)
        return self._calls.client.tries_left(claim.datum_id, held)

    def _wind_up(self) -> None:
        """Let the lanes end that hold something. One that waits at falconerid is left behind."""
        self._roster.close()
        if self._termination.requested:
            self._roster.await_idle(self._settings.grace_s)
        if why := self._broken.reason or self._termination.reason:
            self._now.request(why)
            self._roster.await_idle(_LEAVING_LIMIT_S)

    def _run_lane(self, slot: int, place: Place) -> None:
        post = Post(slot, place, self._roster, self._room)
        runner = DatumRunner(
            order=self._order,
            settings=self._settings,
            program=self._program,
            client=self._calls.client,
            heartbeat=self._heartbeat,
            wishes=Wishes(going=self._termination, now=self._now),
            post=post,
            stores=self._stores,
        )
        try:
            Lane(post, self._calls, runner, self._termination).run()
        except Leaving:
            pass
        except (JobNotFound, JobNotRunning) as ex:
            self._ended = ex
            self._roster.close()
        except FalconeriError as ex:
            self._broken.request(Broken(ex))
        except Exception as ex:  # noqa: BLE001 - a defect: nobody else would hear of it
            self._log.exception("lane_failed", slot=slot)
            self._broken.request(Broken(FalconeriError(detail=repr(ex))))
        finally:
            self._roster.set_phase(slot, Phase.GONE)
            # A program that runs on for another lane may be tied to this thread.
            wait_for_any(self._roster.all_gone)

    def _way_to_wait(
        self, identity: WorkerIdentity, client: WorkClient, waiting: WorkClient
    ) -> Waiting:
        """Choose: told by the database if that is wished, else by falconerid, else by asking."""

        def claim(*, watch: bool = False) -> WorkAnswer:
            request = ClaimRequest(identity.pod_name, identity.node_name, watch=watch)
            return client.claim(self._order.job_id, request)

        polled = Polled(claim, pause=self._termination.pause)
        if self._original:
            return polled
        if dsn := self._settings.listen_dsn:
            if listening.is_possible():
                listened = Listened(dsn, partial(claim, watch=True), self._order.job_id)
                return ToldOrPolled(listened, polled)
            self._log.warning("not_listening", reason="this bundle has no psycopg")
        told = Told(waiting, self._order.job_id, identity, pause=self._termination.pause)
        return ToldOrPolled(told, polled)

    def _places(self) -> list[Place]:
        """Say where each lane has its files: several of them if all that takes is there."""
        settings = self._settings
        directories = Directories(settings.pfs, settings.scratch, settings.space)
        if settings.prefetch and self._order.pipelining:
            try:
                directories.check_space()
            except InvalidArgument as ex:
                self._log.info("not_pipelining", reason=ex.detail)
            else:
                return [directories.lane(slot) for slot in range(LANES)]
        return [directories.alone()]
