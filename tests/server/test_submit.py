"""`POST /jobs` with crosses and limits, answered by a real falconerid."""

from __future__ import annotations

from collections.abc import Generator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tests.databases import fresh_database
from tests.server.conftest import spec
from tests.server.falconerid import Answer, Falconerid, running

LIMIT = 12


@pytest.fixture(scope="module")
def limited(tmp_path_factory: pytest.TempPathFactory) -> Generator[Falconerid]:
    """A server whose jobs may have few datums."""
    state = tmp_path_factory.mktemp("state")
    with (
        fresh_database() as url,
        running(url, state, FALCONERI_MAX_DATUMS=str(LIMIT)) as server,
    ):
        yield server


def atom(parent: Path, name: str, count: int, repo: str | None = None) -> dict[str, Any]:
    directory = parent / name
    directory.mkdir()
    for number in range(count):
        (directory / f"{number:03}").touch()
    return {"atom": {"URI": f"file://{directory}/", "repo": repo or name, "glob": "/*"}}


def post(server: Falconerid, directory: Path, input_: dict[str, Any]) -> Answer:
    return server.call("POST", "/jobs", {"job": spec(directory, 1) | {"input": input_}})


def rows(server: Falconerid) -> tuple[int, ...]:
    """How many rows there are of jobs, chunks of datums and factors."""
    with psycopg.connect(server.database_url) as conn:
        found = conn.execute(
            """
            select (select count(*) from falconeri.jobs),
              (select count(*) from falconeri.datum_chunks),
              (select count(*) from falconeri.factors)
            """
        ).fetchone()
    assert found is not None
    return found


def refused(server: Falconerid, directory: Path, input_: dict[str, Any]) -> dict[str, str]:
    """The body of the answer to what makes no job."""
    before = rows(server)
    answer = post(server, directory, input_)
    assert answer.status == 422
    assert rows(server) == before
    error: dict[str, str] = answer.json
    return error


def test_cross_gives_each_worker_a_combination(limited: Falconerid, tmp_path: Path) -> None:
    cross = {"cross": [atom(tmp_path, "x", 4), atom(tmp_path, "y", 3)]}

    job = post(limited, tmp_path, cross).json["job"]
    claims = [
        limited.call(
            "POST", f"/jobs/{job['id']}/claim", {"pod_name": f"pod-{i}", "node_name": "node"}
        ).json["claim"]
        for i in range(LIMIT)
    ]

    assert [tuple(ref["local_path"] for ref in claim["inputs"]) for claim in claims] == [
        (f"/pfs/x/{x:03}", f"/pfs/y/{y:03}") for x in range(4) for y in range(3)
    ]
    assert rows(limited)[2] == 0


def test_too_large_a_cross_is_refused_with_its_arithmetic(
    limited: Falconerid, tmp_path: Path
) -> None:
    error = refused(limited, tmp_path, {"cross": [atom(tmp_path, "x", 4), atom(tmp_path, "y", 4)]})

    assert error["code"] == "too_many_datums"
    assert error["message"] == "too many datums"
    assert error["detail"] == "4 \N{MULTIPLICATION SIGN} 4 = 16 datums, the limit is 12"
    assert "FALCONERI_MAX_DATUMS" in error["hint"]


def test_too_long_a_listing_is_refused_by_its_uri(limited: Falconerid, tmp_path: Path) -> None:
    error = refused(limited, tmp_path, atom(tmp_path, "x", LIMIT + 1))

    assert error["code"] == "too_many_datums"
    assert error["detail"] == f"more than the limit of 12 with file://{tmp_path}/x/"
    assert "FALCONERI_MAX_DATUMS" in error["hint"]


def test_two_inputs_in_one_place_are_refused_by_name(limited: Falconerid, tmp_path: Path) -> None:
    factors = [atom(tmp_path, name, 2, repo="same") for name in ("x", "y")]

    error = refused(limited, tmp_path, {"cross": factors})

    assert error["code"] == "invalid_input"
    assert error["message"] == "two inputs of one datum have the same local path"
    assert error["detail"] == (
        f"file://{tmp_path}/x/000 as /pfs/same/000, file://{tmp_path}/y/000 as /pfs/same/000"
    )
    assert error["hint"] == "give each part of a cross a repo of its own"
