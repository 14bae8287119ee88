"""Plants each mutant into a copy of `sql/` and runs its tests with that, which must fail.

    python -m tests.mutants [-j N] [TEXT ...]

A TEXT chooses the mutants whose file or change has it. Exit status: 1 if any survived, or broke the
schema itself, which shows nothing. Before all, the tests must succeed without a mutant.
"""

# ruff: noqa: T201 - a program, which prints

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence

from tests.folders import public_folder
from tests.mutants import MUTANTS
from tests.mutants.mutant import Mutant
from tests.mutants.trial import ROOT, Bench, Result, Trial, wait_for_one


def main() -> int:
    """Try all mutants, or those chosen; print a line for each as it comes."""
    parser = argparse.ArgumentParser(prog="tests.mutants", description="mutants of the SQL")
    parser.add_argument("-j", type=int, default=3, metavar="N", help="so many at once; some wait")
    parser.add_argument("text", nargs="*", help="only mutants that have it")
    arguments = parser.parse_args()
    chosen = [
        mutant
        for mutant in MUTANTS
        if not arguments.text or any(text in str(mutant) for text in arguments.text)
    ]
    began = time.monotonic()
    with public_folder("mutants") as folder:
        benches = [Bench(folder / str(i)) for i in range(arguments.j)]
        try:
            results = try_all(benches, chosen)
        finally:
            for bench in benches:
                bench.close()
    not_caught = [result for result in results if not result.caught]
    elapsed_s = time.monotonic() - began
    print(*not_caught, sep="\n", end="\n" if not_caught else "")
    print(f"{len(results)} mutants, {len(not_caught)} not caught, {elapsed_s:.0f} s")
    return 1 if not_caught else 0


def try_all(benches: list[Bench], chosen: Sequence[Mutant]) -> list[Result]:
    """Try mutants, one on each bench at a time."""
    untouched = Trial(benches[0], None, {test for each in chosen for test in each.test_files()})
    if not wait_for_one([untouched]).result().survived:
        sys.exit(f"{untouched.output}\nThe tests fail without a mutant.")
    free, running, results = [*benches], list[Trial](), list[Result]()
    waiting = [*chosen]
    while waiting or running:
        while free and waiting:
            mutant = waiting.pop(0)
            running.append(Trial(free.pop(), mutant, mutant.test_files()))
        ended = wait_for_one(running)
        running.remove(ended)
        free.append(ended.bench)
        results.append(ended.result())
        print(results[-1], flush=True)
    return results


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))
    sys.exit(main())
