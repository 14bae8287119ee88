"""Mutants of the ladder of memory: who gets what ran out of it, and how many workers there should be."""

# ruff: noqa: E501 - SQL as it stands

from __future__ import annotations

from tests.mutants.mutant import Mutant, of

LADDER: tuple[Mutant, ...] = (
    *of(
        "private/_rises",
        "ladder",
        ("p_class is not distinct from 'out_of_memory' and exists", "exists"),
        ("r.job_no = p_claim.job_no and r.rung", "r.rung"),
        ("r.rung = p_claim.rung + 1", "r.rung = p_claim.rung"),
        ("r.rung = p_claim.rung + 1", "r.rung > 0"),
    ),
    *of(
        "private/_open_rung",
        "rungs ladder",
        (" and not r.open", ""),
        ("and r.rung = p_rung", ""),
        ("set open = true, active_at = falconeri._now()", "set active_at = falconeri._now()"),
        ("  if found then", "  if false then"),
    ),
    *of(
        "private/_take_raised",
        "rungs ladder",
        ("  if p_ahead then", "  if false then"),
        (" and not s.halted", ""),
        (
            "r.shard = s.shard and r.rung = p_claim.rung and r.ready_at is null",
            "r.shard = s.shard and r.rung = p_claim.rung",
        ),
        (
            "r.shard = s.shard and r.rung = p_claim.rung and r.ready_at is null",
            "r.shard = s.shard and r.ready_at is null",
        ),
        (" for no key update skip locked", " for no key update"),
        (" for no key update skip locked", ""),
        ("where s.job_no = p_claim.job_no and s.raised > 0", "where s.raised > 0"),
        ("q.shard = v_shard and q.rung = p_claim.rung", "q.shard = v_shard"),
        ("raised = s.raised - 1", "raised = s.raised"),
        ("running = s.running + 1", "running = s.running"),
        ("tries_used = v_again.tries_used", "tries_used = 0"),
        (
            "where c.worker_no = p_claim.worker_no and c.slot = p_claim.slot",
            "where c.worker_no = p_claim.worker_no",
        ),
    ),
    *of(
        "private/_no_raised",
        "rungs ladder",
        ("when j.status <> 'running' then 'ended'", "when false then 'ended'"),
        ("when p_wanted and exists", "when exists"),
        (" and not s.halted", ""),
        ("r.job_no = p_claim.job_no and r.rung = p_claim.rung", "r.job_no = p_claim.job_no"),
        ("where r.job_no = p_claim.job_no and r.rung", "where r.rung"),
        ("          and r.ready_at is null\n", ""),
        ("then 'busy'", "then 'empty'"),
    ),
    *of(
        "job/size_rungs",
        "rungs ladder state_machine",
        ("order by r.job_no, r.rung for no key update of r", "order by r.job_no, r.rung"),
        ("c.rung = r.rung and c.seq is not null", "c.rung = r.rung"),
        ("c.job_no = r.job_no and c.rung = r.rung and", "c.job_no = r.job_no and"),
        (
            "        where q.job_no = r.job_no and q.rung = r.rung and q.rung > 0 and q.ready_at is null\n",
            "        where q.job_no = r.job_no and q.rung = r.rung and q.rung > 0\n",
        ),
        (
            "case when c.wanted or c.held > 0 then falconeri._now()",
            "case when c.wanted then falconeri._now()",
        ),
        ("open = c.wanted or c.held > 0\n        or", "open = false or"),
        ("interval '1 minute'", "interval '59 s'"),
        ("interval '1 minute'", "interval '61 s'"),
        ("(r.open or c.wanted or c.held > 0)", "r.open"),
        ("least(c.parallelism, ", "least(99, "),
        ("when c.paused then 0 else", "when false then 0 else"),
        ("  where s.open\n", ""),
        ("j.job_no = r.job_no and j.status = 'running'\n", "j.job_no = r.job_no\n"),
        ("    where r.rung > 0\n", ""),
    ),
    *of(
        "private/_worker_no",
        "ladder",
        ("p_leased, falconeri._now(), p_rung)", "p_leased, falconeri._now(), 0)"),
        (
            "leased = excluded.leased, ended_at",
            "leased = excluded.leased, rung = excluded.rung, ended_at",
        ),
    ),
    *of(
        "datum/count_tries_left",
        "ladder",
        (" + falconeri._rises(c, p_failure_class)::integer", ""),
    ),
    *of(
        "private/_take_datum",
        "ladder state_machine",
        ("if p_claim.rung > 0 then", "if false then"),
        ("q.rung = 0\n        and q.ready_at", "q.ready_at"),
    ),
    *of(
        "datum/complete_and_claim",
        "ladder state_machine",
        ("p_claim_next and v_claim.rung = 0", "p_claim_next"),
    ),
    *of(
        "private/_delete_batch",
        "rungs delete_job",
        ("  delete from falconeri.rungs r where r.job_no = p_job.job_no;\n", ""),
        (
            "delete from falconeri.rungs r where r.job_no = p_job.job_no",
            "delete from falconeri.rungs r",
        ),
    ),
)
