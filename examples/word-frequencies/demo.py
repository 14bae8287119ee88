"""From nothing to a checked result: `./run demo`.

Counts the words of this machine's Python standard library, one file a datum, with the real
`falconeri local run` in a process of its own; then counts them again in another way and compares.
Everything lies in one temporary directory, which is gone afterwards.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import sysconfig
import tempfile
from collections import Counter
from collections.abc import Generator
from pathlib import Path
from types import FrameType

EXAMPLE = Path(__file__).resolve().parent
WORD = re.compile(rb"[A-Za-z]+")
TOP = 10

Counts = dict[str, Counter[str]]
"""The count of each word, for each file's name."""


class DemoFailed(Exception):
    """Something isn't as it should be; the message is one line."""


def main() -> int:
    """Run the demo; return the exit code."""
    parser = argparse.ArgumentParser(prog="./run demo", description=__doc__)
    parser.add_argument("--workers", type=int, metavar="N", help="workers at once (default: CPUs)")
    workers: int | None = parser.parse_args().workers
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, leave)
    try:
        with temporary_folder() as folder:
            demonstrate(folder, workers)
    except (DemoFailed, OSError) as ex:
        print(f"demo: {ex}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 128 + signal.SIGINT
    return 0


def demonstrate(folder: Path, workers: int | None) -> None:
    """Stage the files, run the job, show and check what came out.

    Raises:
        DemoFailed: Not what was expected.
    """
    texts, out = folder / "texts", folder / "out"
    names = stage(texts)
    print(f"Counting the words of {len(names)} files of Python's standard library ...", flush=True)
    spec = write_spec(folder, texts, out)
    run_job(spec, folder / "state", workers)
    found = read_counts(out)
    show(found)
    check(found, count_again(texts))
    distinct = sum(len(counter) for counter in found.values())
    print(f"\nChecked: all {distinct:,} counts in {len(found)} files agree with a second count.")
    print("The temporary files are removed again.")


def stage(texts: Path) -> list[str]:
    """Copy the standard library's top-level modules.

    Raises:
        DemoFailed: It has none that can be read.
    """
    texts.mkdir()
    library = Path(sysconfig.get_path("stdlib"))
    for module in sorted(library.glob("*.py")):
        shutil.copyfile(module, texts / module.name)
    names = [path.name for path in texts.iterdir()]
    if not names:
        raise DemoFailed(f"no Python files in {library}")
    return names


def write_spec(folder: Path, texts: Path, out: Path) -> Path:
    """Write `local.json` with other places."""
    spec = json.loads((EXAMPLE / "local.json").read_text())
    spec["transform"]["image"] = f"file:{EXAMPLE}"
    spec["input"]["atom"]["URI"] = f"file:{texts}/"
    spec["egress"]["URI"] = f"file:{out}/"
    spec["parallelism_spec"]["constant"] = 64  # as many as the machine has workers
    path = folder / "job.json"
    path.write_text(json.dumps(spec, indent=2))
    return path


def run_job(spec: Path, state: Path, workers: int | None) -> None:
    """Run the command line as a person would, with a state directory of its own.

    Raises:
        DemoFailed: It says that the job failed.
    """
    # A person's own falconerid or database is none of the demo's business.
    inherited = {k: v for k, v in os.environ.items() if not k.startswith("FALCONERI_")}
    argv = [sys.executable, "-P", "-m", "falconeri_cli", "local", "run", str(spec)]
    argv += ["--workers", str(workers)] if workers else []
    process = subprocess.Popen(argv, env=inherited | {"FALCONERI_STATE": str(state)})
    try:
        code = process.wait()
    except BaseException:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        process.terminate()  # after a Ctrl-C it is stopping already
        process.wait()
        raise
    if code == 128 + signal.SIGINT:
        raise KeyboardInterrupt
    if code != 0:
        raise DemoFailed(f"`falconeri local run` has failed (exit code {code})")


def read_counts(out: Path) -> Counts:
    """Read what the job wrote: a file `<name>.counts` for each input, lines of `count word`.

    Raises:
        DemoFailed: Something else was written.
    """
    counts: Counts = {}
    for path in out.iterdir():
        if path.suffix != ".counts":
            raise DemoFailed(f"unexpected output: {path.name}")
        pairs = (line.split(" ") for line in path.read_text().splitlines())
        counts[path.stem] = Counter({word: int(count) for count, word in pairs})
    return counts


def count_again(texts: Path) -> Counts:
    """Count in Python what the job counted with tr, awk and sort."""
    counts: Counts = {}
    for path in texts.iterdir():
        words = WORD.findall(path.read_bytes().lower())
        counts[path.name] = Counter(word.decode() for word in words)
    return counts


def show(counts: Counts) -> None:
    """Merge the files' counts and print the most frequent words."""
    merged: Counter[str] = Counter()
    for counter in counts.values():
        merged.update(counter)
    print(f"\nThe {TOP} most frequent of {merged.total():,} words:")
    for word, count in merged.most_common(TOP):
        print(f"{count:>10,}  {word}")


def check(found: Counts, expected: Counts) -> None:
    """Compare every count of every file.

    Raises:
        DemoFailed: They differ; the message names the first difference.
    """
    if lacking := sorted(expected.keys() - found.keys()):
        raise DemoFailed(f"{len(lacking)} outputs are missing, among them {lacking[0]}.counts")
    if surplus := sorted(found.keys() - expected.keys()):
        raise DemoFailed(f"{len(surplus)} outputs too many, among them {surplus[0]}.counts")
    for name in sorted(expected):
        if found[name] != expected[name]:
            words = found[name].keys() | expected[name].keys()
            word = min(w for w in words if found[name][w] != expected[name][w])
            raise DemoFailed(
                f"{name}: {word!r} counted {found[name][word]} times by the job, "
                f"{expected[name][word]} times by the check"
            )


@contextlib.contextmanager
def temporary_folder() -> Generator[Path]:
    """A directory that PostgreSQL can enter, which doesn't run as root if we do."""
    usual = Path(tempfile.gettempdir()).resolve()
    open_to_all = all(path.stat().st_mode & 0o001 for path in (usual, *usual.parents))
    top = usual if open_to_all else "/tmp"  # noqa: S108  (mkdtemp is safe there)
    folder = Path(tempfile.mkdtemp(prefix="falconeri-demo-", dir=top))
    try:
        folder.chmod(0o755)
        yield folder
    finally:
        shutil.rmtree(folder)


def leave(number: int, _frame: FrameType | None) -> None:
    """Unwind on a signal, so that everything is stopped and removed."""
    sys.exit(128 + number)


if __name__ == "__main__":
    sys.exit(main())
