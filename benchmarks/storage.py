"""How fast files come down from a store and go up, and how much memory that takes.

A big file and many small ones are moved from and to two S3 servers of this machine (rclone's, and
versitygw, whose answers have checksums as Amazon's have), by the worker's code, by plain boto3 and
by rclone, with as many files and parts at once. benchmarks/README.md says how.

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

from benchmarks._registry import Unavailable
from benchmarks._results import option_parser, show
from benchmarks.stores.measure import OURS, Bench, Case, Transfer, rclone_settings
from benchmarks.stores.report import results, save
from benchmarks.stores.servers import BUCKET, STORES, Store

_RESULTS = Path(__file__).resolve().parent / "results"
_MIB = 1 << 20
_SMALL_BYTES = 2_000
_MOST_MEMORY_BYTES = 200_000_000


def main() -> int:
    """Measure each case, print it, and save all if asked to; 1 if ours took too much memory."""
    options = _options()
    found: list[Case] = []
    for store in STORES:
        try:
            for case in _measure(store, quick=options.quick, only=options.only):
                found.append(case)
                for result in results(case):
                    show(result, as_json=options.json)
                if options.save:  # each time: a whole run takes long
                    save(found, options.save)
        except Unavailable as ex:
            print(f"{store.name} is left out: {ex}", file=sys.stderr)
    too_much = [case.name for case in found if case.peak_bytes(OURS) > _MOST_MEMORY_BYTES]
    if too_much:
        print(f"more than 200 MB of memory: {', '.join(too_much)}", file=sys.stderr)
    return 1 if too_much else 0


def _measure(store: Store, *, quick: bool, only: str) -> Iterator[Case]:
    """Let each program make the transfers to and from a store.

    Raises:
        Unavailable: There is no such store here.
    """
    work = Path(tempfile.mkdtemp(prefix="falconeri-bench-"))
    try:
        stored = work / "stored"
        stored.mkdir()
        with store.serve(stored) as settings:
            settings |= {"AWS_MAX_ATTEMPTS": "5"}
            environment = settings | rclone_settings(settings, store.provider)
            bench = Bench(stored, environment, work, rounds=1)
            for transfer in _transfers(work, store.name, quick=quick, only=only):
                yield bench.measure(transfer)
    finally:
        shutil.rmtree(work)


def _options() -> argparse.Namespace:
    parser = option_parser(__doc__)
    parser.add_argument(
        "--only", default="", help="those with this in their names, such as 'GiB, versitygw'"
    )
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


def _transfers(work: Path, store: str, *, quick: bool, only: str) -> Iterator[Transfer]:
    """What to move; files are made when they are needed. Whatever goes down has gone up before."""
    size_mib, count = (256, 1_000) if quick else (5 * 1024, 10_000)
    big, small = work / "big", work / "small"
    names = {
        big: f"{size_mib / 1024:g} GiB",
        small: f"{count:,} files of {_SMALL_BYTES / 1000:g} kB",
    }
    if only in f"{names[big]}, {store}":
        with big.open("wb") as file:
            for _ in range(size_mib):
                file.write(os.urandom(_MIB))
        for what in ("up", "down"):
            yield Transfer(f"{names[big]} {what}, {store}", what, big, f"s3://{BUCKET}/big")
        big.unlink()
        (work / "stored" / BUCKET / "big").unlink()
    if only in f"{names[small]}, {store}":
        small.mkdir()
        for number in range(count):
            (small / f"{number:05}").write_bytes(os.urandom(_SMALL_BYTES))
        for what in ("up", "down"):
            yield Transfer(f"{names[small]} {what}, {store}", what, small, f"s3://{BUCKET}/small/")


if __name__ == "__main__":
    sys.exit(main())
