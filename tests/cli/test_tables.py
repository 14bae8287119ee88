"""The lists of the command line as text."""

from collections.abc import Iterator
from typing import Any

import msgspec
import pytest

from falconeri.errors import Unavailable
from falconeri.states import AttemptOutcome, DatumStatus, FailureClass, OutputStatus
from falconeri.wire.controls import Attempt, Hold, Worker, WorkerState
from falconeri.wire.records import OutputFile
from falconeri_cli.tables import attempt_lines, datum_lines, output_lines, worker_lines
from tests.cli.records import AT, DATUM_ID, JOB_ID, datum


def attempt(number: int, message: str | None, output: str = "") -> Attempt:
    return Attempt(
        datum_id=DATUM_ID,
        attempt=number,
        outcome=AttemptOutcome.ERROR if message else AttemptOutcome.DONE,
        final=message is None,
        failure_class=FailureClass.COMMAND if message else None,
        error_message=message,
        exit_code=None,
        signal=None,
        pod_name=f"pod-{'a' * number}",
        node_name="node",
        started_at=AT,
        finished_at=AT,
        bytes_in=None,
        bytes_out=None,
        cpu_s=None,
        peak_memory_bytes=None,
        output=output,
        backtrace=None,
    )


def worker(pod_name: str, state: WorkerState, **fields: Any) -> Worker:  # noqa: ANN401  (any field)
    made = Worker(pod_name, "node-1", state, AT, AT, [], None, None, None)
    return msgspec.structs.replace(made, **fields)


def output(uri: str, size_bytes: int | None) -> OutputFile:
    status = OutputStatus.RUNNING if size_bytes is None else OutputStatus.DONE
    return OutputFile(JOB_ID, AT, AT, status, JOB_ID, DATUM_ID, uri, size_bytes)


def test_datums_are_a_line_each() -> None:
    failed = datum(status=DatumStatus.ERROR, error_message="no\x1b space\nleft")
    assert list(datum_lines([failed, datum()])) == [
        "ID                                    STATUS      TRIES  ERROR_MESSAGE",
        "00000000-0000-0000-0000-000000000002  error         1/3  no\ufffd space left",
        "00000000-0000-0000-0000-000000000002  done          1/3",
    ]


def test_outputs_are_a_line_each_whatever_their_names() -> None:
    files = [output("s3://b/a  b\n\t\x9bc", 10**15 - 1), output("s3://b/c", None)]
    assert list(output_lines(files)) == [
        "STATUS        SIZE_BYTES  URI",
        "done     999999999999999  s3://b/a  b\ufffd\ufffd\ufffdc",
        "running                -  s3://b/c",
    ]


def test_lists_without_anything_are_their_header() -> None:
    for empty in (datum_lines([]), output_lines([]), attempt_lines([])):
        assert len(list(empty)) == 1


def test_a_list_that_fails_at_once_has_no_header() -> None:
    def failing() -> Iterator[OutputFile]:
        raise Unavailable
        yield

    with pytest.raises(Unavailable):
        next(output_lines(failing()))


def test_lines_are_there_before_the_list_has_ended() -> None:
    taken: list[str] = []

    def files() -> Iterator[OutputFile]:
        for uri in ("a", "b", "c"):
            taken.append(uri)
            yield output(uri, 1)

    lines = output_lines(files())
    next(lines)
    next(lines)
    assert taken == ["a"]


def test_attempts_have_the_end_of_their_output_below_a_failure() -> None:
    found = [attempt(1, "exit 3", "a\nb\nc\nd\ne\nf\n"), attempt(2, None, "fine")]
    assert list(attempt_lines(found)) == [
        "ATTEMPT  OUTCOME  STARTED_AT           FINISHED_AT          POD_NAME  ERROR_MESSAGE",
        "1        error    2018-07-06T11:27:50  2018-07-06T11:27:50  pod-a     command: exit 3",
        *(f"  | {letter}" for letter in "bcdef"),
        "2        done     2018-07-06T11:27:50  2018-07-06T11:27:50  pod-aa",
    ]


def test_workers_have_what_they_hold_and_print_below_them() -> None:
    tail = "a\nb\nc\r10%\r20%\x1b[K\n\n"
    busy = worker("pod-a", WorkerState.WORKING, holds=[Hold(DATUM_ID, 2, 0, AT, tail)])
    silent = worker("pod-b", WorkerState.WORKING, holds=[Hold(DATUM_ID, 1, 0, AT, None)])
    dead = worker(
        "pod-c",
        WorkerState.ENDED,
        last_heartbeat_at=None,
        end_class=FailureClass.EVICTED,
        end_message="node\ndrained",
    )
    assert list(worker_lines([busy, silent, dead])) == [
        "STATE    LAST_HEARTBEAT_AT    POD_NAME  NODE_NAME",
        "working  2018-07-06T11:27:50  pod-a  node-1",
        f"  {DATUM_ID}  attempt 2, since 2018-07-06T11:27:50",
        "  | a",
        "  | b",
        "  | c",
        "  | 10%",
        "  | 20%\ufffd[K",
        "working  2018-07-06T11:27:50  pod-b  node-1",
        f"  {DATUM_ID}  attempt 1, since 2018-07-06T11:27:50",
        "ended    -                    pod-c  node-1",
        "  evicted: node drained",
    ]
