"""Buckets that take long to list leave threads to everybody else."""

from __future__ import annotations

from collections.abc import Generator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Event, Thread
from typing import Any

from falconeri.server.serve import RESERVED, THREADS
from tests.databases import fresh_database
from tests.processes import wait_until
from tests.server.conftest import spec
from tests.server.falconerid import Answer, Falconerid, running

AT_ONCE = THREADS // 4

LISTING = b"""<?xml version="1.0" encoding="UTF-8"?>
<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Name>b</Name><Prefix>in/</Prefix>
<KeyCount>1</KeyCount><MaxKeys>1000</MaxKeys><IsTruncated>false</IsTruncated>
<Contents><Key>in/a</Key><Size>1</Size></Contents></ListBucketResult>"""


class SlowStore(ThreadingHTTPServer):
    """Speaks enough of S3 to list one object, when it is let go."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.go = Event()


class _Handler(BaseHTTPRequestHandler):
    server: SlowStore  # pyright: ignore[reportIncompatibleVariableOverride]

    def do_GET(self) -> None:
        self.server.go.wait()
        self.send_response(200)
        self.send_header("Content-Length", str(len(LISTING)))
        self.end_headers()
        self.wfile.write(LISTING)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Be quiet."""


@contextmanager
def slow_store() -> Generator[SlowStore]:
    with SlowStore() as store:
        thread = Thread(target=store.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield store
        finally:
            store.go.set()
            store.shutdown()
            thread.join()


def settings(store: SlowStore) -> dict[str, str]:
    """How falconerid reaches the store."""
    return {
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{store.server_port}",
        "AWS_ACCESS_KEY_ID": "AKIATEST",
        "AWS_SECRET_ACCESS_KEY": "secret",
    }


def bucket_spec(folder: Path) -> dict[str, Any]:
    return spec(folder, 0) | {"input": {"atom": {"URI": "s3://b/in/", "repo": "in", "glob": "/*"}}}


def count(answers: list[Future[Answer]]) -> int:
    return sum(answer.done() for answer in answers)


def test_all_others_are_served_while_buckets_are_listed(tmp_path: Path) -> None:
    key = {"Idempotency-Key": "a-key"}
    with (
        slow_store() as store,
        fresh_database() as url,
        running(url, tmp_path, **settings(store)) as server,
        ThreadPoolExecutor(2 * THREADS) as threads,
    ):
        quick, slow = {"job": spec(tmp_path, 50)}, {"job": bucket_spec(tmp_path)}
        job = server.call("POST", "/jobs", quick, headers=key).json["job"]["id"]

        posts = [
            threads.submit(server.call, "POST", f"/jobs{query}", slow)
            for query in ("", "?plan=1") * THREADS
        ]
        wait_until(lambda: count(posts) == 2 * THREADS - AT_ONCE)
        claims = [claim(server, job, number) for number in range(20)]
        listed = server.call("GET", "/jobs/list")
        again = server.call("POST", "/jobs", quick, headers=key)
        retried = server.call("POST", f"/jobs/{job}/retry")
        store.go.set()
        answers = [post.result() for post in posts]

    assert set(claims) == {"claimed"}
    assert listed.status == 200
    assert again.json["job"]["id"] == job
    refused = [retried, *(answer for answer in answers if answer.status == 503)]
    assert len(refused) == 1 + 2 * THREADS - AT_ONCE
    assert {answer.headers["retry-after"] for answer in refused} == {"2"}
    assert {answer.json["message"] for answer in refused} == {"too many jobs are being made"}
    assert sum(answer.status == 200 for answer in answers) == AT_ONCE


def claim(server: Falconerid, job: str, number: int) -> str:
    who = {"pod_name": f"pod-{number}", "node_name": "n"}
    verdict: str = server.call("POST", f"/jobs/{job}/claim", who).json["verdict"]
    return verdict


def test_threads_are_left_to_ordinary_requests() -> None:
    assert 0 < RESERVED < THREADS - AT_ONCE


def test_slot_is_given_back_however_a_request_ends(falconerid: Falconerid, tmp_path: Path) -> None:
    nothing = spec(tmp_path, 0)
    for query in ("", "?plan=1"):
        for _ in range(THREADS):
            assert falconerid.call("POST", f"/jobs{query}", {"job": nothing}).status == 422

    assert falconerid.call("POST", "/jobs", {"job": spec(tmp_path, 1)}).status == 200
