"""Which files can lie in one directory of a machine, against all pairs of them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from falconeri.errors import InvalidInput
from falconeri.pipeline.tree import Tree
from tests.globs import oracle

_KEYS = st.one_of(
    oracle.keys, st.lists(st.text("a/-", min_size=1, max_size=5), unique=True).map(sorted)
)


def accepted(keys: list[str]) -> bool:
    tree = Tree()
    try:
        for key in keys:
            tree.add(key)
    except InvalidInput:
        return False
    return True


@given(_KEYS)
def test_file_that_is_also_a_directory_is_refused_and_nothing_else(keys: list[str]) -> None:
    both = any(key.startswith(f"{file}/") for file in keys for key in keys)

    assert accepted(keys) is not both


def test_both_are_named() -> None:
    tree = Tree()
    for uri in ("s3://b/a", "s3://b/a-b", "s3://b/a.b/c"):
        tree.add(uri)

    with pytest.raises(InvalidInput) as caught:
        tree.add("s3://b/a/b")

    assert caught.value.detail == "'s3://b/a' and 's3://b/a/b'"


def test_folder_beside_a_file_of_its_name_is_refused() -> None:
    assert not accepted(["a", "a/"])
    assert accepted(["a/", "a0"])
