"""Machines that can't give a pod a root of its own."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from falconeri.cluster import pod, probe
from falconeri.cluster.probe import why_no_private_root
from tests.cluster.conftest import MakeCluster
from tests.cluster.factories import make_workers, shell

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="elsewhere none can")


@pytest.mark.usefixtures("private_root")
def test_the_probe_leaves_nothing_behind(tmp_path: Path) -> None:
    assert why_no_private_root(tmp_path) is None
    assert list(tmp_path.iterdir()) == []


def test_the_reason_is_the_machines_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    refusal = "echo unshare: Operation not permitted >&2; exit 125"
    monkeypatch.setattr(pod, "LAUNCHER", ("/bin/sh", "-c", refusal))
    reason = why_no_private_root(tmp_path)
    assert reason == "the worker's pod could not be set up: unshare: Operation not permitted"


def test_nothing_that_workers_need_may_lie_where_pods_have_their_own_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "prefix", "/scratch/me/venv")
    assert why_no_private_root(tmp_path) == "/scratch/me/venv lies below the machine's /scratch"


def test_a_cluster_without_private_roots_says_so_and_works(
    make_cluster: MakeCluster, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(_directory: Path) -> str:
        return "of the weather"

    monkeypatch.setattr(probe, "_try", refuse)
    running = make_cluster(shell("echo $FALCONERI_PFS; exec sleep 1000"))
    assert [record.message for record in caplog.records] == ["no_private_root"]
    running.cluster.start(make_workers())
    (name,) = running.wait_for_pods(1)
    assert running.file(name, "log").read_text().strip() == f"{running.state}/pods/{name}/pfs"
