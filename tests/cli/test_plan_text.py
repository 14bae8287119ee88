"""What `job plan` prints."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from falconeri.wire.plan import JobPlan, PlannedDatum, PlannedInput, PlannedSecret, Rival, Size
from falconeri.wire.work import InputRef
from falconeri_cli.plan_text import bytes_text, plan_lines
from tests.cli.records import JOB_ID

EXACT = Size(3_670_016, 512, 1_223_339, 3_145_728, exact=True)
FOLDERS = Size(0, 0, 0, 0, exact=False)
PART = [InputRef("s3://b/in/a\n", "/pfs/in/a\n"), InputRef("s3://b/x", "/pfs/x/x")]


def plan(**fields: Any) -> JobPlan:  # noqa: ANN401 - any field
    made = JobPlan(
        pipeline_name="words",
        image="r/i:1",
        command=["sh", "-c", "wc *"],
        egress_uri="s3://b/out/",
        datums=3000,
        max_datums=10_000_000,
        size=EXACT,
        inputs=[PlannedInput("s3://b/in/", "in", "/*", 3000, 3000, EXACT)],
        sample=[PlannedDatum(2, PART), PlannedDatum(1, PART[:1])],
        parallelism=10,
        memory="500Mi",
        cpu=0.5,
        max_tries=3,
        retry_delay_s=0,
        timeout_s=None,
        secrets=[],
        rivals=[],
    )
    return msgspec.structs.replace(made, **fields)


def test_plan_is_items_then_inputs_then_the_first_datums() -> None:
    assert list(plan_lines(plan())) == [
        "Pipeline: words",
        "Image: r/i:1",
        "Command: sh -c 'wc *'",
        "Datums: 3,000 (at most 10,000,000)",
        "To fetch: 3.5 MiB in all; 512 B to 3.0 MiB a datum, 1.2 MiB on average",
        "Workers: 10, each with 500Mi and 0.5 CPUs",
        "Tries: 3",
        "Egress URI: s3://b/out/",
        "",
        "Inputs:",
        "  MATCHES  DATUMS    TOTAL  SMALLEST     MEAN  LARGEST  GLOB  REPO  URI",
        "    3,000   3,000  3.5 MiB     512 B  1.2 MiB  3.0 MiB  /*    in    s3://b/in/",
        "",
        "The first 2 datums:",
        "  1  /pfs/in/a\ufffd  from  s3://b/in/a\ufffd",
        "     /pfs/x/x  from  s3://b/x",
        "  2  /pfs/in/a\ufffd  from  s3://b/in/a\ufffd",
    ]


def test_plan_has_a_line_for_what_only_some_jobs_have() -> None:
    secrets = [
        PlannedSecret("s3", None, "ID", "AWS_ACCESS_KEY_ID", found=True),
        PlannedSecret("more", None, "K", "V", found=False),
        PlannedSecret("certificates", "/certs", None, None, found=True),
    ]
    rivals = [Rival(JOB_ID, "words-a1b2c3d4e5", "s3://b/")]

    text = "\n".join(
        plan_lines(plan(secrets=secrets, rivals=rivals, timeout_s=9000, retry_delay_s=90))
    )

    assert "Tries: 3, the second after 1m 30s\nTimeout: 2h 30m\n" in text
    assert (
        "\n\nSecrets:\n  s3: ID as AWS_ACCESS_KEY_ID\n  more: K as V (optional, not there)\n"
        "  certificates at /certs\n\n"
    ) in text
    assert text.endswith(
        "\n\nRunning jobs that may write the same files:\n  words-a1b2c3d4e5  s3://b/"
    )


def test_what_is_in_folders_is_not_known() -> None:
    some = msgspec.structs.replace(EXACT, exact=False)
    folders = PlannedInput("s3://b/in/", "in", "/*", 1, 1, FOLDERS)

    nothing = list(plan_lines(plan(size=FOLDERS, datums=1, inputs=[folders])))
    part = list(plan_lines(plan(size=some)))

    assert "To fetch: unknown (folders are not looked into)" in nothing
    assert "        1       1      -         -     -        -  /*    in    s3://b/in/" in nothing
    assert part[4].startswith("To fetch: at least 3.5 MiB in all; ")


def test_long_datum_is_cut_short() -> None:
    lines = list(plan_lines(plan(sample=[PlannedDatum(1002, PART), PlannedDatum(1, PART[:1])])))

    assert lines[-2:] == ["     and 1,000 more", "  2  /pfs/in/a\ufffd  from  s3://b/in/a\ufffd"]


def test_few_datums_are_all_there() -> None:
    assert "All datums:" in list(plan_lines(plan(datums=2)))
    assert "All datums:" not in list(plan_lines(plan(datums=0, sample=[])))


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (0, "0 B"),
        (1023, "1023 B"),
        (1024, "1.0 KiB"),
        (10_188, "9.9 KiB"),
        (10_189, "10 KiB"),
        (1_048_063, "1023 KiB"),
        (1_048_064, "1.0 MiB"),
        (5 * 2**40, "5.0 TiB"),
        (2**63, "8.0 EiB"),
        (5000 * 2**60, "5000 EiB"),
    ],
)
def test_bytes_have_two_digits_or_more(count: int, text: str) -> None:
    assert bytes_text(count) == text


def test_plan_says_with_how_much_more_memory_a_datum_is_tried_again() -> None:
    lines = list(plan_lines(plan(memory="2Gi", memory_rungs=["2Gi", "4Gi", "6Gi"])))

    at = lines.index("Workers: 10, each with 2Gi and 0.5 CPUs")
    assert lines[at + 1] == "Out of memory: again with 4Gi, then 6Gi"
