"""What a local cluster does when workers die."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

import pytest

from falconeri.cluster import pod as pod_module
from falconeri.states import FailureClass
from tests.cluster.conftest import MakeCluster, RunningCluster
from tests.cluster.factories import eventually, make_workers, pids_below, shell

LINUX = pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")

# The worker's own pid, and a child that leaves the session: only its environment says whose it is.
IDLE = shell("setsid sleep 1000 & echo $$ > $TMPDIR/pid; exec sleep 1000")


def worker_pid(running: RunningCluster, pod: str) -> int:
    return int(running.file(pod, "scratch/pid").read_text())


def first_process(running: RunningCluster, pod: str) -> int:
    status = Path(f"/proc/{worker_pid(running, pod)}/status").read_text()
    return int(status.partition("PPid:")[2].split()[0])


def pod_processes(running: RunningCluster, pod: str) -> list[int]:
    return [
        pid
        for pid in pids_below(running.state)
        if pod.encode() in Path(f"/proc/{pid}/environ").read_bytes()
    ]


def test_a_killed_worker_is_reported_and_replaced(make_cluster: MakeCluster) -> None:
    running = make_cluster(IDLE)
    workers = make_workers()
    running.cluster.start(workers)
    (pod,) = running.wait_for_pods(1)
    os.kill(worker_pid(running, pod), signal.SIGKILL)

    (death,) = running.wait_for_deaths(1)
    assert (death.job_id, death.pod_name) == (workers.job_id, pod)
    assert death.failure_class is FailureClass.LOST_WORKER
    assert death.message == "the worker was killed by SIGKILL"
    assert running.woken.wait(30)
    (successor,) = eventually(
        lambda: {name for _, name in running.cluster.live_workers()} - {pod}, what="a new pod"
    )
    worker_pid(running, successor)
    assert running.cluster.take_deaths() == []


def test_a_file_beside_a_dead_pods_directories_is_removed_and_another_pod_follows(
    make_cluster: MakeCluster,
) -> None:
    running = make_cluster(shell('echo x > "$FALCONERI_SPACE/stray"; exit 1'), sandbox=False)
    running.cluster.start(make_workers())

    first, *_ = running.wait_for_deaths(2)

    directory = running.state / "pods" / first.pod_name
    assert [path.name for path in directory.iterdir()] == ["log"]


@LINUX
def test_nothing_survives_in_a_pod_whose_first_process_was_killed(
    make_cluster: MakeCluster,
) -> None:
    running = make_cluster(IDLE)
    running.cluster.start(make_workers())
    (pod,) = running.wait_for_pods(1)
    # The first process, the worker, and its child in another session.
    eventually(lambda: len(pod_processes(running, pod)) == 3, what="the pod's processes")
    others = set(pod_processes(running, pod))
    os.kill(first_process(running, pod), signal.SIGKILL)
    (death,) = running.wait_for_deaths(1)
    assert death.pod_name == pod
    assert not others & set(pids_below(running.state))


@pytest.mark.parametrize(("code", "message"), [(1, "the worker exited with code 1")])
def test_a_worker_that_gives_up_is_dead(make_cluster: MakeCluster, code: int, message: str) -> None:
    running = make_cluster(shell(f"exit {code}"))
    running.cluster.start(make_workers())
    death, *_ = running.wait_for_deaths(1)
    assert death.failure_class is FailureClass.LOST_WORKER
    assert death.message == message


@pytest.mark.parametrize(
    ("kills_before", "kills_after", "expected"),
    [(4, 5, FailureClass.OUT_OF_MEMORY), (5, 5, FailureClass.LOST_WORKER)],
)
def test_a_kill_while_the_kernel_ran_out_of_memory_is_put_down_to_that(
    make_cluster: MakeCluster,
    monkeypatch: pytest.MonkeyPatch,
    kills_before: int,
    kills_after: int,
    expected: FailureClass,
) -> None:
    kills = kills_before
    monkeypatch.setattr(pod_module, "_oom_kills", lambda: kills)
    running = make_cluster(IDLE)
    running.cluster.start(make_workers())
    (pod,) = running.wait_for_pods(1)
    kills = kills_after
    os.kill(worker_pid(running, pod), signal.SIGKILL)
    (death,) = running.wait_for_deaths(1)
    assert death.failure_class is expected


def test_of_a_dead_pod_the_log_is_kept_until_the_job_ends(make_cluster: MakeCluster) -> None:
    running = make_cluster(shell("echo $$ > $TMPDIR/pid; echo words; exec sleep 1000"))
    workers = make_workers()
    running.cluster.start(workers)
    (pod,) = running.wait_for_pods(1)
    os.kill(worker_pid(running, pod), signal.SIGKILL)
    folder = running.state / "pods" / pod
    eventually(
        lambda: [path.name for path in folder.iterdir()] == ["log"], what="the log and only that"
    )
    assert (folder / "log").read_text() == "words\n"
    running.cluster.stop(workers.job_id)
    assert not folder.exists()


def test_a_job_whose_workers_keep_dying_fails_with_the_end_of_a_log(
    make_cluster: MakeCluster,
) -> None:
    running = make_cluster(shell("echo no such bucket >&2; exit 2"))
    workers = make_workers(parallelism=2)
    running.cluster.start(workers)
    failed = eventually(running.cluster.failed_jobs, what="a failed job")
    assert set(failed) == {workers.job_id}
    assert failed[workers.job_id] == (
        "7 workers died within a minute; the last one: the worker exited with code 2;"
        " the end of its log:\nno such bucket"
    )
    running.wait_for_deaths(7)
    eventually(lambda: not running.cluster.live_workers(), what="the end of the last worker")
    running.cluster.start(workers)
    assert running.cluster.live_workers() == set()
    running.cluster.stop(workers.job_id)
    assert running.cluster.failed_jobs() == {}


@pytest.mark.parametrize(
    ("transform", "reason"),
    [
        ({"secrets": [{"name": "s3", "key": "K", "env_var": "V"}]}, "secret not found: s3"),
        ({"secrets": [{"name": "s3", "mount_path": "/s3"}]}, "can't mount secrets"),
        ({"image": "file:///nonexistent"}, "file:///nonexistent is no directory"),
        ({"env": {"A=B": "c"}}, "'A=B' can't be a variable"),
        ({"cmd": "ls"}, "transform: Expected `array`, got `str`"),
    ],
)
def test_a_spec_that_cannot_be_run_fails_its_job_at_once(
    make_cluster: MakeCluster, transform: dict[str, object], reason: str
) -> None:
    running = make_cluster(IDLE, sandbox=False)
    workers = make_workers(transform)
    running.cluster.start(workers)
    failed = eventually(running.cluster.failed_jobs, what="a failed job")
    assert reason in failed[workers.job_id]
    assert running.woken.wait(30)
    assert running.cluster.take_deaths() == []
    eventually(lambda: not list((running.state / "pods").iterdir()), what="an empty directory")
