"""A disk that is full: of a datum fetched ahead, and of one alone."""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from falconeri.errors import TransferFailed
from falconeri.states import AttemptOutcome, FailureClass
from falconeri_worker.room import Room, is_disk_full
from tests.worker.conftest import Bucket
from tests.worker.falconerid import falconerid
from tests.worker.process import Worker, working

DISK_BYTES = 8 * 2**20
LARGE = "x" * (5 * 2**20)

_MOUNT = f"""
mount -t tmpfs -o size={DISK_BYTES} tmpfs "$FALCONERI_SPACE"
mkdir "$FALCONERI_SPACE/pfs" "$FALCONERI_SPACE/scratch"
head -c "${{FILLER:-0}}" /dev/zero > "$FALCONERI_SPACE/filler"
exec "$@"
"""


def launcher() -> tuple[str, ...]:
    """What gives a program a small disk of its own."""
    as_root = () if os.geteuid() == 0 else ("--map-root-user",)
    own = ("unshare", "--mount", *as_root, "sh", "-euc")
    probe = "mount -t tmpfs tmpfs /mnt"
    if not shutil.which("unshare") or subprocess.run((*own, probe), check=False).returncode:
        pytest.skip("this machine lets nobody mount: a full disk can't be had")
    return (*own, _MOUNT, "sh")


def space_of(home: Path) -> dict[str, str]:
    (space := home / "space").mkdir()
    return {
        "FALCONERI_SPACE": str(space),
        "FALCONERI_PFS": str(space / "pfs"),
        "FALCONERI_SCRATCH": str(space / "scratch"),
    }


def wait_for_event(worker: Worker, name: str) -> None:
    assert worker.process.stderr is not None
    for line in worker.process.stderr:
        if f'"{name}"' in line:
            return
    pytest.fail(f"the worker never said {name}")


def test_what_finds_no_room_ahead_is_fetched_again_when_it_is_alone(
    source: Bucket, egress: Bucket, home: Path
) -> None:
    command = """
        if [ -e "$FALCONERI_PFS/texts/a" ]; then
          until [ -e "$0/go" ]; do sleep 0.02; done
          rm "$FALCONERI_PFS/../filler"
        fi
        ls "$FALCONERI_PFS/texts" > "$FALCONERI_PFS/out/$(ls "$FALCONERI_PFS/texts")"
    """
    with falconerid(("sh", "-euc", command, str(home)), egress.uri) as server:
        for name, content in (("a", "a"), ("b", LARGE), ("c", "c")):
            server.add((source.put(name, content), f"/pfs/texts/{name}"))
        with working(home, server, launcher(), FILLER="4000000", **space_of(home)) as worker:
            wait_for_event(worker, "no_room_ahead")
            (home / "go").touch()
            assert worker.wait() == 0, worker.stderr

    outcomes = [[report.outcome for report in datum.reports] for datum in server.datums]
    assert outcomes == [[AttemptOutcome.DONE]] * 3
    assert egress.content() == {name: f"{name}\n" for name in ("a", "b", "c")}


def test_what_finds_no_room_alone_fails_and_names_the_file(
    source: Bucket, egress: Bucket, home: Path
) -> None:
    with falconerid(("true",), egress.uri) as server:
        server.add((source.put("a", 2 * LARGE), "/pfs/texts/a"))
        server.add((source.put("b", "b"), "/pfs/texts/b"))
        with working(home, server, launcher(), **space_of(home)) as worker:
            assert worker.wait() == 0, worker.stderr

    [[large], [small]] = [datum.reports for datum in server.datums]
    assert large.failure_class is FailureClass.STORAGE
    assert "/a has 10,485,760 bytes" in (large.error_message or "")
    assert small.outcome is AttemptOutcome.DONE


def test_there_is_plenty_while_three_of_the_largest_fit(tmp_path: Path) -> None:
    room = Room(tmp_path)
    free_bytes = shutil.disk_usage(tmp_path).free
    assert room.is_plenty() is (free_bytes >= shutil.disk_usage(tmp_path).total // 20)

    room.note(free_bytes)
    room.note(1)

    assert not room.is_plenty()


def test_a_disk_that_was_full_has_no_room_ahead_any_more(tmp_path: Path) -> None:
    room = Room(tmp_path)
    room.note_full()

    assert not room.is_plenty()


def test_a_full_disk_is_known_behind_other_errors() -> None:
    error = TransferFailed()
    error.__cause__ = OSError(errno.ENOSPC, "No space left on device")

    assert is_disk_full(error)
    assert not is_disk_full(OSError(errno.EACCES, "Permission denied"))
