"""A small falconerid in memory, over real HTTP: one job, its datums, what the worker told of them.

Only for tests of the worker's life. Its rules are those of the real one as far as a single worker
can see them; both ports are one.
"""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, TypeVar
from uuid import UUID

from falconeri import errors
from falconeri.states import DatumStatus, JobStatus, Verdict
from falconeri.wire import codec, work
from falconeri.wire.records import ErrorBody
from tests.client.server import Reply, Seen, Server

T = TypeVar("T")

TOKEN = "the-job's-token"
_ONE_SHOT = work.ProgramOptions()
_STAMP = "2026-01-15T10:00:00"


@dataclass
class Datum:
    inputs: list[work.InputRef]
    id: UUID = field(default_factory=uuid.uuid4)
    attempt: int = 0
    running: bool = False
    slot: int = 0
    reports: list[work.Report] = field(default_factory=list[work.Report])
    outputs: dict[str, dict[str, Any]] = field(default_factory=dict[str, dict[str, Any]])

    @property
    def is_ready(self) -> bool:
        return not self.reports and not self.running


class Falconerid:
    """Each attribute may be read by a test at any time; `changed` is notified of all changes."""

    def __init__(
        self,
        command: Sequence[str],
        egress_uri: str,
        lease_s: int,
        *,
        pipelining: bool,
        program: work.ProgramOptions,
    ) -> None:
        self.job_id = uuid.uuid4()
        self.status = JobStatus.RUNNING
        self.datums: list[Datum] = []
        self.calls: list[str] = []
        self.changed = threading.Condition()
        self.failing: list[tuple[str, Reply]] = []
        """Answers that come instead of the real ones, each once: (the end of the path, answer)."""
        self.waiting_port = True
        self.ends_when_all_have_reports = True
        self.watch_s = 55.0
        self.lost: set[UUID] = set()
        self.beats: list[work.Heartbeat] = []
        self.claims: list[work.ClaimRequest] = []
        self.completions: list[work.Completion] = []
        self._order = work.WorkOrder(
            job_id=self.job_id,
            job_name="j",
            status=JobStatus.RUNNING,
            command=list(command),
            egress_uri=egress_uri,
            lease_s=lease_s,
            pipelining=pipelining,
            program=program,
        )
        self._server = Server(self._answer)
        self.url = self._server.url

    def add(self, *inputs: tuple[str, str]) -> Datum:
        datum = Datum([work.InputRef(uri=uri, local_path=path) for uri, path in inputs])
        with self.changed:
            self.datums.append(datum)
            self.changed.notify_all()
        return datum

    def end(self, status: JobStatus) -> None:
        with self.changed:
            self.status = status
            self.changed.notify_all()

    def wait_until_called(self, end_of_path: str, times: int = 1) -> None:
        with self.changed:
            assert self.changed.wait_for(
                lambda: sum(call.endswith(end_of_path) for call in self.calls) >= times, timeout=60
            ), self.calls

    def close(self) -> None:
        self.end(JobStatus.CANCELED)
        self._server.close()

    def _answer(self, seen: Seen) -> Reply:
        is_watch = "/wait?" in seen.path  # all the time, beside the work
        with self.changed:
            if not is_watch:
                self.calls.append(f"{seen.method} {seen.path}")
            self.changed.notify_all()
            for number, (end_of_path, reply) in enumerate(self.failing):
                if seen.path.endswith(end_of_path):
                    del self.failing[number]
                    return reply
            try:
                answer = self._act(seen)
            except errors.FalconeriError as ex:
                answer = ErrorBody(code=ex.code, message=ex.message, detail=ex.detail)
                return Reply(ex.http_status, codec.encode(answer))
            finally:
                self.changed.notify_all()
            return Reply(200, codec.encode(answer)) if answer is not None else Reply(204)

    def _act(self, seen: Seen) -> object:
        if "Authorization" not in seen.headers:
            raise errors.Unauthorized
        kind, identifier, action = seen.path.partition("?")[0].strip("/").split("/")
        if kind == "jobs" and UUID(identifier) != self.job_id:
            raise errors.JobNotFound(detail=identifier)
        acts: dict[str, Callable[[], object]] = {
            "POST workers": lambda: self._order,
            "POST claim": lambda: self._ask(codec.decode(seen.body, work.ClaimRequest)),
            "POST wait_for_work": lambda: self._wait(codec.decode(seen.body, work.WaitForWork)),
            "GET wait": self._watch,
            "POST heartbeat": lambda: self._beat(codec.decode(seen.body, work.Heartbeat)),
            "POST complete": lambda: self._complete(
                identifier, codec.decode(seen.body, work.Completion)
            ),
            "POST output_files": lambda: self._register(
                identifier, codec.decode(seen.body, work.NewOutputs)
            ),
            "PATCH output_files": lambda: self._settle(
                identifier, codec.decode(seen.body, work.OutputUpdates)
            ),
        }
        if (act := acts.get(f"{seen.method} {action}")) is None:
            raise errors.NotFound
        return act()

    def _ask(self, request: work.ClaimRequest) -> work.WorkAnswer:
        self.claims.append(request)
        return self._claim(request.slot)

    def _claim(self, slot: int = 0) -> work.WorkAnswer:
        if self.status.finished:
            return work.WorkAnswer(Verdict.ENDED)
        held = next((each for each in self.datums if each.running and each.slot == slot), None)
        datum = held or next((each for each in self.datums if each.is_ready), None)
        if datum is None:
            all_have_reports = self.datums and all(each.reports for each in self.datums)
            ended = self.ends_when_all_have_reports and all_have_reports
            return work.WorkAnswer(Verdict.ENDED if ended else Verdict.EMPTY)
        if held is None:
            datum.running = True
            datum.slot = slot
            datum.attempt += 1
        return work.WorkAnswer(Verdict.CLAIMED, work.Claim(datum.id, datum.attempt, datum.inputs))

    def _wait(self, wait: work.WaitForWork) -> work.WorkAnswer:
        if not self.waiting_port:
            raise errors.NotFound
        self.changed.wait_for(lambda: self._claimable() or self.status.finished, wait.hold_s)
        return self._claim()

    def _watch(self) -> object:
        self.changed.wait_for(lambda: self.status.finished, timeout=self.watch_s)
        counts = dict.fromkeys(
            (*DatumStatus, "total", "failed_attempts", "recovered"),
            0,
        )
        job = {"job_id": str(self.job_id), "job_name": "j", "status": self.status}
        return {"progress": counts | job}

    def _claimable(self) -> bool:
        return any(datum.is_ready for datum in self.datums)

    def _beat(self, beat: work.Heartbeat) -> work.HeartbeatAnswer:
        self.beats.append(beat)
        lost = [held.datum_id for held in beat.held if held.datum_id in self.lost]
        return work.HeartbeatAnswer(job_status=self.status, lost=lost)

    def _complete(self, identifier: str, completion: work.Completion) -> work.CompletionAnswer:
        datum = self._held(identifier, completion.attempt)
        datum.running = False
        datum.reports.append(completion.report)
        self.completions.append(completion)
        nothing = work.WorkAnswer(Verdict.EMPTY)
        claims = completion.claim_next
        return work.CompletionAnswer(self._claim(datum.slot) if claims else nothing)

    def _register(self, identifier: str, new: work.NewOutputs) -> object:
        datum = self._held(identifier, new.attempt)
        for output in new.output_files:
            datum.outputs[output.uri] = {
                "id": str(uuid.uuid4()),
                "created_at": _STAMP,
                "updated_at": _STAMP,
                "status": "running",
                "job_id": str(self.job_id),
                "datum_id": identifier,
                "uri": output.uri,
            }
        return {"output_files": list(datum.outputs.values())}

    def _settle(self, identifier: str, updates: work.OutputUpdates) -> None:
        datum = self._held(identifier, updates.attempt)
        by_id = {output["id"]: output for output in datum.outputs.values()}
        for update in updates.output_files:
            by_id[str(update.id)] |= {"status": update.status, "size_bytes": update.size_bytes}

    def _held(self, identifier: str, attempt: int | None) -> Datum:
        datum = next(each for each in self.datums if str(each.id) == identifier)
        if not datum.running or datum.attempt != attempt or datum.id in self.lost:
            datum.running = False
            raise errors.ClaimLost(detail=identifier)
        return datum


@contextmanager
def falconerid(
    command: Sequence[str],
    egress_uri: str,
    *,
    lease_s: int = 60,
    pipelining: bool = True,
    program: work.ProgramOptions = _ONE_SHOT,
) -> Generator[Falconerid]:
    server = Falconerid(command, egress_uri, lease_s, pipelining=pipelining, program=program)
    try:
        yield server
    finally:
        server.close()
