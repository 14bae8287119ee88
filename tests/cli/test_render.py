from falconeri.states import DatumStatus, JobStatus
from falconeri.wire.records import (
    DatumDescription,
    DatumStatusCount,
    InputFile,
    JobDescription,
    MemoryRung,
    Wait,
)
from falconeri_cli.plain import clean, one_line
from falconeri_cli.render import datum_description, job_description, jobs_table
from tests.cli.records import AT, DATUM_ID, JOB_ID, datum, job

LATER = AT.replace(microsecond=123456)


def test_jobs_table_has_the_originals_form() -> None:
    jobs = [job(created_at=LATER), job(job_name="short", status=JobStatus.DONE)]
    assert jobs_table(jobs).replace(" ", "·").splitlines() == [
        "·JOB_NAME···············STATUS···CREATED_AT·",
        "·book-words-a1b2c3d4e5··running··2018-07-06·11:27:50.123456·",
        "·short··················done·····2018-07-06·11:27:50·",
    ]


def test_jobs_table_without_jobs_is_its_header() -> None:
    assert jobs_table([]) == " JOB_NAME  STATUS  CREATED_AT "


def test_a_paused_job_is_said_to_be_paused_until_it_has_ended() -> None:
    paused, ended = job(paused=True), job(paused=True, status=JobStatus.CANCELED)

    words = [line.split()[1] for line in jobs_table([paused, ended, job()]).splitlines()]
    assert words == ["STATUS", "paused", "canceled", "running"]
    for each, word in ((paused, "paused"), (ended, "canceled")):
        assert f"Status: {word}\n" in job_description(JobDescription(each, [], [], []))


def test_job_description_gives_each_item_a_line() -> None:
    failed = datum(status=DatumStatus.ERROR, error_message="exit 3", output="a\n\nlast words\n")
    description = JobDescription(
        job=job(error_message="no such\nbucket"),
        datum_status_counts=[
            DatumStatusCount(DatumStatus.RUNNING, 1, 0),
            DatumStatusCount(DatumStatus.ERROR, 2, 1),
        ],
        running_datums=[datum(status=DatumStatus.RUNNING)],
        error_datums=[failed, failed],
    )
    error_lines = [f"{DATUM_ID}  2018-07-06T11:27:50  exit 3", "  | a", "  | last words"]
    assert job_description(description).splitlines() == [
        f"ID: {JOB_ID}",
        "Job Name: book-words-a1b2c3d4e5",
        "Status: running",
        "Created At: 2018-07-06T11:27:50",
        "Updated At: 2018-07-06T11:27:50",
        "Egress URI: gs://b/out/",
        "Error: no such bucket",
        "",
        "Datum status:",
        "  running: 1",
        "  error: 2 (1 to retry)",
        "",
        "Running datums:",
        "ID  STARTED_AT",
        f"{DATUM_ID}  2018-07-06T11:27:50",
        "",
        "Errors:",
        "ID  FINISHED_AT  ERROR_MESSAGE",
        *error_lines,
        *error_lines,
    ]


def test_job_description_leaves_empty_blocks_out() -> None:
    text = job_description(JobDescription(job(), [], [], []))
    assert "Running datums" not in text
    assert "Errors" not in text


def test_only_the_last_lines_of_an_output_are_in_a_job_description() -> None:
    output = "\n".join(f"line {n}" for n in range(100))
    failed = datum(status=DatumStatus.ERROR, error_message="m", output=output)
    text = job_description(JobDescription(job(), [], [], [failed]))
    assert "line 99" in text
    assert "line 90" not in text


def test_datum_description_gives_each_item_a_line() -> None:
    described = datum(
        status=DatumStatus.ERROR,
        node_name="node-1",
        pod_name="pod-1",
        error_message="failed",
        backtrace="at line 1\n",
        output="said\n",
    )
    file = InputFile(JOB_ID, AT, DATUM_ID, "s3://b/a.txt", "/pfs/texts/a.txt", JOB_ID)
    assert datum_description(DatumDescription(described, [file, file])).splitlines() == [
        f"ID: {DATUM_ID}",
        "Status: error",
        "Created At: 2018-07-06T11:27:50",
        "Updated At: 2018-07-06T11:27:50",
        "Pod Name: pod-1",
        "Node Name: node-1",
        "Tries: 1/3",
        "",
        "Input Files:",
        "  s3://b/a.txt",
        "  s3://b/a.txt",
        "",
        "Error Message: failed",
        "at line 1",
        "",
        "Output:",
        "said",
    ]


def test_an_output_cannot_control_the_terminal() -> None:
    failed = datum(status=DatumStatus.ERROR, error_message="\x1b[2Jm", output="\x1b]0;t\x07x\r\ny")
    text = job_description(JobDescription(job(egress_uri="a\x9b"), [], [], [failed]))
    assert not {"\x1b", "\x07", "\r", "\x9b"} & set(text)


def test_cleaning_keeps_lines_tabs_and_every_script() -> None:
    assert clean("a\tb\nübergröße 文字\u00a0e\u0301") == "a\tb\nübergröße 文字\u00a0e\u0301"
    assert one_line("a\n\n  b\tc ") == "a b c"


def test_job_description_says_why_workers_wait() -> None:
    waits = [
        Wait("unschedulable", "0/3 nodes:\n3 Insufficient cpu.", 4, AT),
        Wait("image", "no/such:image can't be pulled", 1, LATER),
    ]

    lines = job_description(JobDescription(job(), [], [], [], waits)).splitlines()

    assert lines[lines.index("Waiting:") + 1 :][:2] == [
        "  4 workers since 2018-07-06T11:27:50: unschedulable: 0/3 nodes: 3 Insufficient cpu.",
        "  1 worker since 2018-07-06T11:27:50.123456: image: no/such:image can't be pulled",
    ]
    assert "Waiting:" not in job_description(JobDescription(job(), [], [], []))


def test_job_description_shows_a_ladder_of_memory() -> None:
    rungs = [MemoryRung(0, "2Gi", 120, 10, 10), MemoryRung(1, "4Gi", 0, 1, 1)]

    lines = job_description(JobDescription(job(), [], [], [], [], rungs)).splitlines()

    assert lines[lines.index("Memory:") + 1 :] == [
        "  2Gi: 120 ready, 10 running, 10 workers",
        "  4Gi: 0 ready, 1 running, 1 worker",
    ]
    assert "Memory:" not in job_description(JobDescription(job(), [], [], []))
