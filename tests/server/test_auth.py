from __future__ import annotations

from pathlib import Path
from uuid import UUID

import pytest

from falconeri.tokens import make_token
from tests.databases import fresh_database
from tests.server.conftest import MakeJob, spec
from tests.server.falconerid import PASSWORD, Falconerid, basic, running

WHO = {"pod_name": "pod-a", "node_name": "n"}


def test_version_and_health_are_public(falconerid: Falconerid) -> None:
    assert falconerid.call("GET", "/version", password=None).status == 200
    assert falconerid.call("GET", "/healthz", password=None).json == {"status": "ok"}


@pytest.mark.parametrize(
    ("header", "status"),
    [
        (None, 401),
        (basic("wrong"), 401),
        (basic(PASSWORD, user="postgres"), 401),
        ("Bearer x", 400),
        ("Basic !!!", 400),
        ("Basic bm9jb2xvbg==", 400),
        (basic(PASSWORD), 200),
        (basic(PASSWORD + "\n"), 200),
    ],
)
@pytest.mark.parametrize("waiting", [False, True])
def test_credentials(
    falconerid: Falconerid, make_job: MakeJob, header: str | None, status: int, *, waiting: bool
) -> None:
    path = f"/jobs/{make_job()['id']}/wait?hold_s=0" if waiting else "/jobs/list"
    headers = {} if header is None else {"Authorization": header}

    answer = falconerid.call("GET", path, password=None, headers=headers, waiting=waiting)

    assert answer.status == status
    assert ("www-authenticate" in answer.headers) == (status == 401)


def test_worker_token_opens_its_own_jobs_work_and_nothing_else(
    falconerid: Falconerid, make_job: MakeJob
) -> None:
    mine, other = make_job(), make_job()
    token = make_token(PASSWORD, UUID(mine["id"]))

    claimed = falconerid.call("POST", f"/jobs/{mine['id']}/claim", WHO, password=token)
    assert claimed.json["verdict"] == "claimed"
    datum = claimed.json["claim"]["datum_id"]
    theirs = falconerid.call("POST", f"/jobs/{other['id']}/claim", WHO).json["claim"]["datum_id"]
    outputs: dict[str, object] = {"pod_name": "pod-a", "output_files": []}

    calls: list[tuple[str, str, object, int]] = [
        ("GET", f"/jobs/{mine['id']}", None, 200),
        ("POST", f"/datums/{datum}/output_files", outputs, 200),
        ("POST", f"/jobs/{other['id']}/claim", WHO, 403),
        ("POST", f"/datums/{theirs}/output_files", outputs, 403),
        ("GET", "/jobs/list", None, 403),
        ("POST", f"/jobs/{mine['id']}/cancel", None, 403),
        ("GET", f"/datums/{datum}/describe", None, 403),
    ]
    for method, path, body, status in calls:
        answer = falconerid.call(method, path, body, password=token)
        assert answer.status == status, (path, answer.body)


def test_forged_token_is_refused(falconerid: Falconerid, make_job: MakeJob) -> None:
    mine, other = make_job(), make_job()
    signature = make_token(PASSWORD, UUID(mine["id"])).partition(".")[2]

    answer = falconerid.call(
        "POST", f"/jobs/{other['id']}/claim", WHO, password=f"{other['id']}.{signature}"
    )

    assert answer.status == 401


def test_reader_looks_and_touches_nothing(tmp_path: Path) -> None:
    with fresh_database() as url, running(url, tmp_path, FALCONERI_READ_PASSWORD="look") as server:
        job = server.call("POST", "/jobs", {"job": spec(tmp_path, 1)}).json["job"]["id"]

        for path in ("/jobs/list", f"/jobs/{job}", f"/jobs/{job}/describe", f"/jobs/{job}/datums"):
            assert server.call("GET", path, password="look").status == 200, path
        for method, path, body in (
            ("POST", "/jobs", {"job": spec(tmp_path, 1)}),
            ("POST", f"/jobs/{job}/cancel", None),
            ("DELETE", f"/jobs/{job}", None),
            ("POST", f"/jobs/{job}/claim", WHO),
        ):
            refused = server.call(method, path, body, password="look")
            assert (refused.status, refused.json["code"]) == (403, "forbidden"), path
        assert server.call("GET", "/jobs/list", password="look\n").status == 200
        assert server.call("GET", "/jobs/list", password="").status == 401
