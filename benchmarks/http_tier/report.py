"""What a whole run found, as JSON for programs, as tables and a plot for people."""

from __future__ import annotations

import platform
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import cast

import msgspec

from benchmarks.http_tier.measure import Case
from benchmarks.queues.machine import describe_machine, describe_revision
from benchmarks.queues.plot import Panel, draw
from benchmarks.queues.queue import Conn

_TITLE = "Claim and complete through HTTP"
_NOTE = "lines: from the least to the greatest of all rounds"
_HEADINGS = {
    "requests": "Datums ended and taken per second",
    "processor": "Processor time of falconerid",
    "waiting": "Waiting workers",
    "start": "Start of a falconerid",
}


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """A run of `./run bench http`; `revision` is what `git describe` says, if it can."""

    taken_at: datetime
    revision: str | None
    machine: dict[str, str]
    versions: dict[str, str]
    cases: list[Case]


def make_report(conn: Conn, cases: list[Case]) -> Report:
    """Add to the cases where and with what they were taken."""
    (postgres,) = cast("tuple[str]", conn.execute("show server_version").fetchone())
    return Report(
        taken_at=datetime.now(UTC).replace(microsecond=0),
        revision=describe_revision(),
        machine=describe_machine(),
        versions={"PostgreSQL": postgres, "Python": platform.python_version()},
        cases=cases,
    )


def save(report: Report, folder: Path) -> list[Path]:
    """Write `http.json`, `.md` and `.svg`; return the paths."""
    folder.mkdir(parents=True, exist_ok=True)
    stem = folder / "http"
    bars = _bars(report)
    panels = [Panel(title="by connections", axis="connections", bars=bars)] if bars else []
    texts = {
        ".json": msgspec.json.format(msgspec.json.encode(_with_ratios(report)), indent=2).decode()
        + "\n",
        ".md": tables(report, plot=f"{stem.name}.svg"),
        ".svg": draw(_TITLE, "times the baseline", _NOTE, panels),
    }
    for suffix, text in texts.items():
        stem.with_suffix(suffix).write_text(text)
    return [stem.with_suffix(suffix) for suffix in texts]


def tables(report: Report, *, plot: str) -> str:
    """Return all that was measured as Markdown; `plot` is the address of the picture."""
    about = " · ".join(
        f"{name}: {value}" for name, value in (report.machine | report.versions).items()
    )
    revision = f", revision {report.revision}" if report.revision else ""
    lines = [
        "# `./run bench http`",
        "",
        f"{report.taken_at:%Y-%m-%d %H:%M} UTC{revision}  ",
        about,
        "",
        f"![The ratios of the first table as bars]({plot})",
    ]
    for group, heading in _HEADINGS.items():
        if cases := [case for case in report.cases if case.group == group]:
            lines += ["", f"## {heading}", "", *_table(cases)]
    return "\n".join(lines) + "\n"


def _table(cases: list[Case]) -> Iterator[str]:
    yield "| | ratio | value | baseline | goal |"
    yield "|---|---|---|---|---|"
    for case in cases:
        spread = f"{min(case.ratios):,.3g} to {max(case.ratios):,.3g}" if case.ratios else ""
        if case.baseline == 1.0:
            value, ratio, baseline = f"**{case.value:,.4g}** ({spread})", "", ""
            value = value.removesuffix(" ()")
        else:
            value = f"{case.value:,.0f}"
            ratio, baseline = f"**{case.ratio:.2f}** ({spread})", f"{case.baseline:,.0f}"
        yield f"| {case.name} | {ratio} | {value} {case.unit} | {baseline} | {case.goal} |"


def _bars(report: Report) -> dict[tuple[str, str], tuple[float, float, float]]:
    """Of the clients that cost little: those of workers take a good part of the machine."""
    bars: dict[tuple[str, str], tuple[float, float, float]] = {}
    for case in report.cases:
        connections, _, rest = case.name.partition(" connections, against ")
        if case.group == "requests" and rest:
            bars[rest, connections] = (case.ratio, min(case.ratios), max(case.ratios))
    return bars


def _with_ratios(report: Report) -> Mapping[str, object]:
    cases = [{"ratio": case.ratio, **msgspec.structs.asdict(case)} for case in report.cases]
    return msgspec.structs.asdict(report) | {"cases": cases}
