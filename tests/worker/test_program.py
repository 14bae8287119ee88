"""Command line and settings."""

from __future__ import annotations

import os
import signal
from collections.abc import Generator
from pathlib import Path

import pytest

from falconeri import __version__
from falconeri.errors import InvalidArgument
from falconeri_worker.main import main
from falconeri_worker.settings import read_settings

JOB_ID = "0b3c2c1e-7d0e-4b8e-9b1c-3f6f0c7a9a11"


@pytest.fixture(autouse=True)
def signals_as_before() -> Generator[None]:
    before = [(number, signal.getsignal(number)) for number in (signal.SIGTERM, signal.SIGINT)]
    yield
    for number, handler in before:
        signal.signal(number, handler)


@pytest.fixture
def pod(tmp_path: Path) -> dict[str, str]:
    (tmp_path / "password").write_bytes(b"token\n")
    return {
        "FALCONERI_POD_NAME": "pod-1",
        "FALCONERI_NODE_NAME": "node-1",
        "FALCONERI_PASSWORD_FILE": str(tmp_path / "password"),
    }


@pytest.mark.parametrize("arguments", [[], ["a", "b"], ["--unknown"], [JOB_ID, "--version"]])
def test_anything_but_one_argument_is_answered_with_the_usage(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == 1
    assert capsys.readouterr() == ("", "Usage: falconeri-worker <job id>\n")


def test_version_and_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"falconeri-worker {__version__}\n"
    assert main(["--help"]) == 0
    assert capsys.readouterr().out.startswith("Usage: falconeri-worker <job id>\n")


def test_what_is_no_uuid_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["xyz"]) == 1
    assert capsys.readouterr().err == "Error: can't parse job ID: 'xyz' is not a UUID\n"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("FALCONERI_POD_NAME", ""),
        ("FALCONERI_NODE_NAME", ""),
        ("FALCONERI_PASSWORD_FILE", "/missing/password"),
        ("FALCONERI_LOG", "loud"),
        ("FALCONERI_URL", "falconerid:8089"),
    ],
)
def test_a_wrong_setting_is_named(
    name: str,
    value: str,
    pod: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for variable, text in (pod | {name: value}).items():
        monkeypatch.setenv(variable, text)
    assert main([JOB_ID]) == 1
    error = capsys.readouterr().err
    assert error.startswith("Error: ")
    assert (value or name) in error


def test_settings_have_the_defaults_of_a_pod(pod: dict[str, str]) -> None:
    settings = read_settings(pod)
    assert (settings.url, settings.wait_url) == (
        "http://falconerid:8089/",
        "http://falconerid:8090/",
    )
    assert (settings.pfs, settings.scratch) == (Path("/pfs"), Path("/scratch"))
    assert settings.log_level == "info"


@pytest.mark.parametrize(
    ("raw", "password"), [(b"x", "x"), (b"x\n", "x"), (b"x\n\n", "x\n"), (b" x ", " x ")]
)
def test_the_password_is_the_files_text_but_for_one_newline(
    raw: bytes, password: str, pod: dict[str, str]
) -> None:
    Path(pod["FALCONERI_PASSWORD_FILE"]).write_bytes(raw)
    assert read_settings(pod).password == password


def test_the_password_is_in_no_repr(pod: dict[str, str]) -> None:
    assert "token" not in repr(read_settings(pod))


def test_a_password_that_is_no_text_is_refused(pod: dict[str, str]) -> None:
    Path(pod["FALCONERI_PASSWORD_FILE"]).write_bytes(b"\xff")
    with pytest.raises(InvalidArgument, match="not UTF-8"):
        read_settings(pod | dict(os.environ))
