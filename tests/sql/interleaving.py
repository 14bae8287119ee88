"""Two connections at once, step by step: one holds a lock, the other is seen waiting for it."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import TypeVar

import psycopg

T = TypeVar("T")

_PATIENCE_S = 60.0  # far beyond what it takes; only a broken test waits so long


@contextmanager
def blocked(conn: psycopg.Connection, call: Callable[[], T]) -> Generator[Future[T]]:
    """Run a call on `conn` in a thread; enter the block once it waits for somebody's lock.

    Whoever holds the lock lets go within the block; the call has ended when the block has.
    """
    with (
        ThreadPoolExecutor(1) as pool,
        psycopg.connect(_dsn(conn), autocommit=True) as observer,
    ):
        future = pool.submit(call)
        _wait(observer, conn, future)
        yield future
        future.exception(_PATIENCE_S)


def _wait(observer: psycopg.Connection, conn: psycopg.Connection, future: Future[T]) -> None:
    deadline = time.monotonic() + _PATIENCE_S
    while time.monotonic() < deadline:
        row = observer.execute(
            "select cardinality(pg_blocking_pids(%s))", (conn.info.backend_pid,)
        ).fetchone()
        if row != (0,):
            return
        assert not future.done(), f"it did not wait: {future}"
    msg = "it neither waited nor ended"
    raise AssertionError(msg)


def _dsn(conn: psycopg.Connection) -> str:
    return f"{conn.info.dsn} password={conn.info.password}"


def notified(conn: psycopg.Connection) -> list[str]:
    """The payloads that a listening connection was told of up to now."""
    conn.execute("notify falconeri_job, 'that is all'")
    payloads: list[str] = []
    for notification in conn.notifies(timeout=_PATIENCE_S):
        if notification.payload == "that is all":
            break
        payloads.append(notification.payload)
    return payloads
