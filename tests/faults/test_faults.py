"""Whatever happens to a worker, its job ends `done`, with the right objects and no others."""

from __future__ import annotations

from typing import Literal

import pytest

from tests.faults.conftest import World
from tests.processes import wait_until

# Names tell which attempt wrote them: what an earlier one has stored must go.
WRITE = 'for file in "$FALCONERI_PFS"/in/*; do cp "$file" "$FALCONERI_PFS/out/$(basename "$file")'
BY_ATTEMPT = f'{WRITE}.$FALCONERI_ATTEMPT"; done'
KILL_IN_COMMAND = f'if [ "$FALCONERI_ATTEMPT" = 1 ]; then kill -9 $PPID; fi; {BY_ATTEMPT}'

FALCONERID, STORE = "to_falconerid", "to_store"


def check(world: World, *, failed: int, attempt: int) -> None:
    progress = world.run()

    assert (progress["status"], progress["done"]) == ("done", 1), progress
    assert progress["failed_attempts"] == failed
    assert world.objects() == {f"a.{attempt}": "a"}
    assert world.rows() == {f"a.{attempt}": ("done", 1)}


@pytest.mark.parametrize(
    ("at", "request_", "when"),
    [
        pytest.param(FALCONERID, "POST .*/claim$", "after", id="claim"),
        pytest.param(STORE, "GET .*/in/a", "before", id="download"),
        pytest.param(STORE, "GET .*/in/a", "after", id="downloaded"),
        pytest.param(FALCONERID, "POST .*/output_files$", "before", id="register"),
        pytest.param(FALCONERID, "POST .*/output_files$", "after", id="registered"),
        pytest.param(STORE, "PUT .*/out/a", "before", id="upload"),
        pytest.param(STORE, "PUT .*/out/a", "after", id="uploaded"),
        pytest.param(FALCONERID, "PATCH .*/output_files$", "after", id="settled"),
        pytest.param(FALCONERID, "POST .*/complete$", "before", id="complete"),
    ],
)
def test_worker_killed_at_a_step_loses_an_attempt_and_nothing_else(
    world: World, at: str, request_: str, when: Literal["before", "after"]
) -> None:
    world.submit(BY_ATTEMPT, "a")
    getattr(world, at).set_trap(request_, when, world.kill_worker)

    check(world, failed=1, attempt=2)


def test_worker_killed_by_its_command_loses_an_attempt_and_nothing_else(world: World) -> None:
    world.submit(KILL_IN_COMMAND, "a")

    check(world, failed=1, attempt=2)


def test_worker_killed_when_its_report_has_arrived_loses_nothing(world: World) -> None:
    world.submit(BY_ATTEMPT, "a")
    world.to_falconerid.set_trap("POST .*/complete$", "after", world.kill_worker)

    check(world, failed=0, attempt=1)


def test_worker_killed_while_one_datum_runs_and_one_is_fetched_loses_both_attempts_only(
    world: World,
) -> None:
    # The command waits until others have been fetched, and then takes its worker with it.
    command = f"""
        if mkdir "$1/first" 2>&1; then
          until ls "$1"/pods/*/lane-*/in/* 2>&1; do sleep 0.02; done
          kill -9 $PPID
        fi
        {BY_ATTEMPT}
    """
    world.submit(command, "a", "b", "c")

    progress = world.run()

    assert (progress["status"], progress["done"], progress["failed_attempts"]) == ("done", 3, 2)
    assert sorted(world.objects().values()) == ["a", "b", "c"]
    assert world.rows() == dict.fromkeys(world.objects(), ("done", 1))


def test_network_to_falconerid_may_be_away_for_a_while(world: World) -> None:
    command = f'touch "$1/begun"; until [ -e "$1/go" ]; do sleep 0.02; done; {BY_ATTEMPT}'
    world.submit(command, "a")
    world.babysitter.look_around()
    wait_until((world.state / "begun").exists)

    for way in (world.to_falconerid, world.to_waiting_port):
        way.is_shut.set()
    (world.state / "go").touch()
    wait_until(lambda: world.to_falconerid.refusals >= 3)
    for way in (world.to_falconerid, world.to_waiting_port):
        way.is_shut.clear()

    check(world, failed=0, attempt=1)


@pytest.mark.parametrize("request_", ["GET .*/in/a", "PUT .*/out/a"])
def test_network_to_the_store_may_be_away_for_a_while(world: World, request_: str) -> None:
    world.submit(BY_ATTEMPT, "a")
    world.to_store.set_trap(request_, "before", world.to_store.is_shut.set)
    world.babysitter.look_around()
    wait_until(lambda: world.to_store.refusals or world.progress()["failed_attempts"])
    world.to_store.is_shut.clear()

    progress = world.run()

    assert (progress["status"], progress["done"]) == ("done", 1)
    # Some tries more, or another attempt: a failure of the store never spends a try.
    attempt = progress["failed_attempts"] + 1
    assert world.objects() == {f"a.{attempt}": "a"}
    assert world.rows() == {f"a.{attempt}": ("done", 1)}


def test_err_cmd_is_run_by_the_last_try_alone(world: World) -> None:
    world.submit(
        'echo "cmd $FALCONERI_ATTEMPT" >> "$1/ran"; touch /pfs/out/part; exit 3',
        "a",
        err_command='echo "err_cmd $FALCONERI_ATTEMPT $FALCONERI_ERROR_CLASS" >> "$1/ran"',
        datum_tries=2,
    )

    progress = world.run()

    assert (world.state / "ran").read_text().splitlines() == [
        "cmd 1",
        "cmd 2",
        "err_cmd 2 command",
    ]
    assert (progress["status"], progress["done"], progress["recovered"]) == ("done", 1, 1)
    assert (world.objects(), world.rows()) == ({}, {})
