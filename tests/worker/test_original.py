"""Our worker with the original's falconerid."""

from __future__ import annotations

from pathlib import Path

from tests.client.server import Reply
from tests.processes import wait_until
from tests.worker.conftest import Bucket
from tests.worker.original import MAX_BODY_BYTES, Original, original
from tests.worker.process import Worker, working

COPY = ("sh", "-euc", 'cp "$FALCONERI_PFS"/texts/* "$FALCONERI_PFS/out/"')


def add(server: Original, source: Bucket, *names: str) -> None:
    for name in names:
        server.add((source.put(name, name), f"/pfs/texts/{name}"))


def actions(server: Original) -> list[str]:
    names = [call.split(" ")[0] + " " + call.rpartition("/")[2] for call in server.calls]
    ids = {server.job_id: "job"} | {datum.id: "datum" for datum in server.datums}
    return [" ".join(ids.get(word, word) for word in name.split(" ")) for name in names]


def test_a_job_runs_to_its_end_by_the_originals_calls_alone(
    source: Bucket, egress: Bucket, home: Path
) -> None:
    with original(COPY, egress.uri) as server:
        add(server, source, "a", "b")
        with working(home, server, FALCONERI_SPACE=str(home)) as worker:
            assert worker.wait() == 0, worker.stderr

    assert egress.content() == {"a": "a", "b": "b"}
    assert [datum.status for datum in server.datums] == ["done", "done"]
    assert {out["status"] for datum in server.datums for out in datum.outputs} == {"done"}
    datum = ["GET job", "POST reserve_next_datum", *["POST output_files", "PATCH output_files"]]
    assert actions(server) == [
        *("POST workers", "GET job"),  # ours?
        *[*datum, "PATCH datum"] * 2,
        "GET job",
    ]


def test_a_failure_has_what_the_original_insists_on(
    source: Bucket, egress: Bucket, home: Path
) -> None:
    command = ("sh", "-c", "printf 'a\\0b'; exit 3")
    with original(command, egress.uri) as server:
        add(server, source, "a")
        with working(home, server) as worker:
            assert worker.wait() == 0, worker.stderr

    [datum] = server.datums
    assert (datum.status, datum.output, datum.backtrace) == ("error", "a␀b", "disabled backtrace")
    assert (datum.error_message or "").endswith("failed: exit status 3")


def test_a_lost_answer_to_a_report_is_no_lost_datum(
    source: Bucket, egress: Bucket, home: Path
) -> None:
    with original(COPY, egress.uri) as server:
        add(server, source, "a", "b")
        server.after.append((server.datums[0].id, None))
        with working(home, server) as worker:
            assert worker.wait() == 0, worker.stderr

    assert [datum.status for datum in server.datums] == ["done", "done"]
    assert worker.events("claim_lost") == []


def test_a_datum_that_was_taken_away_is_dropped_and_refusals_are_final(
    source: Bucket, egress: Bucket, home: Path
) -> None:
    with original(COPY, egress.uri) as server:
        add(server, source, "a", "b")
        refused = f"datum {server.datums[0].id} is owned by None, not pod-1".encode()
        server.before.append(("/output_files", Reply(403, refused)))
        with working(home, server) as worker:
            assert worker.wait() == 0, worker.stderr

    assert len(worker.events("claim_lost")) == 1
    # Its pod still holds it, and so gets it again.
    assert [datum.status for datum in server.datums] == ["done", "done"]


def test_server_errors_are_outlived_but_a_clash_of_outputs_is_told_at_once(
    source: Bucket, egress: Bucket, home: Path
) -> None:
    command = ("sh", "-c", 'echo x > "$FALCONERI_PFS/out/same"')
    with original(command, egress.uri) as server:
        add(server, source, "a", "b")
        server.before += [("/reserve_next_datum", Reply(500, b"pool error: timeout"))] * 2
        with working(home, server) as worker:
            assert worker.wait() == 0, worker.stderr

    first, second = server.datums
    assert (first.status, second.status) == ("done", "error")
    assert "error inserting datums" in (second.error_message or "")
    assert sum(call.endswith(f"{second.id}/output_files") for call in server.calls) == 1


def test_more_outputs_than_a_request_holds_fail_the_datum_and_say_so(
    source: Bucket, egress: Bucket, home: Path
) -> None:
    name = "n" * 200
    many = f'cd "$FALCONERI_PFS/out"; seq -f "{name}%g" 8500 | xargs touch'
    with original(("sh", "-c", many), egress.uri) as server:
        add(server, source, "a")
        with working(home, server) as worker:
            assert worker.wait() == 0, worker.stderr

    assert server.datums[0].status == "error"
    message = server.datums[0].error_message or ""
    assert "too many outputs for this falconerid: 8500 files" in message
    assert max(server.bodies) <= MAX_BODY_BYTES


def test_a_worker_told_to_go_gives_its_datum_back(
    source: Bucket, egress: Bucket, home: Path
) -> None:
    with original(("sh", "-c", "echo begun; exec sleep 600"), egress.uri) as server:
        add(server, source, "a")
        with working(home, server) as worker:
            assert worker.process.stdout is not None
            assert worker.process.stdout.readline() == "begun\n"
            worker.process.terminate()
            assert worker.wait() == 143, worker.stderr

    assert server.datums[0].error_message == "the worker was told to go (SIGTERM)"


def test_who_waits_asks_again_until_the_job_has_ended(
    source: Bucket, egress: Bucket, home: Path
) -> None:
    with original(COPY, egress.uri, tries=2) as server:
        add(server, source, "a")
        server.datums[0].status, server.datums[0].pod_name = "running", "another"
        with working(home, server) as worker:
            wait_until(lambda: sum("reserve" in call for call in server.calls) >= 2)
            server.status = "done"
            assert worker.wait() == 0, worker.stderr


def test_a_job_that_is_not_there_is_over(egress: Bucket, home: Path) -> None:
    with original(COPY, egress.uri) as server:
        worker = Worker(home, server.url, ["0b3c2c1e-7d0e-4b8e-9b1c-3f6f0c7a9a11"], {})
        assert worker.wait() == 0, worker.stderr
