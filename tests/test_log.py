"""Log lines: one form for machines, one for people."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Generator
from typing import Any
from uuid import UUID

import pytest

from falconeri import log


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def logging_as_before() -> Generator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    root.handlers.clear()  # `setup` closes those that it finds
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    for name in log.OURS:
        logging.getLogger(name).setLevel(logging.NOTSET)


def lines_of(stream: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_a_line_is_json_with_the_events_fields() -> None:
    stream = io.StringIO()
    log.setup("falconerid", stream=stream)

    log.get_logger("falconeri.x").bind(job_id=UUID(int=1)).info("datum_done", elapsed_s=1.5)

    [line] = lines_of(stream)
    assert line.pop("at").endswith("+00:00")
    assert line == {
        "level": "info",
        "program": "falconerid",
        "logger": "falconeri.x",
        "event": "datum_done",
        "job_id": "00000000-0000-0000-0000-000000000001",
        "elapsed_s": 1.5,
    }


def test_a_line_on_a_terminal_is_key_value_and_never_breaks() -> None:
    stream = Terminal()
    log.setup("falconerid", stream=stream)

    log.get_logger("falconeri.x").warning("odd %s", a=1, b='two "words"\nand é', c="")

    assert stream.getvalue().partition(" ")[2] == (
        'warning odd %s a=1 b="two \\"words\\"\\nand é" c=""\n'
    )


def test_a_trace_is_a_field_of_json() -> None:
    stream = io.StringIO()
    log.setup("falconerid", stream=stream)

    try:
        _ = 1 / 0
    except ZeroDivisionError:
        log.get_logger("falconeri.x").exception("broken")

    [line] = lines_of(stream)
    assert "ZeroDivisionError" in line["traceback"]


def test_the_level_is_for_us_and_other_libraries_only_warn() -> None:
    stream = io.StringIO()
    log.setup("falconerid", "debug", stream=stream)

    log.get_logger("falconeri.x").debug("ours")
    logging.getLogger("urllib3").info("theirs")
    logging.getLogger("urllib3").warning("their %s", "warning")

    assert [line["event"] for line in lines_of(stream)] == ["ours", "their warning"]


def test_what_is_below_the_level_is_not_written() -> None:
    stream = io.StringIO()
    log.setup("falconerid", "error", stream=stream)

    log.get_logger("falconeri.x").warning("quiet")

    assert stream.getvalue() == ""


def test_an_unknown_level_is_refused_by_name() -> None:
    with pytest.raises(ValueError, match="'loud'"):
        log.setup("falconerid", "loud")
