import pytest

from falconeri.errors import FalconeriError
from falconeri.states import JobStatus
from falconeri_cli.progress import follow, in_words, retries
from tests.cli.records import progress

ENDED = progress(status=JobStatus.ERROR, ready=0, done=8, error=2, failed_attempts=5)


def test_following_returns_the_last_update() -> None:
    assert follow([progress(), ENDED], lines=True) is ENDED


def test_following_nothing_is_an_error() -> None:
    with pytest.raises(FalconeriError):
        follow([], lines=False)


def test_off_a_terminal_there_is_at_most_a_line_every_few_seconds(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = iter(n / 2 for n in range(1000))
    monkeypatch.setattr("falconeri_cli.progress.time.monotonic", lambda: next(clock))
    follow([progress(done=n) for n in range(10)] * 3, lines=True)
    lines = capsys.readouterr().err.splitlines()
    assert 1 <= len(lines) <= 4
    assert lines[0].startswith("book-words-a1b2c3d4e5: ")


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
