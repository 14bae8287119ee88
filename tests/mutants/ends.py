"""Mutants of how a job ends: by its last datum, by its operator, or because its workers are gone."""

# ruff: noqa: E501 - SQL as it stands

from __future__ import annotations

from tests.mutants.mutant import Mutant, of

ENDS: tuple[Mutant, ...] = (
    *of(
        "private/_close_shard",
        "complete end_job neighbours",
        ("s.open = 0 and s.requeued = 0", "true"),
        ("j.open_shards - 1", "j.open_shards"),
        ("j.open_shards - 1", "j.open_shards - 2"),
        ("j.open_shards - 1", "0"),
        ("if v_open = 0 then", "if v_open <= 1 then"),
        ("if v_open = 0 then", "if false then"),
        ("where j.job_no = p_job_no", "where true"),
    ),
    *of(
        "private/_end_job",
        "end_job complete failures neighbours",
        ("s.error + s.canceled > 0", "s.canceled > 0"),
        ("s.error + s.canceled > 0", "s.error > 1"),
        ("where s.job_no = p_job_no and s.error", "where s.error"),
        ("coalesce(\n    p_status,", "coalesce(\n    null,"),
        ("error_message = p_reason, open_shards = 0", "error_message = p_reason"),
        ("error_message = p_reason", "error_message = null"),
        ("where j.job_no = p_job_no and j.status", "where j.status"),
        ("  perform falconeri._notify_job(p_job_no);\n", ""),
    ),
    *of(
        "private/_notify_job",
        "complete watch_job neighbours",
        (" where j.job_no = p_job_no", ""),
        ("'falconeri_job'", "'falconeri_jobs'"),
        ("j.id::text", "j.job_name"),
    ),
    *of(
        "private/_stop_job",
        "end_job lost_races outputs pause delays neighbours",
        ("order by s.shard for update", "order by s.shard"),
        ("order by s.shard for update", "order by s.shard for no key update"),
        ("order by s.shard for update", "order by s.shard desc for update"),
        ("where s.job_no = p_job_no order", "where true order"),
        ("j.job_no = p_job_no and j.status = 'running' for", "j.job_no = p_job_no for"),
        # Not without the lock of the job: who ends it has the lock of a shard of it, and so waits before.
        ("if not found then\n    return false;\n  end if;", ""),
        ("'canceled', true", "'canceled', false"),
        ("coalesce(p_reason, 'the job was canceled')", "p_reason"),
        ("coalesce(p_reason, 'the job was canceled')", "'the job was canceled'"),
        (
            "falconeri.claims c where c.job_no = p_job_no and c.seq is not null;\n  perform",
            "falconeri.claims c where c.job_no = p_job_no;\n  perform",
        ),
        (
            "falconeri.claims c where c.job_no = p_job_no and c.seq is not null;\n  perform",
            "falconeri.claims c where c.seq is not null;\n  perform",
        ),
        (
            "abandon_outputs(c.job_no, c.seq)\n  from falconeri.claims c where c.job_no = p_job_no and",
            "abandon_outputs(c.job_no, c.seq)\n  from falconeri.claims c where false and",
        ),
        ("  delete from falconeri.requeue r where r.job_no = p_job_no;\n", ""),
        ("falconeri.requeue r where r.job_no = p_job_no", "falconeri.requeue r"),
        ("canceled = s.canceled + s.open", "canceled = s.canceled + s.running"),
        # Not without `s.canceled`: it is 0 until then.
        ("requeued = 0, ", ""),
        ("delayed = 0, ", ""),
        (", running = 0", ""),
        ("next_seq = s.last_seq + 1", "next_seq = s.next_seq"),
        (", halted = true", ""),
        ("halted = true\n  where s.job_no = p_job_no", "halted = true\n  where true"),
        ("p_job_no, p_status, p_reason)", "p_job_no, null, p_reason)"),
        ("p_job_no, p_status, p_reason)", "p_job_no, p_status, null)"),
        ("'stop_workers'", "'start_workers'"),
        ("'workers:' || v_job_id", "null"),
        ("return true", "return false"),
    ),
    *of(
        "job/cancel_job",
        "end_job",
        ("'canceled', null", "'error', null"),
        ("if v_job.status <> 'canceled' then", "if true then"),
        ("if v_job.status <> 'canceled' then", "if false then"),
    ),
    *of(
        "job/fail_vanished_job",
        "end_job",
        ("'error', p_reason", "'canceled', p_reason"),
        ("'error', p_reason", "'error', null"),
    ),
    *of(
        "private/_lock_running_job",
        "scale_job pause neighbours",
        (" and j.status = 'running'", ""),
        ("where j.id = p_job_id and", "where"),
        (" for no key update", ""),
    ),
    *of(
        "private/_require_job",
        "delete_job claim_datum",
        ("j.id = p_job_id and j.deleted_at is null", "j.id = p_job_id"),
        ("where j.id = p_job_id and", "where"),
        ("if not found then", "if false then"),
    ),
    *of(
        "private/_require_running",
        "outputs end_job neighbours",
        (" and s.open > 0", ""),
        ("\n  for key share", ""),
        ("s.job_no = p_claim.job_no and s.shard", "s.shard"),
        # Not without the shard: those of a job are closed at once, or after their last claim.
        ("if not found then", "if false then"),
    ),
    *of(
        "private/_require_datum",
        "complete look neighbours",
        ("d.job_no = v_key.job_no and d.seq", "d.seq"),
        (" and d.seq = v_key.seq", ""),
        ("if not found then", "if false then"),
    ),
    *of(
        "private/_datum_key",
        "look complete",
        ("if substr(v_digits, 13, 4) <> '8001' then", "if false then"),
        ("'8001'", "'8003'"),
        ("left(v_digits, 12)", "left(v_digits, 11)"),
        (">> 22", ">> 21"),
    ),
)
