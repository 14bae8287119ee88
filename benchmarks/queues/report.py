"""What a whole run found, where and with what; as JSON for programs, as tables for people."""

from __future__ import annotations

import platform
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import cast

import msgspec

from benchmarks.queues.machine import describe_machine, describe_revision
from benchmarks.queues.measure import SUSTAINED, Measurement, Mode
from benchmarks.queues.plot import Panel, draw
from benchmarks.queues.queue import Conn, Queue

_TITLE = "Items ended and taken per second, relative to updating one row by its key"
_NOTE = "lines: from the least to the greatest of all rounds or bursts"
_TITLES: dict[Mode, str] = {
    "fresh": "Freshly vacuumed",
    "autovacuum on": "Autovacuum on (each second)",
    "autovacuum off": "Autovacuum off",
    "old snapshot": "An old snapshot held open",
}


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """A run of `./run bench sql`.

    Args:
        revision: What `git describe` says; None if it can't.
        versions: Of all that took part, by name.
        round_s: How long a round was, about.
        burst_s: The same of each burst of a long run.
    """

    taken_at: datetime
    revision: str | None
    machine: dict[str, str]
    versions: dict[str, str]
    round_s: float
    burst_s: float
    measurements: list[Measurement]

    @property
    def postgres_major(self) -> str:
        """The first number of PostgreSQL's version."""
        return self.versions["PostgreSQL"].partition(".")[0]


def make_report(
    conn: Conn,
    queues: Iterable[Queue],
    measurements: list[Measurement],
    *,
    round_s: float,
    burst_s: float,
) -> Report:
    """Add to the measurements where and with what they were taken."""
    (postgres,) = cast("tuple[str]", conn.execute("show server_version").fetchone())
    versions = {"PostgreSQL": postgres, "Python": platform.python_version()}
    return Report(
        taken_at=datetime.now(UTC).replace(microsecond=0),
        revision=describe_revision(),
        machine=describe_machine(),
        versions=versions | {queue.name: queue.version for queue in queues},
        round_s=round_s,
        burst_s=burst_s,
        measurements=measurements,
    )


def save(report: Report, folder: Path) -> list[Path]:
    """Write `sql-<PostgreSQL's major version>` as `.json`, `.md` and `.svg`; return the paths."""
    folder.mkdir(parents=True, exist_ok=True)
    stem = folder / f"sql-{report.postgres_major}"
    texts = {
        ".json": _json(report),
        ".md": tables(report, plot=f"{stem.name}.svg"),
        ".svg": draw(_TITLE, "times a bare update", _NOTE, list(_panels(report))),
    }
    for suffix, text in texts.items():
        stem.with_suffix(suffix).write_text(text)
    return [stem.with_suffix(suffix) for suffix in texts]


def tables(report: Report, *, plot: str) -> str:
    """Return all that was measured as Markdown; `plot` is the address of the picture."""
    about = " · ".join(f"{name} {version}" for name, version in report.versions.items())
    machine = " · ".join(f"{name}: {value}" for name, value in report.machine.items())
    revision = f", revision {report.revision}" if report.revision else ""
    lines = [
        f"# `./run bench sql` on PostgreSQL {report.versions['PostgreSQL']}",
        "",
        f"{report.taken_at:%Y-%m-%d %H:%M} UTC{revision}  ",
        f"{machine}  ",
        about,
        "",
        f"## {_TITLE}",
        "",
        f"![The numbers below as bars]({plot})",
        *_fresh_tables(report),
        *_sustained_tables(report),
        *_creation_table(report),
    ]
    return "\n".join(lines) + "\n"


def _json(report: Report) -> str:
    """All of it, each measurement with its name and ratio."""
    measurements = [
        {"case": m.result().case, "ratio": m.ratio, **msgspec.structs.asdict(m)}
        for m in report.measurements
    ]
    whole = msgspec.structs.asdict(report) | {"measurements": measurements}
    return msgspec.json.format(msgspec.json.encode(whole), indent=2).decode() + "\n"


def _of_mode(report: Report, mode: Mode) -> list[Measurement]:
    return [m for m in report.measurements if m.work == "step" and m.mode == mode]


def _fresh_tables(report: Report) -> Iterator[str]:
    found = _of_mode(report, "fresh")
    if found:
        yield from ("", f"### {_TITLES['fresh']}", "")
        yield (
            f"Rounds of {report.round_s:g} s by warm connections: the median round's ratio, in "
            "brackets the least and the greatest, then items per second."
        )
    for depth in dict.fromkeys(m.depth for m in found):
        of_depth = [m for m in found if m.depth == depth]
        cells = {
            (m.queue, m.connections): f"**{m.ratio:.2f}** ({min(m.ratios):.2f} to "
            f"{max(m.ratios):.2f}) {m.value:,.0f}/s"
            for m in of_depth
        }
        for connections in {m.connections for m in of_depth}:
            rates = sorted(m.baseline for m in of_depth if m.connections == connections)
            cells["bare update", connections] = f"{rates[len(rates) // 2]:,.0f}/s"
        yield from ("", *_table(f"{depth:,} deep", cells))


def _sustained_tables(report: Report) -> Iterator[str]:
    for mode in SUSTAINED:
        found = _of_mode(report, mode)
        if not found:
            continue
        cells = {
            (m.queue, m.connections): " → ".join(f"{ratio:.2f}" for ratio in m.ratios)
            for m in found
        }
        yield from ("", f"### {_TITLES[mode]}", "")
        yield (
            f"One run from {found[0].depth:,} deep; the ratio of each of its bursts of "
            f"{report.burst_s:g} s, one after the other."
        )
        yield from ("", *_table("", cells))


def _creation_table(report: Report) -> Iterator[str]:
    found = [m for m in report.measurements if m.work == "create"]
    if not found:
        return
    yield from ("", "## Creating a job, relative to COPY of the same bytes", "")
    yield from ("| datums | ratio | ours, datums/s | COPY, rows/s |", "|---|---|---|---|")
    for m in found:
        yield (
            f"| {m.depth:,} | **{m.ratio:.2f}** ({min(m.ratios):.2f} to {max(m.ratios):.2f}) "
            f"| {m.value:,.0f} | {m.baseline:,.0f} |"
        )


def _table(corner: str, cells: dict[tuple[str, int], str]) -> Iterator[str]:
    columns = sorted({connections for _, connections in cells})
    yield f"| {corner} | " + " | ".join(f"{number} connections" for number in columns) + " |"
    yield "|---" * (len(columns) + 1) + "|"
    for queue in dict.fromkeys(queue for queue, _ in cells):
        row = (cells.get((queue, number), "-") for number in columns)
        yield f"| {queue} | " + " | ".join(row) + " |"


def _panels(report: Report) -> Iterator[Panel]:
    found = _of_mode(report, "fresh")
    for depth in dict.fromkeys(m.depth for m in found):
        yield _panel(f"{depth:,} deep", [m for m in found if m.depth == depth])
    for mode in SUSTAINED:
        if sustained := _of_mode(report, mode):
            after_s = report.burst_s * len(sustained[0].ratios)
            yield _panel(f"{_TITLES[mode]}, after {after_s:.0f} s", sustained)


def _panel(title: str, measurements: list[Measurement]) -> Panel:
    bars = {
        (m.queue, f"{m.connections}"): (m.ratio, min(m.ratios), max(m.ratios)) for m in measurements
    }
    return Panel(title=title, axis="connections", bars=bars)
