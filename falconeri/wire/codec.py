"""Strict JSON in and compact JSON out.

Called wherever bytes from outside become our types. Everything that a careless or hostile sender
can put into JSON and that PostgreSQL or we could not keep (NUL, NaN, lone surrogates, endless
nesting) ends here, as an error with the place in it.
"""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable
from datetime import datetime
from functools import partial
from typing import Any, TypeVar

import msgspec

from falconeri.errors import BadRequest, InvalidInput

T = TypeVar("T")

_NUL = re.compile(rb"(?<!\\)(?:\\\\)*\\u0000")
"""An escaped NUL, as opposed to an escaped backslash before the letters `u0000`."""


class Timestamp(datetime):
    """A time that is written as the original does; msgspec writes other ones with six digits.

    It knows no such class when it decodes: what was decoded is written by `text`.
    """


def time_text(at: datetime, separator: str = "T") -> str:
    """Return a time with 0, 3 or 6 digits after the point: the fewest that are exact."""
    if at.microsecond == 0:
        return at.isoformat(separator, "seconds")
    whole = at.microsecond % 1000 == 0
    return at.isoformat(separator, "milliseconds" if whole else "microseconds")


def _encode_other(value: object) -> str:
    if isinstance(value, Timestamp):
        return time_text(value)
    raise NotImplementedError


# msgspec learns how a class is decoded when it first meets it, and shows what it has learnt so far
# to other threads: these follow a null pointer, and the process is gone (seen with 0.22). So each
# type is met here, by one thread at a time, before it is used.
_meeting = threading.Lock()
_encoder = msgspec.json.Encoder(enc_hook=_encode_other)
_decoders: dict[Any, msgspec.json.Decoder[Any]] = {}


def _decoder_of(type_: Any) -> msgspec.json.Decoder[Any]:  # noqa: ANN401 - classes, unions, …
    decoder = _decoders.get(type_)
    if decoder is None:
        with _meeting:
            decoder = _decoders.setdefault(type_, msgspec.json.Decoder(type_))
    return decoder


def encode(value: object) -> bytes:
    """Compact JSON of any of our types."""
    return _encoder.encode(value)


def text(value: object, *, indent: int | None = None) -> str:
    """JSON of any of our types for people and their programs, also of what `decode` has made.

    Args:
        indent: By so many columns, in lines; None: compact, in one.
    """
    plain = msgspec.to_builtins(value, builtin_types=(datetime,))
    separators = (",", ":") if indent is None else (",", ": ")
    return json.dumps(
        plain, indent=indent, separators=separators, ensure_ascii=False, default=time_text
    )


def decode(data: bytes | str, type_: type[T], *, unique_keys: bool = False) -> T:
    """Parse JSON into `type_`.

    Args:
        unique_keys: Refuse objects with a key twice, of which otherwise the last one counts. For
            what people write; it takes a second look at all of the text.

    Raises:
        BadRequest: Not JSON at all (HTTP 400).
        InvalidInput: JSON of another shape (HTTP 422); `detail` is the path and the reason.
    """
    decoder = _decoder_of(type_)
    try:
        raw = data.encode() if isinstance(data, str) else data
    except UnicodeEncodeError as ex:
        raise BadRequest("not valid JSON", detail=str(ex)) from ex
    if b"\\u0000" in raw and _NUL.search(raw):
        raise InvalidInput("text must not contain NUL characters")
    try:
        value = decoder.decode(raw)
        if unique_keys:
            json.loads(raw, object_pairs_hook=_refuse_duplicates)
    except msgspec.ValidationError as ex:
        raise InvalidInput(detail=readable(ex)) from ex
    except (msgspec.DecodeError, UnicodeDecodeError) as ex:
        raise BadRequest("not valid JSON", detail=str(ex)) from ex
    except RecursionError as ex:
        raise BadRequest("JSON nested too deeply") from ex
    return value


def converter(type_: type[T]) -> Callable[[object], T]:
    """What makes `type_` of Python's own types or of an object with the same fields.

    It raises `msgspec.ValidationError`.
    """
    _decoder_of(type_)
    return partial(msgspec.convert, type=type_, from_attributes=True)


def convert(value: object, type_: type[T]) -> T:
    """Make `type_` of Python's own types or of an object with the same fields.

    Raises:
        msgspec.ValidationError: It is of another shape.
    """
    return converter(type_)(value)


def _refuse_duplicates(pairs: list[tuple[str, object]]) -> None:
    keys: set[str] = set()
    for key, _ in pairs:
        if key in keys:
            raise InvalidInput("a key is given twice", detail=key)
        keys.add(key)


def readable(error: msgspec.ValidationError) -> str:
    """Put the path first: `input.atom.glob: Invalid enum value '*'`."""
    text = str(error)
    reason, marker, path = text.rpartition(" - at `$")
    if not marker:
        return text
    return f"{path.rstrip('`').lstrip('.')}: {reason}"
