"""Mutants of what is noted of workers that don't work yet."""

# ruff: noqa: E501 - SQL as it stands

from __future__ import annotations

from tests.mutants.mutant import Mutant, of

WAITS: tuple[Mutant, ...] = (
    *of(
        "job/list_waits",
        "waits",
        ("w.job_no = v_job.job_no and v_job.status", "v_job.status"),
        (" and v_job.status = 'running'", ""),
        ("order by w.pod_count desc, w.since, w.reason, w.message", "order by w.pod_count"),
        ("w.pod_count desc, w.since, w.reason", "w.pod_count desc, w.since desc, w.reason"),
        ("w.since, w.reason, w.message;", "w.since, w.reason desc, w.message;"),
    ),
    *of(
        "job/note_waits",
        "waits",
        ("  lock table falconeri.waits in share row exclusive mode;\n", ""),
        ("left(w.message, 500)", "w.message"),
        ("sum(w.pod_count)", "max(w.pod_count)"),
        (" and j.status = 'running'", ""),
        (
            "(s.job_no, s.reason, s.message) = (w.job_no, w.reason, w.message)",
            "(s.reason, s.message) = (w.reason, w.message)",
        ),
        (
            "(s.job_no, s.reason, s.message) = (w.job_no, w.reason, w.message)",
            "s.job_no = w.job_no",
        ),
        ("    where not exists (", "    where exists ("),
        (
            "do update set pod_count = excluded.pod_count\n    where w.pod_count <> excluded.pod_count\n",
            "do nothing\n",
        ),
        ("    where w.pod_count <> excluded.pod_count\n", ""),
        (
            "do update set pod_count = excluded.pod_count\n",
            "do update set pod_count = excluded.pod_count, since = excluded.since\n",
        ),
        ("(select count(*) from gone) + ", ""),
        (" + (select count(*) from noted)", ""),
    ),
)
