"""What `./run bench sql` makes of its measurements: names, tables, a plot, JSON."""

from datetime import UTC, datetime
from pathlib import Path
from xml.etree import ElementTree as ET

import msgspec
import pytest

from benchmarks.queues.measure import Measurement, Mode, Pair, median
from benchmarks.queues.report import Report, save


def measured(
    queue: str = "ours",
    *,
    ratios: tuple[float, ...] = (0.5,),
    depth: int = 100_000,
    connections: int = 8,
    mode: Mode = "fresh",
) -> Measurement:
    """A case whose last ratio counts, with a baseline of 10,000/s."""
    return Measurement(
        work="step",
        queue=queue,
        mode=mode,
        depth=depth,
        connections=connections,
        value=ratios[-1] * 10_000,
        unit="1/s",
        baseline=10_000,
        ratios=list(ratios),
    )


def reported(*measurements: Measurement) -> Report:
    return Report(
        taken_at=datetime(2026, 1, 2, 3, 4, tzinfo=UTC),
        revision="abc1234",
        machine={"cores": "2"},
        versions={"PostgreSQL": "18.6", "peer & co": "1.2"},
        round_s=1.2,
        burst_s=2.0,
        measurements=list(measurements),
    )


def rows(table: str) -> list[list[str]]:
    """The cells of all rows of all tables."""
    lines = [line for line in table.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def test_median_round_counts_however_fast_the_machine_was_in_it() -> None:
    slow, usual, lucky = Pair(10, 100), Pair(4_000, 10_000), Pair(90, 100)

    assert median([lucky, slow, usual]) == usual


@pytest.mark.parametrize(
    ("measurement", "name"),
    [
        (measured(), "ours complete_and_claim, 100000 deep, 8 connections"),
        (measured("pgmq", depth=1_000), "pgmq, 1000 deep, 8 connections"),
        (
            measured(mode="old snapshot", connections=32),
            "ours complete_and_claim, 100000 deep, 32 connections, old snapshot",
        ),
    ],
)
def test_case_is_named_by_its_queue_depth_connections_and_mode(
    measurement: Measurement, name: str
) -> None:
    assert measurement.result().case == name


def test_result_has_the_spread_of_its_rounds() -> None:
    result = measured(ratios=(0.6, 0.4, 0.5)).result()

    assert (result.ratio, result.low, result.high) == (0.5, 0.4, 0.6)


def test_table_has_a_row_a_queue_and_a_column_for_each_number_of_connections(
    tmp_path: Path,
) -> None:
    _, table, _ = save(
        reported(
            measured(ratios=(0.6, 0.4, 0.5)),
            measured(ratios=(0.3,), connections=32),
            measured("peer & co", ratios=(0.2,)),
        ),
        tmp_path,
    )

    assert rows(table.read_text()) == [
        ["100,000 deep", "8 connections", "32 connections"],
        ["---", "---", "---"],
        ["ours", "**0.50** (0.40 to 0.60) 5,000/s", "**0.30** (0.30 to 0.30) 3,000/s"],
        ["peer & co", "**0.20** (0.20 to 0.20) 2,000/s", "-"],
        ["bare update", "10,000/s", "10,000/s"],
    ]


def test_long_run_is_shown_burst_by_burst(tmp_path: Path) -> None:
    _, table, _ = save(reported(measured(ratios=(0.5, 0.4, 0.25), mode="old snapshot")), tmp_path)

    assert ["ours", "0.50 → 0.40 → 0.25"] in rows(table.read_text())


def test_machine_versions_and_revision_are_told(tmp_path: Path) -> None:
    _, table, _ = save(reported(measured()), tmp_path)

    text = table.read_text()

    assert all(told in text for told in ("cores: 2", "PostgreSQL 18.6", "peer & co 1.2", "abc1234"))


def test_plot_has_a_bar_a_case_as_high_as_its_ratio(tmp_path: Path) -> None:
    _, _, plot = save(
        reported(
            measured(ratios=(0.5, 0.3, 0.4)),
            measured("peer & co", ratios=(0.2,)),
            measured(ratios=(0.1,), mode="autovacuum off"),
        ),
        tmp_path,
    )

    drawn = ET.fromstring(plot.read_text())  # noqa: S314 - our own

    svg = "{http://www.w3.org/2000/svg}"
    bars = [float(bar.attrib["height"]) for bar in drawn.iterfind(f"{svg}g/{svg}rect")]
    assert [round(height / bars[-1], 1) for height in bars] == [4.0, 2.0, 1.0]
    assert {"ours", "peer & co", ".40", ".20", ".10"} <= {text.text for text in drawn.iter()}


def test_json_has_each_case_with_its_name_and_ratio_and_can_be_read_back(tmp_path: Path) -> None:
    report = reported(measured(ratios=(0.4,)))
    saved, _, _ = save(report, tmp_path)

    (case,) = msgspec.json.decode(saved.read_bytes())["measurements"]

    assert saved.name == "sql-18.json"
    assert (case["case"], case["ratio"]) == (
        "ours complete_and_claim, 100000 deep, 8 connections",
        0.4,
    )
    assert msgspec.json.decode(saved.read_bytes(), type=Report) == report
