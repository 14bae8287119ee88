"""`POST /jobs?plan=1`, answered by a real falconerid."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import psycopg
import pytest

from tests.server.conftest import MakeJob, spec
from tests.server.falconerid import Answer, Falconerid

Json = dict[str, Any]


def atom(parent: Path, name: str, *sizes_bytes: int, repo: str | None = None) -> Json:
    """An input of files that have these sizes."""
    directory = parent / name
    directory.mkdir()
    for number, size_bytes in enumerate(sizes_bytes):
        (directory / f"{number:03}").write_bytes(bytes(size_bytes))
    return {"atom": {"URI": f"file://{directory}/", "repo": repo or name, "glob": "/*"}}


def post(falconerid: Falconerid, asked: Json, query: str) -> Answer:
    return falconerid.call("POST", f"/jobs{query}", {"job": asked})


def plan(falconerid: Falconerid, asked: Json) -> Json:
    answer = post(falconerid, asked, "?plan=1")
    assert answer.status == 200, answer.body
    found: Json = answer.json["plan"]
    return found


def rows(falconerid: Falconerid) -> tuple[int, ...]:
    """How many there are of all that makes up a job."""
    with psycopg.connect(falconerid.database_url) as conn:
        found = conn.execute(
            """
            select (select count(*) from falconeri.jobs),
              (select count(*) from falconeri.datum_chunks),
              (select count(*) from falconeri.factors),
              (select count(*) from falconeri.requests),
              (select count(*) from procrastinate.procrastinate_jobs)
            """
        ).fetchone()
    assert found is not None
    return found


def test_plan_says_what_would_be_run(falconerid: Falconerid, tmp_path: Path) -> None:
    cross = {"cross": [atom(tmp_path, "x", 10, 20, 60), atom(tmp_path, "y", 1, 2)]}
    asked = spec(tmp_path, 1) | {"input": cross, "retry_delay": "5s"}

    found = plan(falconerid, asked)

    sample, inputs = found.pop("sample"), found.pop("inputs")
    assert found == {
        "pipeline_name": "book_words",
        "image": "r/i",
        "command": ["python3", "/x.py"],
        "egress_uri": f"file://{tmp_path}/out/",
        "datums": 6,
        "max_datums": 10_000_000,
        "size": {
            "total_bytes": 2 * 90 + 3 * 3,
            "smallest_bytes": 11,
            "mean_bytes": 31,
            "largest_bytes": 62,
            "exact": True,
        },
        "parallelism": 10,
        "memory": "500Mi",
        "memory_rungs": [],
        "cpu": 1.2,
        "max_tries": 3,
        "retry_delay_s": 5,
        "timeout_s": 5400,
        "secrets": [],
        "rivals": [],
    }
    assert [(each["repo"], each["datums"], each["size"]["total_bytes"]) for each in inputs] == [
        ("x", 3, 90),
        ("y", 2, 3),
    ]
    assert len(sample) == 6


def test_plan_begins_with_the_datums_that_workers_get_first(
    falconerid: Falconerid, tmp_path: Path
) -> None:
    nested = {"cross": [atom(tmp_path, "y", 1, 1), atom(tmp_path, "z", 1, 1)]}
    input_ = {
        "union": [
            atom(tmp_path, "w", 1),
            {"cross": [atom(tmp_path, "x", 1, 1), {"union": [nested, atom(tmp_path, "v", 1)]}]},
        ]
    }
    asked = spec(tmp_path, 1) | {"input": input_}

    sample = plan(falconerid, asked)["sample"]
    job = post(falconerid, asked, "").json["job"]["id"]
    who = [{"pod_name": f"pod-{number}", "node_name": "n"} for number in range(len(sample))]
    claims = [falconerid.call("POST", f"/jobs/{job}/claim", each).json["claim"] for each in who]

    assert len(sample) == 10
    assert [datum["inputs"] for datum in sample] == [claim["inputs"] for claim in claims]


def test_plan_leaves_nothing_behind(falconerid: Falconerid, tmp_path: Path) -> None:
    cross = {"cross": [atom(tmp_path, "x", 1, 1), atom(tmp_path, "y", 1, 1)]}
    before = rows(falconerid)

    plan(falconerid, spec(tmp_path, 1) | {"input": cross})

    assert rows(falconerid) == before


def test_folders_are_measured_only_if_they_are_the_whole_input(
    falconerid: Falconerid, tmp_path: Path
) -> None:
    entries = atom(tmp_path, "x", 7)
    (tmp_path / "x" / "folder").mkdir()
    (tmp_path / "x" / "folder" / "file").write_bytes(bytes(5))
    whole = {"atom": entries["atom"] | {"glob": "/", "repo": "all"}}

    found = plan(falconerid, spec(tmp_path, 1) | {"input": {"union": [entries, whole]}})

    assert found["datums"] == 3
    assert (found["size"]["total_bytes"], found["size"]["exact"]) == (7 + 12, False)
    assert [(each["size"]["largest_bytes"], each["size"]["exact"]) for each in found["inputs"]] == [
        (7, False),
        (12, True),
    ]


def test_running_jobs_that_may_write_the_same_are_named(
    falconerid: Falconerid, make_job: MakeJob, tmp_path: Path
) -> None:
    rival = make_job(egress={"URI": f"file://{tmp_path}/out/deeper/"})
    make_job(egress={"URI": f"file://{tmp_path}/elsewhere/"})

    assert plan(falconerid, spec(tmp_path, 1))["rivals"] == [
        {
            "job_id": rival["id"],
            "job_name": rival["job_name"],
            "egress_uri": f"file://{tmp_path}/out/deeper/",
        }
    ]


def test_secrets_are_named_without_their_values(falconerid: Falconerid, tmp_path: Path) -> None:
    secret = falconerid.log.parent / "secrets" / "planned"
    secret.mkdir(parents=True)
    (secret / "KEY").write_text("hush")
    variable = {"name": "planned", "key": "KEY", "env_var": "IT"}
    secrets = [
        variable,
        {"name": "planned", "mount_path": "/secret"},
        variable | {"key": "OTHER", "optional": True},
        variable | {"name": "nowhere", "optional": True},
    ]
    asked = spec(tmp_path, 1)
    asked["transform"]["secrets"] = secrets

    answer = post(falconerid, asked, "?plan=1")

    assert [
        (each["name"], each["key"], each["mount_path"], each["found"])
        for each in answer.json["plan"]["secrets"]
    ] == [
        ("planned", "KEY", None, True),
        ("planned", None, "/secret", True),
        ("planned", "OTHER", None, False),
        ("nowhere", "KEY", None, False),
    ]
    assert b"hush" not in answer.body


def wrong_specs(directory: Path) -> dict[str, Json]:
    """Specs that are refused at one step or another, and what is wrong with them."""
    same = [atom(directory, name, 1, 1, repo="same") for name in ("s", "t")]
    nested = {"cross": [atom(directory, "u", 1), {"cross": [same[0], {"union": [same[1]]}]}]}
    deep = {"cross": [same[0], {"cross": [atom(directory, "v", 1), same[1]]}]}
    vast = {"cross": [atom(directory, "w", *[0] * 60)] * 5}
    fine = spec(directory, 1)
    secrets = [{"name": "nowhere", "mount_path": "/secret"}]
    return {
        "no field": {name: part for name, part in fine.items() if name != "egress"},
        "another field": fine | {"surplus": 1},
        "no such directory": fine | {"input": atom(directory, "empty")},
        "no such store": fine | {"egress": {"URI": "ftp://host/"}},
        "no such secret": fine | {"transform": fine["transform"] | {"secrets": secrets}},
        "two files in one place": fine | {"input": {"cross": same}},
        "the same within another cross": fine | {"input": nested},
        "the same of different depths": fine | {"input": deep},
        "too many": fine | {"input": vast},
    }


def test_what_no_job_can_be_made_of_is_refused_in_the_same_words(
    falconerid: Falconerid, tmp_path: Path
) -> None:
    before = rows(falconerid)

    for wrong, asked in wrong_specs(tmp_path).items():
        planned, made = (post(falconerid, asked, query) for query in ("?plan=1", ""))
        assert planned.status in (400, 422), wrong
        assert (planned.status, planned.json) == (made.status, made.json), wrong

    assert rows(falconerid) == before


@pytest.mark.parametrize(
    ("query", "key"),
    [("?plan", "plan"), ("?plan=true", "plan"), ("?plan=0", "job"), ("?plan=false", "job")],
)
def test_plan_is_switched_on_and_off(
    falconerid: Falconerid, tmp_path: Path, query: str, key: str
) -> None:
    assert list(post(falconerid, spec(tmp_path, 1), query).json) == [key]


def test_plan_that_is_neither_wanted_nor_unwanted_is_refused(
    falconerid: Falconerid, tmp_path: Path
) -> None:
    before = rows(falconerid)

    assert post(falconerid, spec(tmp_path, 1), "?plan=perhaps").status == 400
    assert rows(falconerid) == before
