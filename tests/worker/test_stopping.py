"""Wishes to stop, and signals that become wishes."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Generator

import pytest

from falconeri.errors import ClaimLost, JobNotRunning, ObjectNotFound
from falconeri.storage.wanted import go_on
from falconeri_worker.stopping import Stop, Terminated, Termination
from falconeri_worker.transfers import run_all


@pytest.fixture
def stop() -> Generator[Stop]:
    stop = Stop()
    yield stop
    stop.close()


@pytest.fixture
def termination() -> Generator[Termination]:
    before = signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)
    termination = Termination()
    termination.install()
    yield termination
    signal.signal(signal.SIGTERM, before[0])
    signal.signal(signal.SIGINT, before[1])
    termination.close()


def test_the_first_reason_counts(stop: Stop) -> None:
    stop.check()
    stop.request(ClaimLost())
    stop.request(JobNotRunning())
    with pytest.raises(ClaimLost):
        stop.check()


def test_a_pause_ends_with_the_wish(stop: Stop) -> None:
    stop.pause(0.001)
    threading.Timer(0.01, stop.request, [ClaimLost()]).start()
    with pytest.raises(ClaimLost):
        stop.pause(3600)


def test_a_signal_is_a_wish_that_stays(termination: Termination) -> None:
    os.kill(os.getpid(), signal.SIGTERM)
    assert termination.requested
    with pytest.raises(Terminated):
        termination.check()


def test_a_signal_ends_a_pause_of_any_thread(termination: Termination) -> None:
    caught: list[BaseException] = []

    def pause() -> None:
        try:
            termination.pause(3600)
        except Terminated as ex:
            caught.append(ex)

    (thread := threading.Thread(target=pause)).start()
    os.kill(os.getpid(), signal.SIGINT)
    thread.join(60)

    assert [str(ex) for ex in caught] == ["the worker was told to go (SIGINT)"]


def test_transfers_keep_their_order(stop: Stop, termination: Termination) -> None:
    tasks = [lambda number=number: number * 2 for number in range(50)]
    results = run_all(tasks, threads=8, lost=stop, leaving=termination)
    assert results == [number * 2 for number in range(50)]


def test_after_an_error_no_transfer_begins(stop: Stop, termination: Termination) -> None:
    begun: list[int] = []

    def fail() -> None:
        begun.append(1)
        raise ObjectNotFound

    with pytest.raises(ObjectNotFound):
        run_all([fail] * 10, threads=1, lost=stop, leaving=termination)
    assert begun == [1]


def test_an_error_waits_for_the_transfers_that_have_begun(
    stop: Stop, termination: Termination
) -> None:
    both = threading.Barrier(2)
    failed = threading.Event()
    ended: list[bool] = []

    def fail() -> None:
        both.wait(60)
        failed.set()
        raise ObjectNotFound

    def last() -> None:
        both.wait(60)
        failed.wait(60)
        ended.append(True)

    with pytest.raises(ObjectNotFound):
        run_all([fail, last], threads=2, lost=stop, leaving=termination)
    assert ended == [True]


def test_a_lost_claim_ends_transfers(stop: Stop, termination: Termination) -> None:
    begun: list[int] = []

    def transfer() -> None:
        begun.append(1)
        stop.request(ClaimLost())

    with pytest.raises(ClaimLost):
        run_all([transfer] * 10, threads=1, lost=stop, leaving=termination)
    assert begun == [1]


def test_a_lost_claim_ends_a_transfer_that_has_begun(stop: Stop, termination: Termination) -> None:
    def transfer() -> None:
        stop.request(ClaimLost())
        go_on()
        pytest.fail("it goes on")

    with pytest.raises(ClaimLost):
        run_all([transfer], threads=1, lost=stop, leaving=termination)


def test_a_signal_leaves_a_transfer_behind(stop: Stop, termination: Termination) -> None:
    release = threading.Event()

    def transfer() -> None:
        os.kill(os.getpid(), signal.SIGTERM)
        release.wait(60)

    with pytest.raises(Terminated):
        run_all([transfer], threads=1, lost=stop, leaving=termination)
    release.set()
