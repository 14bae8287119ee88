"""Two jobs that run at the same time and write the same files: the first one keeps them."""

from __future__ import annotations

from falconeri.states import JobStatus
from tests.acceptance.conftest import Stack
from tests.processes import wait_until

# The last datum keeps its job running; what is written tells the jobs apart.
COMMAND = """
if [ -e "$FALCONERI_PFS/in/1.txt" ]; then until [ -e "$1/go" ]; do sleep 0.05; done; fi
cd "$FALCONERI_PFS/in"
for file in *; do echo "$FALCONERI_JOB_ID" > "$FALCONERI_PFS/out/$file"; done
"""


def test_second_of_two_running_jobs_fails_by_the_files_name_and_leaves_the_firsts_file(
    stack: Stack,
) -> None:
    first = stack.submit(COMMAND, datums=2)
    wait_until(lambda: stack.client.job_progress(first.id).done)
    second = stack.submit(COMMAND, datums=1, input=_only(stack, "0.txt"))

    progress = stack.wait(second)
    (stack.directory / "go").touch()

    assert (progress.status, progress.error) == (JobStatus.ERROR, 1)
    (failure,) = stack.client.describe_job(second.id).error_datums
    assert failure.error_message is not None
    assert failure.error_message.startswith("two running jobs write the same output")
    assert "/out/0.txt" in failure.error_message
    assert str(first.id) in failure.error_message
    assert stack.wait(first).status is JobStatus.DONE
    assert stack.outputs() == dict.fromkeys(("0.txt", "1.txt"), f"{first.id}\n")


def _only(stack: Stack, name: str) -> dict[str, object]:
    """An input of one of the files, by a folder of its own."""
    folder = stack.directory / "only"
    folder.mkdir()
    (folder / name).touch()
    return {"atom": {"URI": f"file://{folder}/", "repo": "in", "glob": "/*"}}
