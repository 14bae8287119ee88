"""`./run bench storage`: every program moves what it is timed for, and its results can be read."""

from __future__ import annotations

import os
from pathlib import Path

import msgspec
import pytest

from benchmarks.stores import measure
from benchmarks.stores.measure import (
    OURS,
    PROGRAMS,
    Bench,
    Case,
    Run,
    Transfer,
    TransferBroken,
    rclone_settings,
)
from benchmarks.stores.report import results, save
from benchmarks.stores.servers import BUCKET, STORES


@pytest.mark.parametrize("what", ["up", "down"])
def test_each_program_moves_a_file(tmp_path: Path, what: str) -> None:
    store = STORES[0]  # the one that needs no other language's tools
    stored = tmp_path / "stored"
    stored.mkdir()
    source = tmp_path / "source"
    source.write_bytes(os.urandom(1000))

    with store.serve(stored) as settings:
        (stored / BUCKET / "x").write_bytes(source.read_bytes())
        environment = settings | rclone_settings(settings, store.provider)
        bench = Bench(stored, environment, tmp_path, rounds=1)
        case = bench.measure(Transfer(what, what, source, f"s3://{BUCKET}/x"))

    assert case.runs.keys() == PROGRAMS.keys()
    assert all(run.seconds > 0 and run.peak_bytes > 0 for (run,) in case.runs.values())


def test_what_arrives_otherwise_is_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "stored" / "bucket").mkdir(parents=True)
    source = tmp_path / "source"
    source.write_bytes(b"content")
    bench = Bench(tmp_path / "stored", {}, tmp_path, rounds=1)

    def damage(_what: str, _uri: str, _path: str) -> list[str]:
        return ["sh", "-c", f"echo other > {tmp_path}/stored/bucket/x"]

    monkeypatch.setattr(measure, "PROGRAMS", {OURS: damage})
    with pytest.raises(TransferBroken, match="is not as"):
        bench.measure(Transfer("up", "up", source, "s3://bucket/x"))


def test_results_say_how_many_times_as_fast_we_are(tmp_path: Path) -> None:
    ours, theirs = Run(2.0, 1.0, 50_000_000), Run(3.0, 1.5, 60_000_000)
    case = Case("1 GiB up", {OURS: [ours], "boto3": [theirs]})

    (result,) = results(case)
    assert (result.value / result.baseline, result.low, result.high) == (1.5, 1.5, 1.5)
    as_json, as_text = save([case], tmp_path)
    assert "| boto3 | **1.50** | 3.0 | 1.5 | 60 |" in as_text.read_text()
    assert msgspec.json.decode(as_json.read_bytes())["cases"][0]["name"] == "1 GiB up"


@pytest.mark.parametrize("store", ["rclone", "versitygw"])
def test_heading_names_the_versions_of_what_took_part(tmp_path: Path, store: str) -> None:
    run = Run(2.0, 1.0, 50_000_000)
    case = Case(f"1 GiB up, {store}", {OURS: [run], "boto3": [run]})

    as_json, as_text = save([case], tmp_path)

    about = msgspec.json.decode(as_json.read_bytes())["about"]
    assert ("versitygw" in about) == (store == "versitygw")
    assert all(f"{name}: {version}" in as_text.read_text() for name, version in about.items())
