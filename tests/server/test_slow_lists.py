"""Lists that take long leave threads and connections to the workers, and end in time."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event, Semaphore

import psycopg
import pytest

from falconeri.errors import Unavailable
from falconeri.server.serve import THREADS
from falconeri.server.slots import Slots
from tests.databases import fresh_database
from tests.processes import wait_until
from tests.server.conftest import spec
from tests.server.falconerid import Falconerid, running


def test_workers_go_on_while_lists_wait_for_a_lock(tmp_path: Path) -> None:
    with (
        fresh_database() as url,
        running(url, tmp_path) as server,
        psycopg.connect(url) as locker,
        ThreadPoolExecutor(2 * THREADS) as threads,
    ):
        job = server.call("POST", "/jobs", {"job": spec(tmp_path, 50)}).json["job"]["id"]
        locker.execute("lock table falconeri.output_files in access exclusive mode")

        lists = [
            threads.submit(server.call, "GET", f"/jobs/{job}/outputs") for _ in range(2 * THREADS)
        ]
        wait_until(lambda: sum(future.done() for future in lists) == 2 * THREADS - THREADS // 2)
        claims = [
            server.call("POST", f"/jobs/{job}/claim", {"pod_name": f"pod-{n}", "node_name": "n"})
            for n in range(20)
        ]
        locker.rollback()
        answers = [future.result() for future in lists]

    assert {claim.json["verdict"] for claim in claims} == {"claimed"}
    refused = [answer for answer in answers if answer.status == 503]
    assert len(refused) == 2 * THREADS - THREADS // 2
    assert {answer.headers["retry-after"] for answer in refused} == {"2"}
    assert {answer.json["code"] for answer in refused} == {"unavailable"}
    assert sum(answer.status == 200 for answer in answers) == THREADS // 2


def test_list_gives_its_slot_back_however_it_ends(falconerid: Falconerid) -> None:
    unknown = "/jobs/00000000-0000-0000-0000-000000000000/outputs"
    for _ in range(2 * THREADS):
        assert falconerid.call("GET", unknown).status == 404
        assert falconerid.call("HEAD", "/jobs/list").status == 200
        assert falconerid.call("GET", "/jobs?limit=x").status == 422

    assert falconerid.call("GET", "/jobs/list").status == 200


def make_slots(
    size: int, *, waiting: int, wait_s: float, threads: Semaphore | None = None
) -> Slots:
    threads = threads or Semaphore(100)
    return Slots(size, waiting=waiting, threads=threads, refusal="no", wait_s=wait_s)


def test_who_finds_all_slots_taken_waits_and_gets_the_next() -> None:
    slots = make_slots(1, waiting=1, wait_s=60)
    entered = Event()

    def enter() -> None:
        with slots.slot():
            entered.set()

    with ThreadPoolExecutor() as threads:
        with slots.slot():
            second = threads.submit(enter)
            wait_until(lambda: not _has_room(slots))
            assert not entered.is_set()
        second.result()

    assert entered.is_set()


def _has_room(slots: Slots) -> bool:
    try:
        with Slots.slot(slots):
            return True
    except Unavailable:
        return False


def test_who_waits_too_long_is_sent_away() -> None:
    slots = make_slots(1, waiting=1, wait_s=0.01)

    with slots.slot(), pytest.raises(Unavailable), slots.slot():
        pass
    with slots.slot():
        pass


def test_all_kinds_together_take_no_more_threads_than_they_may() -> None:
    threads = Semaphore(2)
    lists, submissions = (make_slots(2, waiting=1, wait_s=60, threads=threads) for _ in range(2))

    with lists.slot(), submissions.slot():
        for kind in (lists, submissions):
            with pytest.raises(Unavailable), kind.slot():
                pass
    with lists.slot(), lists.slot():
        pass
