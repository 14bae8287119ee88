import fcntl
from collections.abc import Iterator
from pathlib import Path

import pytest

from falconeri.errors import InvalidArgument, Unavailable
from falconeri.local.state import LocalState, RunningStack
from falconeri_cli.connection import find

URL = "http://falconerid.example:8089/"
STACK = RunningStack(
    pid=1,
    url="http://127.0.0.1:1/",
    wait_url="http://127.0.0.1:2/",
    password="local",
    database_url="postgresql://u:geheim@h/d",
)


@pytest.fixture
def stack(tmp_path: Path) -> Iterator[LocalState]:
    """A state directory in which a stack seems to be up."""
    state = LocalState(tmp_path)
    state.publish(STACK)
    with state.lock_file.open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield state


def test_environment_wins_over_a_running_stack(stack: LocalState) -> None:
    endpoint = find(
        {
            "FALCONERI_STATE": str(stack.path),
            "FALCONERI_URL": URL,
            "FALCONERI_WAIT_URL": "http://w/",
            "FALCONERI_PASSWORD": "p",
        }
    )
    assert (endpoint.url, endpoint.wait_url, endpoint.password) == (URL, "http://w/", "p")


def test_running_stack_is_found_by_its_state_directory(stack: LocalState) -> None:
    endpoint = find({"FALCONERI_STATE": str(stack.path)})
    assert (endpoint.url, endpoint.wait_url) == (STACK.url, STACK.wait_url)
    assert endpoint.password == "local"


def test_what_a_killed_stack_left_behind_is_no_stack(tmp_path: Path) -> None:
    state = LocalState(tmp_path)
    state.publish(STACK)
    state.lock_file.touch()
    with pytest.raises(Unavailable) as caught:
        find({"FALCONERI_STATE": str(tmp_path)})
    assert "falconeri local up" in caught.value.hint
    assert "FALCONERI_URL" in caught.value.hint


def test_password_file_may_end_with_a_newline_which_does_not_count(tmp_path: Path) -> None:
    file = tmp_path / "password"
    file.write_text(" p:w \n")
    endpoint = find({"FALCONERI_URL": URL, "FALCONERI_PASSWORD_FILE": str(file)})
    assert endpoint.password == " p:w "


def test_url_without_a_password_is_a_wrong_argument(tmp_path: Path) -> None:
    with pytest.raises(InvalidArgument) as caught:
        find({"FALCONERI_URL": URL, "FALCONERI_PASSWORD_FILE": str(tmp_path / "none")})
    assert "FALCONERI_PASSWORD" in caught.value.hint


def test_passwords_are_in_no_repr(stack: LocalState) -> None:
    endpoint = find({"FALCONERI_STATE": str(stack.path)})
    assert "local" not in repr(endpoint)
    assert "geheim" not in repr(STACK)
    assert "'local'" not in repr(STACK)


def test_stack_file_is_its_owners_alone(stack: LocalState) -> None:
    assert stack.stack_file.stat().st_mode & 0o777 == 0o600
