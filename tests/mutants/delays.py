"""Mutants of waiting: datums that wait for another attempt, workers that wait for datums, pauses."""

# ruff: noqa: E501 - SQL as it stands

from __future__ import annotations

from tests.mutants.mutant import Mutant, of

DELAYS: tuple[Mutant, ...] = (
    *of(
        "datum/promote_delayed",
        "delays watch_job lost_races neighbours",
        ("where r.ready_at <= v_now order by", "order by"),
        ("where r.ready_at <= v_now order by r.ready_at limit", "where r.ready_at <= v_now limit"),
        (" limit p_limit", ""),
        ("order by s.job_no, s.shard for no key update", "order by s.job_no, s.shard"),
        ("order by s.job_no, s.shard for", "order by s.job_no, s.shard desc for"),
        ("r.seq = d.seq and r.ready_at <= v_now", "r.seq = d.seq"),
        ("and r.seq = d.seq and", "and"),
        ("r.job_no = d.job_no and r.shard", "r.shard"),
        ("requeued = s.requeued + c.promoted", "requeued = s.requeued + 1"),
        ("delayed = s.delayed - c.promoted", "delayed = s.delayed"),
        ("where s.job_no = c.job_no and s.shard = c.shard", "where s.job_no = c.job_no"),
        ("where s.job_no = c.job_no and s.shard = c.shard", "where s.shard = c.shard"),
        ("v_count + v_shard.promoted", "v_count + 1"),
        ("if v_shard.watched then", "if true then"),
        ("if v_shard.watched then", "if false then"),
    ),
    *of(
        "private/_requeue_at",
        "delays failures neighbours",
        (
            "greatest(j.retry_delay_s, (p_class in ('storage', 'internal'))::integer)",
            "j.retry_delay_s",
        ),
        ("'storage', ", ""),
        (", 'internal'", ""),
        ("'internal')", "'internal', 'command')"),
        ("where j.job_no = p_job_no;", "order by j.job_no desc limit 1;"),
        ("if v_delay_s = 0 then", "if false then"),
        ("p_failures - 1", "p_failures"),
        ("2.0 ^", "3.0 ^"),
        (", 12), 3600)", ", 12), 36000)"),
        ("least(p_failures - 1, 12)", "p_failures - 1"),
        ("(0.5 + random())", "1.0"),
        ("(0.5 + random())", "(0.5 + 2 * random())"),
        ("r.shard = p_shard and r.seq = p_seq", "r.shard = p_shard"),
        ("where r.job_no = p_job_no and r.shard", "where r.shard"),
        ("requeued = s.requeued - 1", "requeued = s.requeued"),
        ("delayed = s.delayed + 1", "delayed = s.delayed"),
        ("where s.job_no = p_job_no and s.shard = p_shard", "where s.job_no = p_job_no"),
        ("where s.job_no = p_job_no and s.shard = p_shard", "where s.shard = p_shard"),
        ("return true", "return false"),
    ),
    *of(
        "private/_wake_waiters",
        "watch_job neighbours",
        (
            "  update falconeri.shards set watched = false where job_no = p_job_no and shard = p_shard;\n",
            "",
        ),
        ("where job_no = p_job_no and shard = p_shard", "where job_no = p_job_no"),
        ("where job_no = p_job_no and shard = p_shard", "where shard = p_shard"),
        ("  select falconeri._notify_job(p_job_no);\n", ""),
    ),
    *of(
        "job/watch_job",
        "watch_job lost_races neighbours",
        ("order by s.shard for no key update", "order by s.shard"),
        ("order by s.shard for", "order by s.shard desc for"),
        ("watched = true where s.job_no = v_job.job_no and not", "watched = true where not"),
        ("set watched = true", "set watched = false"),
        ("and not s.watched order", "order"),
    ),
    *of(
        "private/_set_paused",
        "pause lost_races neighbours",
        ("order by s.shard for no key update", "order by s.shard"),
        ("order by s.shard for no key", "order by s.shard desc for no key"),
        ("if v_job.paused = p_paused then", "if false then"),
        ("if v_job.paused = p_paused then", "if true then"),
        ("set halted = p_paused where s.job_no = v_job.job_no", "set halted = p_paused"),
        ("set halted = p_paused", "set halted = true"),
        ("set halted = p_paused", "set halted = false"),
        ("set paused = p_paused", "set paused = j.paused"),
        ("  v_job := falconeri._lock_running_job(p_job_id);\n", ""),
        (
            "updated_at = falconeri._now()\n  where j.job_no = v_job.job_no",
            "updated_at = falconeri._now()",
        ),
    ),
    *of("job/pause_job", "pause", ("p_job_id, true", "p_job_id, false")),
    *of(
        "job/resume_job",
        "pause",
        (
            "if falconeri._set_paused(p_job_id, false) then",
            "if falconeri._set_paused(p_job_id, false) or true then",
        ),
        (
            "    perform falconeri._notify_job((falconeri._require_job(p_job_id)).job_no);\n",
            "    null;\n",
        ),
        ("p_job_id, false", "p_job_id, true"),
    ),
)
