"""`/metrics`: what Prometheus reads."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psycopg
from prometheus_client.parser import text_string_to_metric_families

from tests.databases import fresh_database
from tests.processes import wait_until
from tests.server.conftest import spec
from tests.server.falconerid import Falconerid, running

WHO = {"pod_name": "pod-a", "node_name": "n"}


def scrape(server: Falconerid) -> dict[tuple[str, ...], float]:
    """Values by name and the labels' values, in the order of the labels' names."""
    answer = server.call("GET", "/metrics")
    assert answer.status == 200
    return {
        (sample.name, *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(answer.body.decode())
        for sample in family.samples
    }


def test_requests_are_counted_by_route_method_and_status(tmp_path: Path) -> None:
    with fresh_database() as url, running(url, tmp_path) as server:
        job = server.call("POST", "/jobs", {"job": spec(tmp_path, 1)}).json["job"]["id"]
        server.call("GET", f"/jobs/{job}")
        server.call("GET", f"/jobs/{job}", password="wrong")
        server.call("GET", "/no/such/path")
        server.call("FROB", f"/jobs/{job}")
        server.call("GET", f"/jobs/{job}/wait?hold_s=0", waiting=True)
        # An answer may arrive before its request is counted as ended.
        wait_until(lambda: scrape(server)[("falconerid_requests_in_flight",)] == 1)

        found = scrape(server)

    requests = "falconerid_requests_total"
    route = "/jobs/{job_id}"
    assert found[requests, "GET", route, "200"] == 1
    assert found[requests, "GET", route, "401"] == 1
    assert found[requests, "GET", "none", "404"] == 1
    assert found[requests, "GET", "/jobs/{job_id}/wait", "200"] == 1
    assert found["falconerid_request_duration_seconds_count", "GET", route] == 2
    assert not any("FROB" in key or job in str(key) for key in found)


def test_work_waiters_and_connections_are_told(tmp_path: Path) -> None:
    with fresh_database() as url, running(url, tmp_path) as server, ThreadPoolExecutor() as pool:
        job = server.call("POST", "/jobs", {"job": spec(tmp_path, 3)}).json["job"]["id"]
        server.call("POST", f"/jobs/{job}/claim", WHO)
        waiter = pool.submit(server.call, "GET", f"/jobs/{job}/wait?hold_s=50", waiting=True)
        wait_until(lambda: scrape(server)[("falconerid_waiters",)] == 1)

        found = scrape(server)
        server.call("POST", f"/jobs/{job}/cancel")
        waiter.result()

    expected = {
        "falconeri_database_up": 1,
        "falconeri_jobs_running": 1,
        "falconeri_datums_ready": 2,
        "falconeri_datums_running": 1,
        "falconerid_pool_size": 8,
        "falconerid_requests_waiting": 0,
    }
    assert {name: found[(name,)] for name in expected} == expected


def test_scrape_succeeds_without_the_database(tmp_path: Path) -> None:
    with fresh_database() as url, running(url, tmp_path) as server:
        with psycopg.connect(url, autocommit=True) as conn:
            conn.execute("drop function falconeri.count_work")

        found = scrape(server)

    assert found[("falconeri_database_up",)] == 0
    assert ("falconeri_jobs_running",) not in found


def test_metrics_are_not_for_everybody(falconerid: Falconerid) -> None:
    assert falconerid.call("GET", "/metrics", password=None).status == 401
