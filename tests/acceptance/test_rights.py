"""The local stack's parts have the rights that they need, and no others."""

from __future__ import annotations

from pathlib import Path

import psycopg

from falconeri.local.stack import LocalStack
from tests.acceptance.conftest import Stack
from tests.processes import find, wait_until


def test_falconerid_works_as_a_user_who_owns_nothing(local_stack: LocalStack) -> None:
    with psycopg.connect(local_stack.running.database_url, autocommit=True) as owner:
        sessions = wait_until(
            owner.execute(
                "select distinct usename from pg_stat_activity"
                " where pid <> pg_backend_pid() and backend_type = 'client backend'"
            ).fetchall
        )
        owned = owner.execute(
            "select count(*) from pg_shdepend"
            " where deptype = 'o' and refobjid = 'falconerid'::regrole"
        ).fetchone()

    assert sessions == [("falconerid",)]
    assert owned == (0,)


def test_no_part_of_a_stack_is_told_the_owners_password(
    local_stack: LocalStack, stack: Stack
) -> None:
    with psycopg.connect(local_stack.running.database_url) as owner:
        password = owner.info.password.encode()
    job = stack.submit('until [ -e "$1/go" ]; do sleep 0.05; done')
    parts = ("falconeri.daemon serve", "falconeri.daemon tasks", f"falconeri_worker {job.id}")

    environments = [
        Path(f"/proc/{pid}/environ").read_bytes()
        for part in parts
        for pid in wait_until(lambda part=part: find(stack.state, part))
    ]
    (stack.directory / "go").touch()
    stack.wait(job)

    assert len(environments) >= len(parts)
    assert not [env for env in environments if password in env]
