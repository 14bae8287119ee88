from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from falconeri.errors import InvalidInput
from falconeri.storage.uri import Location, as_directory, join, parse, parse_file, relative_path

_SEGMENT = st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters="/\0"), min_size=1
).filter(lambda segment: segment not in {".", ".."})
_RELATIVE = st.lists(_SEGMENT, min_size=1, max_size=4).map("/".join)
_BASE = st.sampled_from(["s3://bucket", "s3://bucket/", "s3://b/a//b/%7E", "file:///", "file:///x"])


@given(base=_BASE, relative=_RELATIVE)
def test_what_is_joined_comes_apart_again(base: str, relative: str) -> None:
    uri = join(base, relative)

    assert relative_path(uri, base) == relative
    assert relative_path(f"{uri}/", base) == f"{relative}/"
    assert parse_file(uri).key.endswith(relative)


@given(bucket=st.from_regex(r"[a-z0-9.-]{3,20}", fullmatch=True), key=st.text())
def test_a_key_is_taken_as_it_is(bucket: str, key: str) -> None:
    assert parse(f"s3://{bucket}/{key}") == Location("s3", bucket, key)


def test_a_bucket_may_stand_alone() -> None:
    assert parse("s3://bucket") == Location("s3", "bucket", "")
    assert as_directory("s3://bucket") == "s3://bucket/"


def test_a_path_is_the_key_of_a_file_uri() -> None:
    assert parse("file:///a b/%41#?") == Location("file", "", "/a b/%41#?")


@pytest.mark.parametrize(
    "text",
    ["", "bucket/key", "/abs", "s3:/b", "S3://b", "s3://", "s3:///key", "file://host/x", "file://"],
)
def test_what_is_no_storage_uri_is_named(text: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        parse(text)

    assert repr(text) in caught.value.detail


@pytest.mark.parametrize(
    "uri", ["s3://bucket", "s3://bucket/", "s3://b/dir/", "file:///", "file:///d/"]
)
def test_a_directory_is_no_file(uri: str) -> None:
    with pytest.raises(InvalidInput):
        parse_file(uri)


@pytest.mark.parametrize(
    ("relative", "problem"),
    [
        ("", "an empty segment"),
        ("/", "an empty segment"),
        ("/abs", "an empty segment"),
        ("a//b", "an empty segment"),
        ("a//", "an empty segment"),
        ("..", "'..'"),
        ("../x", "'..'"),
        ("a/../../x", "'..'"),
        ("a/..", "'..'"),
        ("./x", "'.'"),
        ("a/./", "'.'"),
        ("a\0b", "a NUL"),
        ("\udcff", "UTF-8"),
    ],
)
def test_a_name_that_leaves_its_directory_is_refused_by_name(relative: str, problem: str) -> None:
    with pytest.raises(InvalidInput, match=problem):
        join("s3://bucket/dir", relative)
    with pytest.raises(InvalidInput) as caught:
        relative_path(f"s3://bucket/dir/{relative}", "s3://bucket/dir")
    assert repr(f"s3://bucket/dir/{relative}") in caught.value.detail


@pytest.mark.parametrize("uri", ["s3://bucket/directory/x", "s3://bucket/di", "s3://other/dir/x"])
def test_a_neighbour_is_not_below_a_directory(uri: str) -> None:
    with pytest.raises(InvalidInput, match="not below"):
        relative_path(uri, "s3://bucket/dir")
