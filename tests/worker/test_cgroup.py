"""The kernel's count of processes killed for lack of memory, in the layouts that exist."""

from __future__ import annotations

from pathlib import Path

import pytest

from falconeri_worker.cgroup import oom_kills


@pytest.mark.parametrize(
    ("groups", "file", "content", "count"),
    [
        ("0::/pod/c\n", "pod/c/memory.events", "oom 3\noom_kill 2\noom_group_kill 0\n", 2),
        ("0::/pod/c\n", "memory.events", "oom 3\noom_kill 1\n", 1),
        ("4:memory:/pod\n0::/\n", "memory/pod/memory.oom_control", "under_oom 0\noom_kill 4\n", 4),
        ("4:cpu,memory:/pod\n", "memory/memory.oom_control", "oom_kill 5\n", 5),
        ("1:cpu:/\n", "memory.events", "oom_kill 5\n", None),
        ("0::/\n", "unrelated", "", None),
    ],
)
def test_the_count_is_found(
    groups: str, file: str, content: str, count: int | None, tmp_path: Path
) -> None:
    (tmp_path / "cgroup").write_text(groups)
    path = tmp_path / "mount" / file
    path.parent.mkdir(parents=True)
    path.write_text(content)

    assert oom_kills(tmp_path / "mount", tmp_path / "cgroup") == count


def test_a_system_without_cgroups_does_not_tell(tmp_path: Path) -> None:
    assert oom_kills(tmp_path, tmp_path / "missing") is None
