"""Structured logging for all programs: an event's name and its fields, one line per unit of work.

Any module may call `get_logger`; only a program's `main` calls `setup`. The lines go through the
standard library's logging, so that those of other libraries come out in the same form. Knows
nothing of jobs, and never looks for secrets: a caller who logs one has leaked it.
"""

from __future__ import annotations

import json
import logging
import re
import sys
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from types import MappingProxyType
from typing import TextIO

LEVELS = {
    "debug": logging.DEBUG,
    "info": logging.INFO,
    "warning": logging.WARNING,
    "error": logging.ERROR,
}
"""The words that `FALCONERI_LOG` may be."""

OURS = ("falconeri", "falconeri_worker", "falconeri_cli")
"""The loggers that the level is for; other libraries speak from `warning` on."""

_FIELDS = "falconeri_fields"
_SHARED: ContextVar[Mapping[str, object]] = ContextVar("_SHARED", default=MappingProxyType({}))
_PLAIN = re.compile(r"[^\s\"=\x00-\x1f\x7f]+")


class Logger:
    """Writes events. Fields have their units in their names: `elapsed_s`, `bytes_in`."""

    def __init__(self, logger: logging.Logger, bound: dict[str, object]) -> None:
        self._logger = logger
        self._bound = bound

    def bind(self, **fields: object) -> Logger:
        """Return a logger that adds these fields to each of its lines."""
        return Logger(self._logger, self._bound | fields)

    def debug(self, event: str, /, **fields: object) -> None:
        """Log what only the hunt for a defect needs."""
        self._write(logging.DEBUG, event, fields)

    def info(self, event: str, /, **fields: object) -> None:
        """Log what happened as it should."""
        self._write(logging.INFO, event, fields)

    def warning(self, event: str, /, **fields: object) -> None:
        """Log what went wrong and will be tried again, or what somebody should look at some day."""
        self._write(logging.WARNING, event, fields)

    def error(self, event: str, /, **fields: object) -> None:
        """Log what went wrong for good."""
        self._write(logging.ERROR, event, fields)

    def exception(self, event: str, /, **fields: object) -> None:
        """Log an error together with the trace of the exception that is being handled."""
        self._write(logging.ERROR, event, fields, trace=True)

    def _write(
        self, level: int, event: str, fields: dict[str, object], *, trace: bool = False
    ) -> None:
        if self._logger.isEnabledFor(level):
            extra = {_FIELDS: dict(_SHARED.get()) | self._bound | fields}
            # The event is not a format: a `%` in it is a `%`.
            self._logger.log(level, "%s", event, extra=extra, exc_info=trace)


def get_logger(name: str) -> Logger:
    """Return the logger of a module (`__name__`)."""
    return Logger(logging.getLogger(name), {})


@contextmanager
def shared_fields(**fields: object) -> Generator[None]:
    """Add these fields to each of our lines that this thread or task logs inside the block."""
    token = _SHARED.set(dict(_SHARED.get()) | fields)
    try:
        yield
    finally:
        _SHARED.reset(token)


def setup(program: str, level: str = "info", *, stream: TextIO | None = None) -> None:
    """Send all log lines to `stream` (default: stderr); replaces what was set up before.

    On a terminal a line is `12:34:56 info datum_done job_id=…`, elsewhere a JSON object.

    Args:
        program: The program's name, a field of each JSON line.
        level: One of `LEVELS`.
        stream: Where to.

    Raises:
        ValueError: Not a level.
    """
    if level not in LEVELS:
        raise ValueError(f"not a log level: {level!r} (one of {', '.join(LEVELS)})")
    target = sys.stderr if stream is None else stream
    handler = logging.StreamHandler(target)
    handler.setFormatter(TerminalFormatter() if target.isatty() else JsonFormatter(program))
    logging.basicConfig(handlers=[handler], level=logging.WARNING, force=True)
    for name in OURS:
        logging.getLogger(name).setLevel(LEVELS[level])


class JsonFormatter(logging.Formatter):
    """One JSON object a line: `at` (UTC), `level`, `program`, `logger`, `event`, the fields."""

    def __init__(self, program: str) -> None:
        super().__init__()
        self._program = program

    def format(self, record: logging.LogRecord) -> str:
        """Format one record; a field that JSON does not know is written as its text."""
        line: dict[str, object] = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "program": self._program,
            "logger": record.name,
            "event": record.getMessage(),
        }
        return json.dumps(line | _fields(record, self), default=str)


class TerminalFormatter(logging.Formatter):
    """`12:34:56 info event key=value …`, local time; what has spaces in it is quoted."""

    def format(self, record: logging.LogRecord) -> str:
        """Format one record; a trace follows on lines of its own, for it is a person who reads."""
        fields = _fields(record, self)
        trace = fields.pop("traceback", None)
        at = datetime.fromtimestamp(record.created).astimezone().strftime("%H:%M:%S")
        words = [at, record.levelname.lower(), record.getMessage()]
        words += [f"{name}={_quoted(value)}" for name, value in fields.items()]
        return " ".join(words) + (f"\n{trace}" if trace else "")


def _fields(record: logging.LogRecord, formatter: logging.Formatter) -> dict[str, object]:
    fields: dict[str, object] = dict(getattr(record, _FIELDS, {}))
    if record.exc_info and record.exc_info[0] is not None:
        fields["traceback"] = formatter.formatException(record.exc_info)
    return fields


def _quoted(value: object) -> str:
    text = str(value)
    return text if _PLAIN.fullmatch(text) else json.dumps(text, ensure_ascii=False)
