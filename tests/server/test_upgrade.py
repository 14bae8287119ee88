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
        self.count = 0
        """How many there have been."""
        shutil.copytree(sql_root(), self._sql)

    def migrate(self, database_url: str) -> None:
        """Bring a database to the next one."""
        self.count += 1
        migration = self._sql / "migrations" / f"{9000 + self.count}_later.sql"
        migration.write_text(
            f"alter table falconeri.jobs add column later_{self.count} integer not null default 0;"
            f"alter table falconeri.claims add column later_{self.count} integer;"
        )
        for file in (self._sql / "functions").rglob("*.sql"):
            file.write_text(f"{file.read_text()}\n-- version {self.count}\n")
        with patch("falconeri.resources._PACKAGE", self._package):
            assert migrate(database_url)


def test_old_replicas_go_on_while_newer_versions_migrate(tmp_path: Path) -> None:
    releases = NextReleases(tmp_path / "later")
    during, after = tmp_path / "during", tmp_path / "after"
    for directory in (during, after):
        directory.mkdir()
    with fresh_database() as url, two(url, tmp_path) as replicas:
        assert replicas.first.call("GET", "/readyz").status == 200
        with at_work(replicas, during) as (job_id, crew):
            assert len(crew.done) < DATUMS
            while releases.count == 0 or len(crew.done) < DATUMS // 2:
                releases.migrate(url)
        check(url, job_id, crew)
        assert replicas.first.call("GET", "/readyz").status == 200
        # A migration may have taken longer than the rest of that job.
        with at_work(replicas, after) as (job_id, crew):
            pass
        check(url, job_id, crew)
        for replica in (replicas.first, replicas.second):
            assert replica.events("request_failed") == []
