"""Lets plpgsql_check read every PL/pgSQL function of ours, as `./run check` does.

    python tests/checks/plpgsql.py [--skip-if-missing]

It starts a throw-away PostgreSQL of this machine that has the extension, migrates it, and prints
what the extension finds: wrong names and types, unused variables, casts that are not meant. As root
on Debian it installs the extension if there is none. Exit status: 1 findings, 2 no extension.
"""

# ruff: noqa: T201 - a program, which prints

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
from pathlib import Path
from unittest.mock import patch

import psycopg

from falconeri.db.migrate import migrate
from falconeri.local import PostgresUnavailable, Server
from falconeri.local._binaries import MINIMUM_MAJOR, Binaries
from tests.folders import public_folder

_FIND = """
select format('%s:%s: %s: %s%s', f.name, coalesce(c.lineno, 0), c.level, c.message,
  coalesce(' (' || coalesce(c.detail, c.hint, c.query) || ')', ''))
from (
  select p.oid, p.oid::regprocedure::text as name
  from pg_proc p join pg_language l on l.oid = p.prolang
  where p.pronamespace = 'falconeri'::regnamespace and l.lanname = 'plpgsql'
) f, plpgsql_check_function_tb(
  f.oid, fatal_errors => false, other_warnings => true, extra_warnings => true,
  security_warnings => true, performance_warnings => false
) c
order by f.name, c.lineno
"""

_COUNT = """
select count(*) from pg_proc p join pg_language l on l.oid = p.prolang
where p.pronamespace = 'falconeri'::regnamespace and l.lanname = 'plpgsql'
"""


class CheckUnavailable(Exception):
    """There is no PostgreSQL with the extension; the message says what to install."""


def main() -> int:
    """Check, print, and return the exit status."""
    parser = argparse.ArgumentParser(description="plpgsql_check over all functions of sql/")
    parser.add_argument(
        "--skip-if-missing",
        action="store_true",
        help="succeed where no PostgreSQL has the extension; ignored where CI=true",
    )
    skip = parser.parse_args().skip_if_missing and os.environ.get("CI") != "true"
    try:
        binaries = find_binaries() or install()
        count, findings = check(binaries)
    except (CheckUnavailable, PostgresUnavailable) as ex:
        print(f"plpgsql_check {'skipped' if skip else 'impossible'}: {ex}", file=sys.stderr)
        return 0 if skip else 2
    print(*findings, sep="\n", end="\n" if findings else "")
    print(f"{count} functions, {len(findings)} findings (PostgreSQL {binaries.major})")
    return 1 if findings or not count else 0


def find_binaries() -> Binaries | None:
    """Return the newest server of Debian's layout that has the extension's files."""
    found = [
        int(control.parts[-3])
        for control in Path("/usr/share/postgresql").glob("*/extension/plpgsql_check.control")
        if control.parts[-3].isdigit() and _folder(int(control.parts[-3])).is_dir()
    ]
    major = max(found, default=0)
    return Binaries(folder=_folder(major), major=major) if major >= MINIMUM_MAJOR else None


def _folder(major: int) -> Path:
    return Path(f"/usr/lib/postgresql/{major}/bin")


def install() -> Binaries:
    """Install the extension, and with it the server that it belongs to.

    Raises:
        CheckUnavailable: Not root, not Debian, or its packages don't have it.
    """
    advice = "install a PostgreSQL and its plpgsql_check (Debian: postgresql-NN-plpgsql-check)"
    if os.geteuid() != 0 or not Path("/usr/bin/apt-get").exists():
        raise CheckUnavailable(advice)
    package = _package()
    if package is None:
        _apt_get("update")
        package = _package()
    if package is None:
        raise CheckUnavailable(f"no package of the extension is known to apt: {advice}")
    print(f"installing {package} ...", file=sys.stderr, flush=True)
    arguments = ("install", "-y", "--no-install-recommends", package)
    if not _apt_get(*arguments):
        _apt_get("update")  # the lists may be older than the archive
        _apt_get(*arguments)
    binaries = find_binaries()
    if binaries is None:
        raise CheckUnavailable(f"apt-get could not install {package}: {advice}")
    return binaries


def _package() -> str | None:
    """The extension's package for the newest server that apt can get."""
    listed = subprocess.run(
        ["/usr/bin/apt-cache", "search", "--names-only", "^postgresql-[0-9]+-plpgsql-check$"],
        capture_output=True,
        text=True,
        check=False,
    ).stdout
    majors = [int(major) for major in re.findall(r"^postgresql-(\d+)-", listed, re.MULTILINE)]
    major = max(majors, default=0)
    return f"postgresql-{major}-plpgsql-check" if major >= MINIMUM_MAJOR else None


def _apt_get(*arguments: str) -> bool:
    argv = ["/usr/bin/apt-get", "-qq", *arguments]
    env = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    return subprocess.run(argv, env=env, stdout=subprocess.DEVNULL, check=False).returncode == 0


def check(binaries: Binaries) -> tuple[int, list[str]]:
    """Run the extension on a new server; return the number of functions, and a line a finding."""
    with (
        public_folder("plpgsql") as state,
        # Not the embedded server, which has no such extension.
        patch("falconeri.local.postgres.find_binaries", return_value=binaries),
        Server.start(state, durable=False) as server,
    ):
        migrate(server.url)
        with psycopg.connect(server.url, autocommit=True) as conn:
            conn.execute("create extension plpgsql_check")
            counted = conn.execute(_COUNT).fetchone()
            findings = [str(row[0]) for row in conn.execute(_FIND)]
            return (counted[0] if counted else 0), findings


if __name__ == "__main__":
    sys.exit(main())
