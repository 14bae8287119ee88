import json
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest

from falconeri_cli.schema import pipeline_schema, pipeline_schema_text
from tests.cli.command import ROOT, falconeri_command
from tests.cli.specs import SPEC, spec_with

ATOM = SPEC["input"]
SECRET_AS_VARIABLE = {"name": "s3", "key": "K", "env_var": "V", "optional": True}
SECRET_AS_DIRECTORY = {"name": "s3", "mount_path": "/secrets"}


def is_valid(spec: Any) -> bool:  # noqa: ANN401  (any JSON)
    return jsonschema_rs.Draft202012Validator(pipeline_schema()).is_valid(spec)


def with_secret(secret: dict[str, Any]) -> dict[str, Any]:
    return spec_with(transform=SPEC["transform"] | {"secrets": [secret]})


def with_atom(**changes: object) -> dict[str, Any]:
    return spec_with(input={"atom": ATOM["atom"] | changes})


@pytest.mark.parametrize(
    "spec",
    [
        SPEC,
        spec_with(datum_tries=3, job_timeout="5m", node_selector={"disk": "ssd"}),
        spec_with(datum_tries=None, job_timeout=None),
        spec_with(input={"cross": [ATOM, {"union": [ATOM, ATOM]}]}),
        with_atom(glob="/**/*.{csv,json}", datums={"files": 100}),
        with_atom(glob="/**", datums={"bytes": "1.5 GiB"}, allow_empty=True),
        spec_with(pod_patch={"hostNetwork": True}),
        spec_with(pod_patch=[{"op": "add", "path": "/hostNetwork", "value": True}]),
        spec_with(pod_patch='{"hostNetwork": true}'),
        with_secret(SECRET_AS_VARIABLE),
        with_secret(SECRET_AS_DIRECTORY),
    ],
)
def test_schema_accepts_right_specs(spec: dict[str, Any]) -> None:
    assert is_valid(spec)


@pytest.mark.parametrize(
    "spec",
    [
        {},
        spec_with(surplus=1),
        spec_with(pod_patch=[{"op": "add", "path": "hostNetwork", "value": True}]),
        spec_with(pod_patch=[{"op": "increment", "path": "/a"}]),
        spec_with(input={}),
        spec_with(input=ATOM | {"union": []}),
        with_atom(glob="*"),
        with_atom(datums={}),
        with_atom(datums={"files": 0}),
        with_atom(datums={"files": 1, "bytes": "1GB"}),
        with_atom(datums={"bytes": "1 gigabyte"}),
        with_atom(allow_empty="no"),
        spec_with(input={"cross": [{}]}),
        spec_with(parallelism_spec={"constant": -1}),
        spec_with(pipeline={"name": "has space"}),
        with_secret(SECRET_AS_VARIABLE | SECRET_AS_DIRECTORY),
        with_secret({"name": "s3"}),
        with_secret({"name": "s3", "key": "K"}),
        with_secret(SECRET_AS_DIRECTORY | {"optional": True}),
    ],
)
def test_schema_refuses_wrong_specs(spec: dict[str, Any]) -> None:
    assert not is_valid(spec)


def test_schema_is_itself_a_valid_schema() -> None:
    jsonschema_rs.meta.validate(pipeline_schema())


@pytest.mark.parametrize(
    "path",
    sorted((ROOT / "examples").glob("*/*.json")),
    ids=lambda path: f"{path.parent.name}/{path.name}",
)
def test_the_examples_follow_the_schema(path: Path) -> None:
    assert is_valid(json.loads(path.read_text()))


def test_schema_command_prints_it() -> None:
    answer = falconeri_command("schema")
    assert answer.returncode == 0
    assert answer.stdout == pipeline_schema_text() + "\n"
    assert json.loads(answer.stdout)["title"] == "PipelineSpec"
