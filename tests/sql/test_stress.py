"""Tiny jobs on 32 connections that die at random: nothing lost, nothing done twice.

FALCONERI_STRESS_SEED=…   the random choices of an earlier run, as far as threads repeat them
FALCONERI_STRESS_JOBS=…   more, or fewer, than 500 jobs; `./run check --long` takes 2,000
"""

from __future__ import annotations

import os
import random
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import psycopg

from tests.conftest import Connect
from tests.sql.interleaving import notified
from tests.sql.stress import audit
from tests.sql.stress.board import Board
from tests.sql.stress.keepers import Babysitter, Operator
from tests.sql.stress.pods import Worker
from tests.sql.stress.population import make_jobs
from tests.sql.stress.session import Killer, Session
from tests.sql.stress.tally import Tally

JOBS = int(os.environ.get("FALCONERI_STRESS_JOBS", "500"))
WORKERS, HUBS, BABYSITTERS, OPERATORS = 26, 2, 2, 2


def test_every_tiny_job_ends_once_and_rightly_while_sessions_are_killed(
    conn: psycopg.Connection, connect: Connect
) -> None:
    seed = os.environ.get("FALCONERI_STRESS_SEED") or random.SystemRandom().randbytes(4).hex()
    print(f"FALCONERI_STRESS_SEED={seed}")  # noqa: T201 - shown if the test fails
    listener = connect()
    listener.execute("listen falconeri_job")
    audit.install(conn)
    board, tally = Board(operators=OPERATORS), Tally()
    board.add(make_jobs(conn, JOBS, seed))
    killer = Killer(connect, board)

    play(board, [killer, *crew(connect, board, tally, seed)])

    assert audit.complaints(conn, tally, set(notified(listener))) == []
    assert killer.killed > JOBS / 20
    assert all(vars(tally).values()), "something has never happened"


def crew(connect: Connect, board: Board, tally: Tally, seed: str) -> list[Callable[[], None]]:
    """Everybody on a connection that may be killed."""
    actors: list[Callable[[], None]] = []
    for i in range(WORKERS + HUBS):
        hub = i >= WORKERS
        actors.append(Worker(Session(connect), board, tally, f"{seed}-{i}", hub=hub))
    actors += [
        Babysitter(Session(connect), board, tally, f"{seed}-b{i}") for i in range(BABYSITTERS)
    ]
    actors += [Operator(Session(connect), board, tally, f"{seed}-o{i}") for i in range(OPERATORS)]
    return actors


def play(board: Board, actors: list[Callable[[], None]]) -> None:
    """Let all act until the run is over; the first failure is the run's."""
    with ThreadPoolExecutor(len(actors)) as pool:
        acting = [pool.submit(board.play, actor) for actor in actors]
    for each in acting:
        each.result()
