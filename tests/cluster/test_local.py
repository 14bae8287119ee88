"""The local cluster with real processes: shell scripts as workers."""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from uuid import uuid4

import pytest

from falconeri.cluster.base import Cluster
from falconeri.cluster.local import LocalCluster
from falconeri.errors import Conflict, SecretNotFound
from falconeri.states import FailureClass
from tests.cluster.conftest import MakeCluster, RunningCluster
from tests.cluster.factories import eventually, make_workers, mounts, pids_below, shell

LINUX = pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")

IDLE = shell("echo $$ > $TMPDIR/pid; exec sleep 1000")
STUBBORN = shell(
    "trap '' TERM; sleep 1000 & setsid sleep 1000 & echo up; while :; do sleep 1000; done"
)


def pid_of(running: RunningCluster, pod: str) -> int:
    return int(running.file(pod, "scratch/pid").read_text())


def test_a_local_cluster_is_a_cluster(make_cluster: MakeCluster) -> None:
    cluster: Cluster = make_cluster(IDLE).cluster
    assert cluster.running_jobs() == set()


@pytest.mark.usefixtures("private_root")
def test_each_pod_has_pfs_and_scratch_of_its_own(make_cluster: MakeCluster) -> None:
    before = mounts()
    running = make_cluster(
        shell(
            "mkdir /pfs/out; echo $FALCONERI_POD_NAME > /pfs/out/name; ls /pfs/out /scratch;"
            " echo $FALCONERI_PFS $FALCONERI_SCRATCH $1; exec sleep 1000"
        )
    )
    workers = make_workers(parallelism=2)
    running.cluster.start(workers)
    for pod in running.wait_for_pods(2):
        log = running.file(pod, "log")
        eventually(lambda log=log: str(workers.job_id) in log.read_text(), what="the script's end")
        assert running.file(pod, "pfs/out/name").read_text() == f"{pod}\n"
        assert log.read_text().split()[:2] == ["/pfs/out:", "name"]
        assert log.read_text().splitlines()[-1] == f"/pfs /scratch {workers.job_id}"
    assert mounts() == before


def test_without_private_roots_programs_are_told_where_their_files_are(
    make_cluster: MakeCluster,
) -> None:
    running = make_cluster(
        shell("echo hello > $FALCONERI_PFS/x; echo $FALCONERI_SCRATCH; exec sleep 1000"),
        sandbox=False,
    )
    running.cluster.start(make_workers())
    (pod,) = running.wait_for_pods(1)
    scratch = running.file(pod, "log").read_text().strip()
    assert scratch == str(running.state.resolve() / "pods" / pod / "scratch")
    assert running.file(pod, "pfs/x").read_text() == "hello\n"


def test_the_token_is_a_file_for_its_owner_only(make_cluster: MakeCluster) -> None:
    running = make_cluster(shell("cat $FALCONERI_PASSWORD_FILE; exec sleep 1000"))
    running.cluster.start(make_workers())
    (pod,) = running.wait_for_pods(1)
    assert running.file(pod, "log").read_text() == "t0ken"
    assert running.file(pod, "secrets/POSTGRES_PASSWORD").stat().st_mode & 0o777 == 0o600
    assert (running.state / "pods").stat().st_mode & 0o777 == 0o700


@pytest.mark.usefixtures("private_root")
def test_a_secret_is_mounted_where_the_spec_wants_it(make_cluster: MakeCluster) -> None:
    running = make_cluster(shell("cat /etc/falconeri-s/tls/key; exec sleep 1000"))
    (secret := running.state / "secrets" / "tls").mkdir(parents=True)
    (secret / "key").write_text("hush")
    running.cluster.start(
        make_workers({"secrets": [{"name": "tls", "mount_path": "/etc/falconeri-s/tls"}]})
    )
    (pod,) = running.wait_for_pods(1)
    assert running.file(pod, "log").read_text() == "hush"


def test_pods_are_named_after_their_job(make_cluster: MakeCluster) -> None:
    running = make_cluster(IDLE)
    running.cluster.start(make_workers(parallelism=3, job_name="words-abc"))
    for pod in running.wait_for_pods(3):
        prefix, _, suffix = pod.rpartition("-")
        assert prefix == "words-abc"
        assert len(suffix) == 5
        assert suffix.isalnum()
        assert suffix == suffix.lower()


def test_a_terminals_ctrl_c_does_not_reach_pods(make_cluster: MakeCluster) -> None:
    running = make_cluster(IDLE)
    running.cluster.start(make_workers())
    (pod,) = running.wait_for_pods(1)
    assert os.getsid(pid_of(running, pod)) != os.getsid(0)


def test_starting_a_job_again_adds_nothing(make_cluster: MakeCluster) -> None:
    running = make_cluster(IDLE)
    workers = make_workers(parallelism=2)
    running.cluster.start(workers)
    pods = running.wait_for_pods(2)
    running.cluster.start(workers)
    assert {pod for _, pod in running.cluster.live_workers()} == pods
    assert running.cluster.running_jobs() == {workers.job_id}


def test_a_job_gets_the_free_slots_and_at_least_one(make_cluster: MakeCluster) -> None:
    running = make_cluster(IDLE, slots=3)
    first, second, third = (make_workers(parallelism=count) for count in (2, 5, 5))
    none = make_workers(parallelism=0)
    for workers in (first, second, third, none):
        running.cluster.start(workers)
    running.wait_for_pods(2 + 1 + 1)

    running.cluster.stop(first.job_id)
    running.wait_for_pods(1 + 1)
    running.cluster.start(second)
    running.cluster.start(third)
    running.wait_for_pods(2 + 1)
    jobs = [job for job, _ in running.cluster.live_workers()]
    assert sorted(jobs.count(w.job_id) for w in (second, third)) == [1, 2]


def test_a_job_that_wants_no_workers_loses_them_all_until_it_wants_some(
    make_cluster: MakeCluster,
) -> None:
    running = make_cluster(IDLE)
    workers = make_workers(parallelism=2)
    running.cluster.start(workers)
    first = running.wait_for_pods(2)

    running.cluster.start(replace(workers, parallelism=0))
    assert running.cluster.live_workers() == set()
    assert {death.failure_class for death in running.cluster.take_deaths()} == {
        FailureClass.EVICTED
    }

    running.cluster.start(workers)
    assert not running.wait_for_pods(2) & first


def test_that_the_image_is_ignored_is_said_once_when_workers_are_made(
    make_cluster: MakeCluster, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, logger="falconeri")
    running = make_cluster(IDLE)
    workers = make_workers({"image": "busybox"})

    def said() -> int:
        return caplog.messages.count("image_not_used_by_local_workers")

    for _ in range(2):
        running.cluster.start(replace(workers, parallelism=0))
    assert said() == 0
    for _ in range(2):
        running.cluster.start(workers)
    assert said() == 1


def test_a_worker_that_has_done_its_work_is_neither_dead_nor_replaced(
    make_cluster: MakeCluster,
) -> None:
    running = make_cluster(shell("exit 0"))
    workers = make_workers()
    running.cluster.start(workers)
    eventually(lambda: not list((running.state / "pods").iterdir()), what="the pod's removal")
    assert running.cluster.take_deaths() == []
    assert running.cluster.live_workers() == set()
    assert running.cluster.running_jobs() == {workers.job_id}


@LINUX
def test_stop_ends_all_that_a_job_started_and_reports_its_workers_as_evicted(
    make_cluster: MakeCluster,
) -> None:
    running = make_cluster(STUBBORN)
    stays, goes = make_workers(), make_workers(parallelism=2)
    running.cluster.start(stays)
    (staying,) = running.wait_for_pods(1)
    running.cluster.start(goes)
    pods = running.wait_for_pods(3) - {staying}
    for pod in pods:
        running.file(pod, "log")

    running.cluster.stop(goes.job_id)

    assert {folder.name for folder in (running.state / "pods").iterdir()} == {staying}
    for pod in pods:
        assert pod not in " ".join(pids_below(running.state).values())
    assert len(pids_below(running.state)) >= 1
    assert running.cluster.running_jobs() == {stays.job_id}
    deaths = running.wait_for_deaths(2)
    assert {death.pod_name for death in deaths} == pods
    assert {death.failure_class for death in deaths} == {FailureClass.EVICTED}
    running.cluster.stop(goes.job_id)
    assert running.cluster.take_deaths() == []


def test_a_worker_is_asked_to_end_before_it_is_killed(
    make_cluster: MakeCluster, tmp_path: Path
) -> None:
    last_words = tmp_path / "last-words"
    running = make_cluster(
        shell(f"trap 'echo bye > {last_words}; exit 0' TERM; echo up; sleep 1000 & wait")
    )
    workers = make_workers()
    running.cluster.start(workers)
    (pod,) = running.wait_for_pods(1)
    running.file(pod, "log")
    running.cluster.stop(workers.job_id)
    assert last_words.read_text() == "bye\n"


@LINUX
def test_close_ends_all_jobs_and_their_deaths_can_still_be_taken(
    make_cluster: MakeCluster,
) -> None:
    running = make_cluster(STUBBORN)
    for _ in range(3):
        running.cluster.start(make_workers())
    for pod in running.wait_for_pods(3):
        running.file(pod, "log")
    running.cluster.close()
    assert pids_below(running.state) == {}
    assert list((running.state / "pods").iterdir()) == []
    assert running.cluster.running_jobs() == set()
    assert len(running.wait_for_deaths(3)) == 3
    running.cluster.start(make_workers())
    assert running.cluster.running_jobs() == set()


OWNER = """
import signal, sys
from pathlib import Path
from falconeri.cluster.local import LocalCluster
from tests.cluster.factories import make_workers
cluster = LocalCluster(
    Path(sys.argv[1]), slots=2, worker_environment={}, worker_command=tuple(sys.argv[2:])
)
cluster.start(make_workers(parallelism=2))
print("started", flush=True)
signal.pause()
"""


@LINUX
def test_pods_die_with_their_owner_even_if_that_is_killed(state: Path) -> None:
    owner = subprocess.Popen(
        [sys.executable, "-c", OWNER, state, *STUBBORN],
        stdout=subprocess.PIPE,
        cwd=Path(__file__).parents[2],
    )
    with owner:
        # In each of the two: the first process, the script, and three times `sleep`.
        eventually(lambda: len(pids_below(state)) == 2 * 5, what="all processes of both pods")
        owner.kill()
    eventually(lambda: not pids_below(state), what="the end of all processes")


@LINUX
def test_what_an_earlier_life_left_behind_is_ended_and_removed(
    make_cluster: MakeCluster, state: Path
) -> None:
    stale = state / "pods" / "words-abc-00000"
    (stale / "pfs" / "locked").mkdir(parents=True)
    (stale / "pfs" / "locked").chmod(0o500)
    token = stale.resolve() / "secrets" / "POSTGRES_PASSWORD"
    environment = {**os.environ, "FALCONERI_PASSWORD_FILE": str(token)}
    with subprocess.Popen(["/bin/sleep", "1000"], env=environment) as orphan:
        make_cluster(IDLE)
        assert orphan.wait() == -signal.SIGKILL
    assert list((state / "pods").iterdir()) == []


def test_one_state_directory_serves_one_cluster(make_cluster: MakeCluster, state: Path) -> None:
    running = make_cluster(IDLE)
    with pytest.raises(Conflict):
        make_cluster(IDLE)
    running.cluster.close()
    make_cluster(IDLE)
    assert state.exists()


def test_secrets_are_read_from_files(make_cluster: MakeCluster, state: Path) -> None:
    cluster: LocalCluster = make_cluster(IDLE).cluster
    (secret := state / "secrets" / "s3").mkdir(parents=True)
    (secret / "KEY").write_text("abc\n")
    (secret / "not-a-key").mkdir()
    assert cluster.read_secret("s3") == {"KEY": "abc"}
    for name in ("s4", "..", "", "s3/../s3"):
        with pytest.raises(SecretNotFound):
            cluster.read_secret(name)


def test_stopping_an_unknown_job_does_nothing(make_cluster: MakeCluster) -> None:
    make_cluster(IDLE).cluster.stop(uuid4())
