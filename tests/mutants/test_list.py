"""The mutants still fit the SQL, so that none of them rots; `./run check --mutants` tries them."""

from __future__ import annotations

from collections import Counter

from tests.mutants import MUTANTS
from tests.mutants.mutant import StaleMutant
from tests.mutants.trial import ROOT


def test_each_mutant_finds_its_text_once() -> None:
    stale: list[str] = []
    for mutant in MUTANTS:
        try:
            mutant.planted(mutant.path(ROOT).read_text())
        except (StaleMutant, FileNotFoundError) as ex:
            stale.append(str(ex))

    assert stale == []


def test_no_mutant_is_planted_twice() -> None:
    planted = Counter((mutant.file, mutant.old, mutant.new) for mutant in MUTANTS)

    assert [mutant for mutant, count in planted.items() if count > 1] == []


def test_each_mutant_has_tests() -> None:
    files = {file for mutant in MUTANTS for file in mutant.test_files()}

    assert [file for file in sorted(files) if not (ROOT / file).is_file()] == []
    assert all(mutant.tests for mutant in MUTANTS)
