from __future__ import annotations

import pytest

from falconeri.config import ServerConfig
from falconeri.errors import InvalidArgument

REQUIRED = {
    "FALCONERI_DATABASE_URL": "postgresql://user:secret@host/db",
    "FALCONERI_PASSWORD": "the password",
}


def test_job_may_have_ten_million_datums_unless_told_otherwise() -> None:
    assert ServerConfig.from_environment(REQUIRED).max_datums == 10_000_000


@pytest.mark.parametrize("number", [1, 70_000, 2_147_483_647])
def test_limit_of_datums_is_a_setting(number: int) -> None:
    settings = REQUIRED | {"FALCONERI_MAX_DATUMS": str(number)}

    assert ServerConfig.from_environment(settings).max_datums == number


@pytest.mark.parametrize("text", ["0", "-1", "1e6", "10_000", "2147483648", "many", "٣"])
def test_limit_that_is_none_is_refused_by_name(text: str) -> None:
    with pytest.raises(InvalidArgument) as caught:
        ServerConfig.from_environment(REQUIRED | {"FALCONERI_MAX_DATUMS": text})

    assert "FALCONERI_MAX_DATUMS is not a number from 1 to 2147483647" in str(caught.value)
    assert repr(text) in str(caught.value)


def test_ports_are_below_65536() -> None:
    with pytest.raises(InvalidArgument, match="FALCONERI_PORT is not a number from 1 to 65535"):
        ServerConfig.from_environment(REQUIRED | {"FALCONERI_PORT": "65536"})


@pytest.mark.parametrize(
    ("text", "seconds"),
    [(None, None), ("", None), ("30d", 30 * 86400), ("1w 12h", 7 * 86400 + 12 * 3600)],
)
def test_ended_jobs_are_kept_as_long_as_told_or_for_ever(
    text: str | None, seconds: int | None
) -> None:
    told = {} if text is None else {"FALCONERI_JOB_RETENTION": text}

    assert ServerConfig.from_environment(REQUIRED | told).job_retention_s == seconds


@pytest.mark.parametrize("text", ["30", "0", "0s", "30 days ago", "-1d", "1000y"])
def test_retention_that_cannot_be_meant_is_refused_by_name(text: str) -> None:
    with pytest.raises(InvalidArgument, match="FALCONERI_JOB_RETENTION"):
        ServerConfig.from_environment(REQUIRED | {"FALCONERI_JOB_RETENTION": text})


def test_secrets_do_not_show() -> None:
    config = ServerConfig.from_environment(REQUIRED)

    assert "secret" not in repr(config)
    assert "the password" not in repr(config)
