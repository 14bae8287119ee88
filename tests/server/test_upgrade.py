"""A newer falconeri migrates the database while the falconerids of this one are at work."""

from __future__ import annotations

import shutil
from pathlib import Path
from unittest.mock import patch

from falconeri.db.migrate import migrate
from falconeri.resources import sql_root
from tests.databases import fresh_database
from tests.server.test_replicas import DATUMS, at_work, check, two


class NextReleases:
    """The SQL of later versions, each of which changes what a release may change."""

    def __init__(self, folder: Path) -> None:
        self._sql = folder / "sql"
        self._package = folder / "falconeri"
        self._count = 0
        shutil.copytree(sql_root(), self._sql)

    def migrate(self, database_url: str) -> None:
        """Bring a database to the next one."""
        self._count += 1
        migration = self._sql / "migrations" / f"{9000 + self._count}_later.sql"
        migration.write_text(
            f"alter table falconeri.jobs add column later_{self._count} integer not null default 0;"
            f"alter table falconeri.claims add column later_{self._count} integer;"
        )
        for file in (self._sql / "functions").rglob("*.sql"):
            file.write_text(f"{file.read_text()}\n-- version {self._count}\n")
        with patch("falconeri.resources._PACKAGE", self._package):
            assert migrate(database_url)


def test_old_replicas_go_on_while_newer_versions_migrate(tmp_path: Path) -> None:
    releases = NextReleases(tmp_path / "later")
    with (
        fresh_database() as url,
        two(url, tmp_path) as replicas,
        at_work(replicas, tmp_path) as (job_id, crew),
    ):
        assert replicas.first.call("GET", "/readyz").status == 200
        releases.migrate(url)
        assert len(crew.done) < DATUMS
        while len(crew.done) < DATUMS // 2:
            releases.migrate(url)
        assert replicas.first.call("GET", "/readyz").status == 200
        crew.finish()

        check(url, job_id, crew)
        for replica in (replicas.first, replicas.second):
            assert replica.events("request_failed") == []
