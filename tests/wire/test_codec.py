from __future__ import annotations

import json
from datetime import datetime
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Struct

from falconeri.errors import BadRequest, InvalidInput
from falconeri.wire.codec import decode, encode, text


class Leaf(Struct, forbid_unknown_fields=True):
    count: int
    note: str | None = None


class Tree(Struct):
    leaves: list[Leaf]


class Dated(Struct):
    at: datetime


ANYTHING = cast("type[Any]", Any)
_TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))
_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63) | _TEXT,
    lambda inner: st.lists(inner) | st.dictionaries(_TEXT, inner),
)


@given(_VALUES)
def test_what_is_encoded_is_decoded_again(value: object) -> None:
    assert text(value) == encode(value).decode()
    assert decode(text(value, indent=2), ANYTHING) == value
    assert decode(encode(value), ANYTHING) == value
    assert decode(encode(value).decode(), ANYTHING, unique_keys=True) == value
    assert decode(json.dumps(value), ANYTHING) == value


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "nope",
        "NaN",
        "[1,]",
        "[Infinity]",
        "1 2",
        "'x'",
        '"a\nb"',
        '"a\0b"',
        '"\\ud800"',
        '"\\udc00\\ud800"',
        '"\ud800"',
        "\ufeff1",
        b'"\xff"',
        b'"\xed\xa0\x80"',
    ],
)
def test_what_is_not_json_is_a_bad_request(text: str | bytes) -> None:
    with pytest.raises(BadRequest):
        decode(text, ANYTHING)


@pytest.mark.parametrize("opening", ["[", '{"a":'])
def test_json_without_end_is_a_bad_request(opening: str) -> None:
    with pytest.raises(BadRequest, match="nested too deeply"):
        decode(opening * 100_000, ANYTHING)


@pytest.mark.parametrize("text", ['"\\u0000"', '{"\\u0000":1}', '"\\\\\\u0000"', '["a\\u0000b"]'])
def test_a_nul_is_refused(text: str) -> None:
    with pytest.raises(InvalidInput, match="NUL"):
        decode(text, ANYTHING)


@pytest.mark.parametrize(
    ("text", "value"),
    [('"\\\\u0000"', "\\u0000"), ('"\\\\\\\\u0000"', "\\\\u0000"), ('"u0000"', "u0000")],
)
def test_the_letters_of_a_nul_are_text(text: str, value: str) -> None:
    assert decode(text, str) == value


@pytest.mark.parametrize(
    ("text", "detail"),
    [
        (
            '{"leaves": [{"count": 1}, {"count": "x"}]}',
            "leaves[1].count: Expected `int`, got `str`",
        ),
        ('{"leaves": [{"count": 3.0}]}', "leaves[0].count: Expected `int`, got `float`"),
        ('{"leaves": [{"count": 1, "x": 1}]}', "leaves[0]: Object contains unknown field `x`"),
        ("{}", "Object missing required field `leaves`"),
        ("[]", "Expected `object`, got `array`"),
    ],
)
def test_another_shape_is_refused_with_the_path_first(text: str, detail: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        decode(text, Tree)

    assert caught.value.detail == detail


@pytest.mark.parametrize("text", ['{"a":1,"a":1}', '[{"b":{"a":1,"b":2,"a":3}}]'])
def test_a_key_that_is_given_twice_is_refused_where_people_write(text: str) -> None:
    with pytest.raises(InvalidInput, match="twice: a"):
        decode(text, ANYTHING, unique_keys=True)
    decode(text, ANYTHING)


def test_the_same_key_in_different_objects_is_not_given_twice() -> None:
    text = '[{"a":{"a":1}},{"a":2}]'

    assert decode(text, ANYTHING, unique_keys=True) == [{"a": {"a": 1}}, {"a": 2}]


@pytest.mark.parametrize("fraction", ["", ".500", ".120", ".123456", ".000001"])
@pytest.mark.parametrize("indent", [None, 2])
def test_time_is_written_again_as_it_came(fraction: str, indent: int | None) -> None:
    came = f'{{"at":"2018-07-06T11:27:50{fraction}"}}'

    again = text(decode(came, Dated), indent=indent)

    assert "".join(again.split()) == came
