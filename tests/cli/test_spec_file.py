from pathlib import Path
from typing import Any

import pytest

from falconeri.errors import BadRequest, InvalidArgument, InvalidSpec
from falconeri_cli.spec_file import absolute, load_spec
from tests.cli.specs import SPEC, spec_with, write_spec


def test_relative_file_references_are_beside_the_spec(tmp_path: Path) -> None:
    spec = load_spec(write_spec(tmp_path))
    assert spec.input.files is not None
    assert spec.input.files.uri == f"file://{tmp_path}/in/"
    assert spec.egress.uri == f"file://{tmp_path}/out/"
    assert spec.transform.image == f"file://{tmp_path}"


def test_file_references_are_resolved_in_every_input_of_a_combination(tmp_path: Path) -> None:
    atom: dict[str, Any] = SPEC["input"]
    alias = {"pfs": atom["atom"]}
    spec = load_spec(
        write_spec(tmp_path, spec_with(input={"cross": [{"union": [alias, atom]}, atom]}))
    )
    assert isinstance(spec.input.cross, list)
    inner, second = spec.input.cross
    assert isinstance(inner.union, list)
    atoms = [part.files for part in (*inner.union, second)]
    assert [part.uri for part in atoms if part] == [f"file://{tmp_path}/in/"] * 3


@pytest.mark.parametrize(
    ("reference", "expected"),
    [
        ("file:texts/", "file:///data/texts/"),
        ("file:texts", "file:///data/texts"),
        ("file:.", "file:///data"),
        ("file:./", "file:///data/"),
        ("file:../other/x", "file:///other/x"),
        ("file:/abs/dir/", "file:///abs/dir/"),
        ("file:a b/50%#?/", "file:///data/a b/50%#?/"),
        ("file:///abs/dir/", "file:///abs/dir/"),
        ("file:/", "file:///"),
        ("s3://bucket/file:x/", "s3://bucket/file:x/"),
        ("busybox:1", "busybox:1"),
        ("file", "file"),
    ],
)
def test_only_paths_without_a_host_are_made_absolute(reference: str, expected: str) -> None:
    assert absolute(reference, Path("/data")) == expected


def test_the_directory_of_a_spec_behind_a_symbolic_link_is_that_of_the_spec(
    tmp_path: Path,
) -> None:
    (tmp_path / "real").mkdir()
    path = Path(write_spec(tmp_path / "real"))
    link = tmp_path / "link.json"
    link.symlink_to(path)
    assert load_spec(str(link)).egress.uri == f"file://{tmp_path}/real/out/"


def test_an_unknown_field_is_named_with_its_path_and_its_file(tmp_path: Path) -> None:
    path = write_spec(tmp_path, spec_with(egress={"URI": "file:out/", "bucket": "x"}))
    with pytest.raises(InvalidSpec) as caught:
        load_spec(path)
    assert caught.value.detail.startswith(f"{path}: egress: ")
    assert "bucket" in caught.value.detail


def test_a_field_that_is_there_twice_is_refused(tmp_path: Path) -> None:
    path = write_spec(tmp_path, '{"pipeline": {"name": "a", "name": "b"}}')
    with pytest.raises(InvalidSpec, match="pipeline spec") as caught:
        load_spec(path)
    assert "`name` is there twice" in caught.value.detail


@pytest.mark.parametrize("text", ["", "{", "{} {}", '{"a": NaN}', "[" * 200_000])
def test_what_is_not_json_is_said_to_be_that(tmp_path: Path, text: str) -> None:
    with pytest.raises(BadRequest, match="not JSON"):
        load_spec(write_spec(tmp_path, text))


@pytest.mark.parametrize("text", ["[]", "3", '"spec"', "null", '{"input": 3, "transform": []}'])
def test_json_of_another_shape_is_an_invalid_spec(tmp_path: Path, text: str) -> None:
    with pytest.raises(InvalidSpec):
        load_spec(write_spec(tmp_path, text))


def test_a_file_that_is_not_there_is_a_wrong_argument(tmp_path: Path) -> None:
    with pytest.raises(InvalidArgument, match="cannot be read") as caught:
        load_spec(str(tmp_path / "none.json"))
    assert "No such file" in caught.value.detail
