"""The form of every benchmark's results: a line for people, or a JSON object a line.

A value means something only beside a baseline measured in the same run: machines differ, and this
one is shared.
"""

from __future__ import annotations

import argparse
import sys

import msgspec


class Result(msgspec.Struct, frozen=True):
    """One measured case; `ratio` is value / baseline, both in `unit`.

    `low` and `high` are the least and the greatest ratio of a case measured several times.
    """

    bench: str
    case: str
    value: float
    unit: str
    baseline: float
    low: float | None = None
    high: float | None = None

    @property
    def ratio(self) -> float:
        """How many times the baseline."""
        return self.value / self.baseline


def option_parser(doc: str | None) -> argparse.ArgumentParser:
    """Return a parser of `--quick` and `--json`, the options of every benchmark."""
    parser = argparse.ArgumentParser(
        description=doc, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="one small run, for a first look")
    parser.add_argument("--json", action="store_true", help="one JSON object a line")
    return parser


def show(result: Result, *, as_json: bool) -> None:
    """Print one case."""
    if as_json:
        line = msgspec.json.encode(
            msgspec.structs.asdict(result) | {"ratio": result.ratio}
        ).decode()
    else:
        spread = "" if result.low is None else f", from {result.low:.3g} to {result.high:.3g}"
        line = (
            f"{result.bench}: {result.case}: {result.value:.3g} {result.unit}, "
            f"{result.ratio:.3g} times the baseline ({result.baseline:.3g}){spread}"
        )
    sys.stdout.write(line + "\n")
    sys.stdout.flush()
