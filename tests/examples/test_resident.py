"""The resident programs of examples/ speak the protocol of docs/resident.md."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from falconeri.wire.work import ProgramOptions
from falconeri_worker.programs import open_program
from tests.worker.programs import datum, message, order, run, settings_in, tries

EXAMPLES = Path(__file__).parents[2] / "examples/resident"
COUNT = [sys.executable, str(EXAMPLES / "count.py")]
SHOUT = ["sh", str(EXAMPLES / "shout.sh")]


@pytest.mark.parametrize(
    ("command", "output"), [(COUNT, "2\n"), (SHOUT, "HELLO, WORLD")], ids=["python", "shell"]
)
def test_example_does_one_datum_after_the_other_and_survives_a_failure(
    command: list[str], output: str, tmp_path: Path
) -> None:
    options = ProgramOptions(resident=True)
    program = open_program(order(command, options), settings_in(tmp_path), tries(1))
    claim, out = datum("/pfs/texts/a"), tmp_path / "pfs/out"
    out.mkdir()
    text = tmp_path / "pfs/texts/a"

    before, _ = run(program, claim)  # without its text
    text.parent.mkdir()
    text.write_text("hello, world")
    after, _ = run(program, claim)
    program.close()

    assert before.exit_code is None  # it lives on
    assert message(before)
    assert after.failure is None
    assert (out / "a").read_text() == output
