"""Specs as people write them: WHOLE has every field, `spec()` changes some of a minimal one."""

from __future__ import annotations

import json
from typing import Any

import pytest

from falconeri.errors import BadRequest, InvalidSpec
from falconeri.globs import MAX_LENGTH
from falconeri.wire import codec
from falconeri.wire.spec import (
    MAX_FILES,
    MAX_INPUT_DEPTH,
    Grouping,
    PipelineSpec,
    parse_spec,
    stored_form,
)

ATOM = {"atom": {"URI": "s3://in/", "repo": "texts", "glob": "/*"}}

MINIMAL: dict[str, Any] = {
    "pipeline": {"name": "words"},
    "transform": {"cmd": ["python3", "/words.py"], "image": "words:1"},
    "parallelism_spec": {"constant": 2},
    "resource_requests": {"memory": "500Mi", "cpu": 1.2},
    "input": ATOM,
    "egress": {"URI": "s3://out/"},
}

WHOLE: dict[str, Any] = {
    **MINIMAL,
    "transform": {
        **MINIMAL["transform"],
        "image_pull_policy": "Always",
        "env": {"A": "1"},
        "secrets": [
            {"name": "ssl", "mount_path": "/ssl"},
            {"name": "s3", "key": "K", "env_var": "AWS_ACCESS_KEY_ID"},
            {"name": "s3", "key": "T", "env_var": "AWS_SESSION_TOKEN", "optional": True},
        ],
        "service_account": "words",
    },
    "input": {"cross": [{"union": [{"pfs": ATOM["atom"]}]}, ATOM]},
    "datum_tries": 3,
    "job_timeout": "2h 30m",
    "node_selector": {"pool": "big"},
}


def spec(**changes: object) -> PipelineSpec:
    return parse_spec(json.dumps({**MINIMAL, **changes}))


def refused(**changes: object) -> str:
    with pytest.raises(InvalidSpec) as caught:
        spec(**changes)
    return caught.value.detail


def test_the_stored_form_has_the_fields_that_the_original_stores() -> None:
    stored = stored_form(parse_spec(json.dumps(WHOLE)))

    assert stored == {
        "pipeline": {"name": "words"},
        "transform": {
            **WHOLE["transform"],
            "secrets": [
                {"name": "ssl", "mount_path": "/ssl"},
                {"name": "s3", "key": "K", "env_var": "AWS_ACCESS_KEY_ID", "optional": False},
                {"name": "s3", "key": "T", "env_var": "AWS_SESSION_TOKEN", "optional": True},
            ],
        },
        "parallelism_spec": {"constant": 2},
        "resource_requests": {"memory": "500Mi", "cpu": 1.2},
        "job_timeout": 9000,
        "node_selector": {"pool": "big"},
        "input": {"cross": [{"union": [ATOM]}, ATOM]},
        "egress": {"URI": "s3://out/"},
    }


def test_the_stored_form_of_a_minimal_spec_has_its_defaults() -> None:
    stored = stored_form(spec())

    assert stored["job_timeout"] is None
    assert stored["node_selector"] == {}
    assert stored["transform"] == {
        **MINIMAL["transform"],
        "image_pull_policy": None,
        "env": {},
        "secrets": [],
        "service_account": None,
    }


@pytest.mark.parametrize(("tries", "most"), [(None, 1), (0, 1), (1, 1), (5, 5)])
def test_a_datum_is_tried_at_least_once(tries: int | None, most: int) -> None:
    assert spec(datum_tries=tries).max_tries == most


@pytest.mark.parametrize(
    ("text", "seconds"), [(None, None), ("0", None), ("999ms", None), ("1.9s", 1), ("5m", 300)]
)
def test_a_timeout_is_whole_seconds_or_none(text: str | None, seconds: int | None) -> None:
    assert spec(job_timeout=text).timeout_s == seconds


@pytest.mark.parametrize("name", ["a", "A_b-9", "x" * 52])
def test_a_pipeline_name_may_be(name: str) -> None:
    assert spec(pipeline={"name": name}).pipeline.name == name


@pytest.mark.parametrize("name", ["", "-a", "_a", "a.b", "a b", "é", "x" * 53, "a\n", "a\nb"])
def test_a_pipeline_name_may_not_be(name: str) -> None:
    assert refused(pipeline={"name": name}).startswith("pipeline.name: ")


@pytest.mark.parametrize("repo", ["", "out", ".", "..", "a/b", "/a", "../a", "a\n", "é"])
def test_a_repo_names_one_directory_beside_the_outputs(repo: str) -> None:
    detail = refused(input={"atom": {**ATOM["atom"], "repo": repo}})

    assert detail.startswith("input.atom")
    assert "repo" in detail


@pytest.mark.parametrize("repo", ["a", "output", "...", "a.b-c_d", "9"])
def test_a_repo_may_be(repo: str) -> None:
    assert spec(input={"atom": {**ATOM["atom"], "repo": repo}}).input.files is not None


def with_atom(**changes: object) -> dict[str, Any]:
    return {"input": {"atom": {**ATOM["atom"], **changes}}}


@pytest.mark.parametrize("grouping", [{"files": 100}, {"bytes": "256MiB"}])
def test_what_an_atom_says_of_its_datums_is_stored(grouping: dict[str, Any]) -> None:
    changes = with_atom(glob="/**", datums=grouping, allow_empty=True)

    assert stored_form(spec(**changes))["input"] == changes["input"]


@pytest.mark.parametrize(
    ("grouping", "limits"),
    [({"files": 7}, (7, None)), ({"bytes": "1.5KiB"}, (MAX_FILES, 1536))],
)
def test_a_datum_is_limited_in_files_and_perhaps_in_bytes(
    grouping: dict[str, Any], limits: tuple[int, int | None]
) -> None:
    atom = spec(**with_atom(glob="/**", datums=grouping)).input.files

    assert atom is not None
    assert isinstance(atom.datums, Grouping)
    assert (atom.datums.max_files, atom.datums.max_bytes) == limits


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"input": {}}, "input: "),
    ({"input": {**ATOM, "pfs": ATOM["atom"]}}, "input: "),
    ({"input": {**ATOM, "union": []}}, "input: "),
    (with_atom(glob="*"), "input.atom.glob: "),
    (with_atom(glob="/" + "x" * MAX_LENGTH), "input.atom.glob: "),
    (with_atom(glob="/*/a[bc"), "input.atom: `glob`: character 5: this `[` is not closed"),
    (with_atom(datums={}), "input.atom.datums: "),
    (with_atom(datums={"files": 1, "bytes": "1B"}), "input.atom.datums: "),
    (with_atom(datums={"files": 0}), "input.atom.datums.files: "),
    (with_atom(datums={"files": MAX_FILES + 1}), "input.atom.datums.files: "),
    (with_atom(datums={"files": "5"}), "input.atom.datums.files: "),
    (with_atom(datums={"files": 5.0}), "input.atom.datums.files: "),
    (with_atom(datums={"bytes": 5}), "input.atom.datums.bytes: "),
    (with_atom(datums={"bytes": "5 mb"}), "input.atom.datums: `bytes`: '5 mb' is not a size"),
    (with_atom(datums={"bytes": "0B"}), "input.atom.datums: `bytes`: '0B' is less than a byte"),
    (with_atom(datums={"folders": 1}), "input.atom.datums: "),
    (with_atom(datums=5), "input.atom.datums: "),
    (with_atom(datums=None), "input.atom.datums: "),
    (with_atom(glob="/", datums={"files": 5}), "input.atom: `datums`: the glob makes one datum"),
    (with_atom(allow_empty=1), "input.atom.allow_empty: "),
    ({"input": {"atom": {**ATOM["atom"], "x": 1}}}, "input.atom: "),
    ({"input": {"cross": [ATOM, {"union": [{}]}]}}, "input.cross[1].union[0]: "),
    ({"transform": {"cmd": [], "image": "i"}}, "transform.cmd: "),
    ({"transform": {**MINIMAL["transform"], "env": None}}, "transform.env: "),
    ({"transform": {**MINIMAL["transform"], "env": {"A": 1}}}, "transform.env"),
    ({"transform": {**MINIMAL["transform"], "secrets": None}}, "transform.secrets: "),
    ({"parallelism_spec": {"constant": -1}}, "parallelism_spec.constant: "),
    ({"parallelism_spec": {"constant": 2**31}}, "parallelism_spec.constant: "),
    ({"parallelism_spec": {"constant": 3.0}}, "parallelism_spec.constant: "),
    ({"parallelism_spec": {"coefficient": 1}}, "parallelism_spec: "),
    ({"resource_requests": {"memory": "1Mi", "cpu": "1"}}, "resource_requests.cpu: "),
    ({"resource_requests": {"memory": 5, "cpu": 1}}, "resource_requests.memory: "),
    ({"datum_tries": 2**31}, "datum_tries: "),
    ({"job_timeout": 5}, "job_timeout: "),
    ({"job_timeout": "5 minuten"}, "`job_timeout`: "),
    ({"egress": {"uri": "s3://out"}}, "egress: "),
    ({"node_selector": None}, "node_selector: "),
]


@pytest.mark.parametrize(("changes", "path"), WRONG)
def test_a_wrong_field_is_refused_with_its_path(changes: dict[str, Any], path: str) -> None:
    assert refused(**changes).startswith(path)


def test_an_unknown_field_is_refused_by_name() -> None:
    assert "`chunk_spec`" in refused(chunk_spec={})


@pytest.mark.parametrize(
    "secret",
    [
        {"name": "s"},
        {"name": "s", "key": "K"},
        {"name": "s", "env_var": "E"},
        {"name": "s", "mount_path": "/m", "key": "K", "env_var": "E"},
        {"name": "s", "mount_path": "/m", "optional": False},
        {"name": "s", "key": "K", "env_var": "E", "x": 1},
        {"mount_path": "/m"},
    ],
)
def test_a_secret_has_exactly_one_of_two_shapes(secret: dict[str, Any]) -> None:
    detail = refused(transform={**MINIMAL["transform"], "secrets": [secret]})

    assert detail.startswith("transform.secrets[0]: ")


def test_a_whole_number_of_cores_is_fine() -> None:
    assert spec(resource_requests={"memory": "1Mi", "cpu": 2}).resource_requests.cpu == 2.0


def nested(depth: int) -> dict[str, Any]:
    input_: dict[str, Any] = ATOM
    for _ in range(depth - 1):
        input_ = {"union": [input_]}
    return input_


def test_an_input_may_be_nested_but_not_without_end() -> None:
    assert spec(input=nested(MAX_INPUT_DEPTH))
    for depth in (MAX_INPUT_DEPTH + 1, 200):
        assert refused(input=nested(depth)).startswith("`input` is nested more than")


def test_a_key_that_is_given_twice_is_refused() -> None:
    text = json.dumps(MINIMAL).replace('"name": "words"', '"name": "words", "name": "other"')

    with pytest.raises(InvalidSpec, match="given twice: name"):
        parse_spec(text)


def test_what_is_not_json_is_a_bad_request() -> None:
    with pytest.raises(BadRequest):
        parse_spec("{")


FEATURES: dict[str, Any] = {
    "stdin": ["a", "b"],
    "working_dir": "/work",
    "accept_return_code": [3],
    "err_cmd": ["true"],
    "err_stdin": ["c"],
}


def test_how_a_program_is_run_is_stored_as_it_was_written_with_its_timeout_in_seconds() -> None:
    transform = MINIMAL["transform"] | FEATURES

    stored = stored_form(spec(transform=transform, datum_timeout="1m 30s"))

    assert stored["datum_timeout"] == 90
    assert FEATURES.items() <= stored["transform"].items()


def test_what_the_original_does_not_know_is_not_sent_unless_it_is_used() -> None:
    sent = json.loads(codec.encode(spec()))

    known = {"datum_tries", "job_timeout", "node_selector"}
    assert set(sent) <= {*MINIMAL, *known}
    known = {"image_pull_policy", "env", "secrets", "service_account"}
    assert set(sent["transform"]) <= {*MINIMAL["transform"], *known}
    assert sent["resource_requests"] == MINIMAL["resource_requests"]
    assert sent["input"] == MINIMAL["input"]


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"resident": True, "stdin": []}, "`stdin`: a resident program"),
        ({"resident": True, "accept_return_code": [1]}, "`accept_return_code`: a resident"),
        ({"resident": True, "working_dir": "/pfs/in"}, "`working_dir`: /pfs changes"),
        ({"resident": True, "working_dir": "/pfs"}, "`working_dir`: /pfs changes"),
        ({"err_stdin": ["a"]}, "`err_stdin` is for `err_cmd`"),
        ({"working_dir": "here"}, "transform.working_dir"),
        ({"accept_return_code": [256]}, "transform.accept_return_code[0]"),
        ({"err_cmd": []}, "transform.err_cmd"),
        ({"stdin": "a"}, "transform.stdin"),
    ],
)
def test_fields_that_go_ill_together_are_refused_by_name(
    fields: dict[str, Any], expected: str
) -> None:
    assert expected in refused(transform=MINIMAL["transform"] | fields)


@pytest.mark.parametrize("text", ["0", "500ms", "soon", ""])
def test_a_datum_timeout_is_a_second_at_least(text: str) -> None:
    assert "datum_timeout" in refused(datum_timeout=text)


def test_a_resident_program_may_begin_beside_pfs() -> None:
    assert spec(transform=MINIMAL["transform"] | {"resident": True, "working_dir": "/pfsx"})
