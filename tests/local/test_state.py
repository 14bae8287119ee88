import fcntl
import os
from pathlib import Path

import pytest

from falconeri.errors import Unavailable
from falconeri.local.state import LocalState, default_state


def test_state_directory_is_the_chosen_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert default_state({"FALCONERI_STATE": "here"}).path == tmp_path / "here"


def test_state_directory_of_root_is_outside_its_home(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    assert default_state({"XDG_STATE_HOME": "/x"}).path == Path("/var/lib/falconeri")


def test_state_directory_of_a_user_is_theirs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.setenv("HOME", "/home/somebody")
    assert default_state({"XDG_STATE_HOME": "/x"}).path == Path("/x/falconeri")
    assert default_state({}).path == Path("/home/somebody/.local/state/falconeri")


def test_passwords_are_made_once_and_private(tmp_path: Path) -> None:
    state = LocalState(tmp_path / "state")
    state.prepare()
    passwords = state.password(), state.database_password()
    state.prepare()
    assert (state.password(), state.database_password()) == passwords
    assert passwords[0] != passwords[1]
    assert min(len(password) for password in passwords) >= 20
    for file in (state.password_file, state.database_password_file):
        assert file.stat().st_mode & 0o777 == 0o600


def test_state_directory_that_cannot_be_made_is_named_with_the_remedy(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(Unavailable) as caught:
        LocalState(tmp_path / "file" / "state").prepare()
    assert str(tmp_path / "file" / "state") in str(caught.value)
    assert "FALCONERI_STATE" in caught.value.hint


def test_a_stack_is_up_as_long_as_its_lock_is_held(tmp_path: Path) -> None:
    state = LocalState(tmp_path)
    assert not state.is_locked()
    with state.lock_file.open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert state.is_locked()
    assert not state.is_locked()


def test_a_stack_that_is_only_starting_is_not_running_yet(tmp_path: Path) -> None:
    state = LocalState(tmp_path)
    with state.lock_file.open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert state.running_stack() is None
