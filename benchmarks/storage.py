"""How fast files come down from a store and go up, and how much memory that takes.

A big file and many small ones are moved from and to an S3 server of this machine (rclone's), by
the worker's code, by plain boto3 and by rclone, with as many files and parts at once.
benchmarks/README.md says how.

    ./run bench storage [--quick] [--json] [--only TEXT] [--save [FOLDER]]
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from benchmarks._results import option_parser, show
from benchmarks.stores.measure import OURS, Bench, Case, Transfer, rclone_settings
from benchmarks.stores.report import results, save
from tests.storage.rclone_server import rclone_server

_RESULTS = Path(__file__).resolve().parent / "results"
_MIB = 1 << 20
_SMALL_BYTES = 2_000
_MOST_MEMORY_BYTES = 200_000_000


def main() -> int:
    """Measure each case, print it, and save all if asked to; 1 if ours took too much memory."""
    options = _options()
    work = Path(tempfile.mkdtemp(prefix="falconeri-bench-"))
    try:
        (work / "stored" / "bucket").mkdir(parents=True)
        with rclone_server(work / "stored") as credentials:
            settings = credentials.settings() | {"AWS_MAX_ATTEMPTS": "5"}
            bench = Bench(
                work / "stored",
                settings | rclone_settings(settings),
                work,
                rounds=1,
            )
            found: list[Case] = []
            for transfer in _transfers(work, quick=options.quick, only=options.only):
                found.append(bench.measure(transfer))
                for result in results(found[-1]):
                    show(result, as_json=options.json)
                if options.save:  # each time: a whole run takes long
                    save(found, options.save)
    finally:
        shutil.rmtree(work)
    too_much = [case.name for case in found if case.peak_bytes(OURS) > _MOST_MEMORY_BYTES]
    if too_much:
        print(f"more than 200 MB of memory: {', '.join(too_much)}", file=sys.stderr)
    return 1 if too_much else 0


def _options() -> argparse.Namespace:
    parser = option_parser(__doc__)
    parser.add_argument("--only", default="", help="the cases with this in their names")
    parser.add_argument(
        "--save",
        metavar="FOLDER",
        nargs="?",
        const=_RESULTS,
        type=Path,
        help="write storage.json and .md (default: %(const)s)",
    )
    options = parser.parse_args()
    if options.save == _RESULTS and (options.quick or options.only):
        parser.error("a part of the cases must not replace the results of all: name a FOLDER")
    return options


def _transfers(work: Path, *, quick: bool, only: str) -> Iterator[Transfer]:
    """What to move; files are made when they are needed. Whatever goes down has gone up before."""
    size_mib, count = (256, 1_000) if quick else (5 * 1024, 10_000)
    big, small = work / "big", work / "small"
    names = {
        "big": f"{size_mib / 1024:g} GiB",
        "small": f"{count:,} files of {_SMALL_BYTES / 1000:g} kB",
    }
    if only in names["big"]:
        with big.open("wb") as file:
            for _ in range(size_mib):
                file.write(os.urandom(_MIB))
        for what in ("up", "down"):
            yield Transfer(f"{names['big']} {what}", what, big, "s3://bucket/big")
        big.unlink()
        (work / "stored" / "bucket" / "big").unlink()
    if only in names["small"]:
        small.mkdir()
        for number in range(count):
            (small / f"{number:05}").write_bytes(os.urandom(_SMALL_BYTES))
        for what in ("up", "down"):
            yield Transfer(f"{names['small']} {what}", what, small, "s3://bucket/small/")


if __name__ == "__main__":
    sys.exit(main())
