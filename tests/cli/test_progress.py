import itertools
from collections.abc import Iterable

import pytest

from falconeri.errors import FalconeriError
from falconeri.states import JobStatus
from falconeri.wire.records import Progress
from falconeri_cli.progress import follow, in_words, retries
from tests.cli.records import progress

ENDED = progress(status=JobStatus.ERROR, ready=0, done=8, error=2, failed_attempts=5)


def test_following_returns_the_last_update() -> None:
    assert follow([progress(), ENDED], lines=True) is ENDED


def test_following_nothing_is_an_error() -> None:
    with pytest.raises(FalconeriError):
        follow([], lines=False)


def lines_of(
    updates: Iterable[Progress],
    every_s: float,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> list[str]:
    clock = itertools.count(0, every_s)
    monkeypatch.setattr("falconeri_cli.progress.time.monotonic", lambda: next(clock))
    follow(updates, lines=True)
    return capsys.readouterr().err.splitlines()


def test_off_a_terminal_there_is_at_most_a_line_every_few_seconds(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    updates = [progress(done=n) for n in range(30)]
    lines = lines_of(updates, 0.5, capsys, monkeypatch)
    assert lines == [
        f"book-words-a1b2c3d4e5: {n}/10 done, 0 failed, 0 running" for n in (9, 19, 29)
    ]


def test_off_a_terminal_old_news_are_told_once_a_minute(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = lines_of([progress()] * 100, 2, capsys, monkeypatch)
    assert len(lines) == 4


def test_whoever_only_waits_off_a_terminal_gets_no_lines(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = iter(range(0, 10_000, 60))
    monkeypatch.setattr("falconeri_cli.progress.time.monotonic", lambda: next(clock))
    follow([progress(), progress()], lines=False)
    assert capsys.readouterr() == ("", "")


def test_a_terminal_gets_a_bar_on_stderr(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", "120")
    follow([progress(), ENDED], lines=False)
    out, err = capsys.readouterr()
    assert out == ""
    assert "8/10 done, 2 failed" in err


def test_tries_that_were_the_last_are_not_retries() -> None:
    assert retries(ENDED) == 3
    assert in_words(ENDED) == "8/10 done, 2 failed, 0 running, 3 retries"
