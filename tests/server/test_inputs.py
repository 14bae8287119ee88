"""Which datums a spec's globs and groups make, through a real falconerid and from real stores."""

from __future__ import annotations

import re
from collections.abc import Callable, Generator, Iterable
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from falconeri.storage import Credentials
from falconeri.storage.s3_client import client_for
from tests.processes import wait_until
from tests.s3_server import s3_server
from tests.server.conftest import spec
from tests.server.falconerid import Falconerid
from tests.server.test_plan import rows

Json = dict[str, Any]
Put = Callable[[Iterable[str]], str]
"""Writes files of one byte, and returns the URI of their directory, without a `/` at the end."""

GUIDE = Path(__file__).parents[2] / "docs" / "guide.md"
SECRET = "inputs"
KEYS = {"AWS_ACCESS_KEY_ID": "AKIATEST", "AWS_SECRET_ACCESS_KEY": "hush"}


def guide_section() -> str:
    return GUIDE.read_text().partition("## Which files make a datum")[2].partition("\n## ")[0]


def tree() -> list[str]:
    """The files of the guide's example."""
    return guide_section().split("```")[1].split()


def table() -> list[tuple[str, list[str]]]:
    """The globs of the guide's example, and what they find; of everything nothing is named."""
    lines = re.findall(r"^\| `(/.*?)` \| (.*) \|$", guide_section(), re.MULTILINE)
    return [(glob, re.findall("`(.*?)`", paths) or [""]) for glob, paths in lines]


@pytest.fixture(scope="module")
def s3_keys() -> Generator[Json]:
    """What a secret for a real S3 server has."""
    with s3_server() as url:
        yield KEYS | {"AWS_ENDPOINT_URL": url}


@pytest.fixture
def bucket(falconerid: Falconerid, s3_keys: dict[str, str]) -> Put:
    """A new bucket, with markers of directories and with neighbours that nobody may see."""
    secret = falconerid.log.parent / "secrets" / SECRET
    secret.mkdir(parents=True, exist_ok=True)
    for name, value in s3_keys.items():
        (secret / name).write_text(value)
    client, name = client_for(Credentials(s3_keys)), f"bucket-{uuid4().hex}"

    def put(keys: Iterable[str]) -> str:
        client.create_bucket(Bucket=name)
        for key in keys:
            client.put_object(Bucket=name, Key=f"in/{key}", Body=b"x")
        client.put_object(Bucket=name, Key="in/")
        client.put_object(Bucket=name, Key="in-neighbour", Body=b"x")
        return f"s3://{name}/in"

    return put


@pytest.fixture
def folder(tmp_path: Path) -> Put:
    def put(keys: Iterable[str]) -> str:
        for key in keys:
            path = tmp_path / "in" / key
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(b"x")
        return f"file://{tmp_path}/in"

    return put


@pytest.fixture(params=["file", "s3"])
def store(request: pytest.FixtureRequest) -> Put:
    put: Put = request.getfixturevalue({"file": "folder", "s3": "bucket"}[request.param])
    return put


def asked(directory: Path, uri: str, glob: str, **fields: object) -> Json:
    """A spec with one input."""
    made = spec(directory, 0)
    made["input"] = {"atom": {"URI": uri, "repo": "in", "glob": glob} | fields}
    if uri.startswith("s3:"):
        variable = "AWS_ACCESS_KEY_ID"
        made["transform"]["secrets"] = [{"name": SECRET, "key": variable, "env_var": variable}]
    return made


def planned(falconerid: Falconerid, wanted: Json) -> Json:
    answer = falconerid.call("POST", "/jobs?plan=1", {"job": wanted})
    assert answer.status == 200, answer.body
    found: Json = answer.json["plan"]
    return found


def claimed(falconerid: Falconerid, wanted: Json) -> list[list[str]]:
    """The local paths of all datums of a new job, below the repo; each URI must end as they do."""
    job = falconerid.call("POST", "/jobs", {"job": wanted}).json["job"]
    datums: list[list[str]] = []
    uri = wanted["input"]["atom"]["URI"]
    while True:
        who = {"pod_name": f"pod-{len(datums)}", "node_name": "n"}
        claim = falconerid.call("POST", f"/jobs/{job['id']}/claim", who).json["claim"]
        if claim is None:
            return datums
        paths = [ref["local_path"].removeprefix("/pfs/in/") for ref in claim["inputs"]]
        assert [ref["uri"] for ref in claim["inputs"]] == [f"{uri}/{path}" for path in paths]
        datums.append(paths)


def test_guide_has_a_table() -> None:
    assert len(tree()) == 5
    assert len(table()) == 11


def test_globs_find_what_the_guide_says(falconerid: Falconerid, store: Put, tmp_path: Path) -> None:
    uri = store(tree())

    for glob, paths in table():
        sample = planned(falconerid, asked(tmp_path, uri, glob))["sample"]
        found = [ref["uri"] for datum in sample for ref in datum["inputs"]]
        assert found == [f"{uri}/{path}" for path in paths], glob


def test_each_object_is_a_datum_as_with_the_original(
    falconerid: Falconerid, bucket: Put, tmp_path: Path
) -> None:
    uri = bucket(["a", "a/b", "a/b/", "c d/é#%~.txt", "c/"])

    assert claimed(falconerid, asked(tmp_path, uri, "/**")) == [["a"], ["a/b"], ["c d/é#%~.txt"]]


def test_groups_of_files_are_handed_out_together(
    falconerid: Falconerid, store: Put, tmp_path: Path
) -> None:
    uri = store(f"{name}/{number}" for name in "ab" for number in range(5))
    by_files = asked(tmp_path, uri, "/*/*", datums={"files": 4})
    by_bytes = asked(tmp_path, uri, "/*", datums={"bytes": "9B"})

    assert claimed(falconerid, by_files) == [
        ["a/0", "a/1", "a/2", "a/3"],
        ["a/4", "b/0", "b/1"],
        ["b/2", "b/3", "b/4"],
    ]
    assert claimed(falconerid, by_bytes) == [["a/"], ["b/"]]


def test_plan_tells_what_is_grouped(falconerid: Falconerid, folder: Put, tmp_path: Path) -> None:
    uri = folder(f"{number:03}" for number in range(101))
    wanted = asked(tmp_path, uri, "/**", datums={"files": 100})

    found = planned(falconerid, wanted)

    (planned_input,) = found["inputs"]
    assert (planned_input["matches"], planned_input["datums"], found["datums"]) == (101, 2, 2)
    assert (found["size"]["total_bytes"], found["size"]["largest_bytes"]) == (101, 51)
    assert [datum["input_count"] for datum in found["sample"]] == [51, 50]
    assert [len(datum["inputs"]) for datum in found["sample"]] == [10, 10]


def test_groups_of_two_inputs_are_crossed(
    falconerid: Falconerid, folder: Put, tmp_path: Path
) -> None:
    uri = folder("abcd")
    wanted = asked(tmp_path, uri, "/**")
    atoms = [
        {"atom": {"URI": uri, "repo": repo, "glob": "/**", "datums": {"files": files}}}
        for repo, files in (("x", 2), ("y", 4))
    ]

    found = planned(falconerid, wanted | {"input": {"cross": atoms}})

    assert [[ref["local_path"] for ref in datum["inputs"]] for datum in found["sample"]] == [
        [f"/pfs/x/{name}" for name in first] + [f"/pfs/y/{name}" for name in "abcd"]
        for first in ("ab", "cd")
    ]


Refused = tuple[list[str], str, Json, list[str]]
"""Keys, a glob, further fields of the atom, and what is said of them."""

NO_DATUMS: list[Refused] = [
    (["a"], "/[z", {}, ["input.atom: `glob`: character 2: this `[` is not closed"]),
    (["a"], "/", {"datums": {"files": 2}}, ["input.atom: `datums`: the glob makes one datum"]),
    (["a"], "/*.csv", {}, ["/in with the glob /*.csv"]),
    (["a"], "/b/**", {}, ["/in with the glob /b/**"]),
]
NO_LOCAL_PATHS: list[Refused] = [
    (["a/../b"], "/**", {}, ["in/a/../b"]),
    (["a//b"], "/", {}, ["in/a//b"]),
    (["a//b"], "/*/*", {}, ["in/a//"]),
    (["a", "a/b"], "/", {}, ["in/a'", "in/a/b'"]),
    (["a", "a-b", "a/b"], "/**", {"datums": {"files": 3}}, ["in/a'", "in/a/b'"]),
    (["a", "a/b"], "/*", {"datums": {"bytes": "1GB"}}, ["in/a'", "in/a/'"]),
]


@pytest.mark.parametrize("refused", [*NO_DATUMS, *NO_LOCAL_PATHS])
def test_what_can_have_no_datums_makes_no_job(
    falconerid: Falconerid, bucket: Put, tmp_path: Path, refused: Refused
) -> None:
    keys, glob, fields, said = refused
    wanted = asked(tmp_path, bucket(keys), glob, **fields)
    before = rows(falconerid)

    for query in ("", "?plan=1"):
        answer = falconerid.call("POST", f"/jobs{query}", {"job": wanted})
        assert answer.status == 422
        assert all(part in answer.json["detail"] for part in said), answer.json

    assert rows(falconerid) == before


def test_input_that_may_be_empty_makes_a_job_that_is_done(
    falconerid: Falconerid, store: Put, tmp_path: Path
) -> None:
    uri = store(["a"])
    wanted = asked(tmp_path, f"{uri}/nowhere", "/*", allow_empty=True)

    job = falconerid.call("POST", "/jobs", {"job": wanted}).json["job"]

    assert job["pipeline_spec"]["input"]["atom"]["allow_empty"] is True
    wait_until(lambda: falconerid.call("GET", f"/jobs/{job['id']}").json["job"]["status"] == "done")


def test_bucket_that_is_not_there_is_not_an_empty_one(
    falconerid: Falconerid, bucket: Put, tmp_path: Path
) -> None:
    bucket([])
    wanted = asked(tmp_path, "s3://no-such-bucket/in", "/b*", allow_empty=True)

    answer = falconerid.call("POST", "/jobs", {"job": wanted})

    assert answer.status == 422
    assert answer.json["message"] == "no such bucket"
