"""Mutants of how an attempt ends, and of the answer to who says so twice."""

# ruff: noqa: E501 - SQL as it stands

from __future__ import annotations

from tests.mutants.mutant import Mutant, of

COMPLETIONS: tuple[Mutant, ...] = (
    *of(
        "datum/complete_and_claim",
        "complete ahead repeats failures neighbours pause recovered",
        ("p_report.outcome is distinct from 'done' or p_report", "p_report"),
        (
            "if p_report.outcome is distinct from 'done' or p_report.failure_class is not null then",
            "if p_report.outcome is distinct from 'done' then",
        ),
        ("is distinct from 'done'", "<> 'done'"),
        # Whose claim?
        ("where c.pod_name = p_pod_name and c.datum_id", "where c.datum_id"),
        ("and c.datum_id = p_datum_id\n", "\n"),
        ("\n    and (p_attempt is null or c.attempt = p_attempt)", ""),
        ("p_attempt is null or ", ""),
        ("  for update;", "  ;"),
        ("if p_report.outcome <> 'done' then", "if false then"),
        ("if p_report.outcome = 'recovered' then", "if false then"),
        # The counters.
        ("done = s.done + 1", "done = s.done"),
        ("done = s.done + 1", "done = s.done + 2"),
        ("open = s.open - 1", "open = s.open"),
        ("open = s.open - 1", "open = s.open - 2"),
        (
            "running = s.running - 1 + (\n      v_fresh and",
            "running = s.running - 1 + (\n      false and",
        ),
        ("running = s.running - 1 + (\n", "running = s.running + (\n"),
        ("next_seq = s.next_seq + (\n      v_fresh", "next_seq = s.next_seq + (\n      false"),
        (
            "end\n    )::integer,\n    taken_seq",
            "end - 1\n    )::integer,\n    taken_seq",
        ),
        ("then s.next_seq\n", "then s.next_seq + 1\n"),
        ("when v_fresh and not s.halted\n        and", "when v_fresh\n        and"),
        ("when v_fresh and not s.halted\n        and", "when not s.halted\n        and"),
        ("when v_fresh and not s.halted\n        and", "when false and"),
        # What is left for workers that have nothing.
        (
            "case when p_ahead then s.ahead_seq else s.last_seq end\n    )::integer,\n    next_seq",
            "s.last_seq\n    )::integer,\n    next_seq",
        ),
        (
            "case when p_ahead then s.ahead_seq else s.last_seq end\n    )::integer,\n    taken_seq",
            "s.last_seq\n    )::integer,\n    taken_seq",
        ),
        (
            "case when p_ahead then s.ahead_seq else s.last_seq end\n      then",
            "s.last_seq\n      then",
        ),
        ("where s.job_no = v_claim.job_no and s.shard", "where s.shard"),
        ("and s.shard = v_claim.shard and s.open > 0", "and s.open > 0"),
        ("and s.shard = v_claim.shard and s.open > 0", "and s.shard = v_claim.shard"),
        # The history.
        ("v_claim.worker_no, v_claim.slot, 'done', true", "v_claim.worker_no, 0, 'done', true"),
        ("'done', true", "'done', false"),
        ("v_claim.seq, v_claim.attempt,", "v_claim.seq, 1,"),
        ("v_claim.claimed_at, v_now, p", "v_now, v_now, p"),
        # What comes next.
        ("      perform falconeri._free_claim(v_claim.worker_no, v_claim.slot);\n", ""),
        ("v_next.verdict <> 'claimed'", "v_next.verdict <> 'empty'"),
        ("if v_open = 0 then", "if false then"),
        ("if v_open = 0 then", "if v_open <= 1 then"),
        (
            "_take_datum(v_claim, true, p_ahead) else falconeri._nothing()\n    end;\n    if",
            "_nothing() else falconeri._nothing()\n    end;\n    if",
        ),
        (
            "v_next := case\n      when p_claim_next then",
            "v_next := case\n      when true then",
        ),
        (
            "_take_datum(v_claim, true, p_ahead) else falconeri._nothing()\n    end;\n    if",
            "_take_datum(v_claim, true, false) else falconeri._nothing()\n    end;\n    if",
        ),
        (
            "return case\n      when p_claim_next then falconeri._take_datum(v_claim, true, p_ahead)",
            "return case\n      when p_claim_next then falconeri._take_datum(v_claim, false, p_ahead)",
        ),
        (
            "return case\n      when p_claim_next then falconeri._take_datum(v_claim, true, p_ahead)",
            "return case\n      when p_claim_next then falconeri._take_datum(v_claim, true, false)",
        ),
        ("v_next.attempt := 1", "v_next.attempt := 2"),
        ("datum_id = v_next.datum_id, seq", "seq"),
        ("seq = v_taken, attempt", "seq = v_claim.seq, attempt"),
        ("attempt = 1, tries_used", "attempt = v_claim.attempt, tries_used"),
        ("tries_used = 0, ", ""),
        ("losses_used = 0,\n", "\n"),
        ("    claimed_at = v_now\n", "    claimed_at = c.claimed_at\n"),
        ("where c.worker_no = v_claim.worker_no and c.slot", "where c.slot"),
        (" and c.slot = v_claim.slot;", ";"),
        (
            "falconeri._inputs(v_claim.job_no, v_taken)",
            "falconeri._inputs(v_claim.job_no, v_claim.seq)",
        ),
    ),
    *of(
        "private/_fail_attempt",
        "failures complete ladder rungs repeats watch_job delays outputs neighbours",
        ("losses_used + (not v_spends)::integer", "losses_used + 1"),
        (
            "p_claim.tries_used + (v_spends and not v_rises)::integer",
            "p_claim.tries_used + (not v_rises)::integer",
        ),
        ("p_claim.tries_used + (v_spends", "(v_spends"),
        ("(v_spends and not v_rises)", "v_spends"),
        ("p_claim.rung + v_rises::integer", "p_claim.rung"),
        ("p_claim.rung + v_rises::integer", "v_rises::integer"),
        ("p_claim.losses_used + (not", "(not"),
        ("failed_attempts = s.failed_attempts + 1", "failed_attempts = s.failed_attempts"),
        ("failed_attempts = s.failed_attempts + 1", "failed_attempts = s.failed_attempts + 2"),
        ("running = s.running - 1", "running = s.running"),
        ("running = s.running - 1", "running = s.running - 2"),
        (
            "(v_rung = 0 and v_tries < s.max_tries and",
            "(v_rung = 0 and v_tries <= s.max_tries and",
        ),
        (
            "(v_rung = 0 and v_tries < s.max_tries and v_losses < s.max_losses)",
            "(v_rung = 0 and (v_tries < s.max_tries or v_losses < s.max_losses))",
        ),
        (
            "(v_rung = 0 and v_tries < s.max_tries and v_losses < s.max_losses)::integer",
            "(v_rung = 0)::integer",
        ),
        ("(v_rung = 0 and v_tries", "(v_tries"),
        ("(v_rung > 0 and v_tries", "(v_tries"),
        ("(v_rung > 0 and v_tries", "(v_rung > 1 and v_tries"),
        (
            "(v_rung > 0 and v_tries < s.max_tries and v_losses < s.max_losses)::integer",
            "(v_rung > 0)::integer",
        ),
        (
            "error = s.error + (v_tries >= s.max_tries or v_losses >= s.max_losses)::integer",
            "error = s.error",
        ),
        (
            "error = s.error + (v_tries >= s.max_tries or",
            "error = s.error + (v_tries > s.max_tries or",
        ),
        (
            "open = s.open - (v_tries >= s.max_tries or v_losses >= s.max_losses)::integer",
            "open = s.open",
        ),
        (
            "open = s.open - (v_tries >= s.max_tries or v_losses >= s.max_losses)::integer",
            "open = s.open - 1",
        ),
        (
            "open = s.open - (v_tries >= s.max_tries or v_losses >=",
            "open = s.open - (v_tries >= s.max_tries or v_losses >",
        ),
        (
            "v_tries < s.max_tries and v_losses < s.max_losses as retry",
            "v_tries <= s.max_tries and v_losses < s.max_losses as retry",
        ),
        (
            "v_tries < s.max_tries and v_losses < s.max_losses as retry",
            "v_tries < s.max_tries and v_losses <= s.max_losses as retry",
        ),
        (
            "v_tries < s.max_tries and v_losses < s.max_losses as retry",
            "v_tries < s.max_tries as retry",
        ),
        (
            "v_tries < s.max_tries and v_losses < s.max_losses as retry",
            "v_losses < s.max_losses as retry",
        ),
        ("where s.job_no = p_claim.job_no and s.shard", "where s.shard"),
        ("and s.shard = p_claim.shard and s.open > 0", "and s.open > 0"),
        ("and s.shard = p_claim.shard and s.open > 0", "and s.shard = p_claim.shard"),
        ("p_claim.worker_no, p_claim.slot, 'error'", "p_claim.worker_no, 0, 'error'"),
        ("not v_shard.retry, p_report", "true, p_report"),
        ("not v_shard.retry, p_report", "false, p_report"),
        ("  perform falconeri._abandon_outputs(p_claim.job_no, p_claim.seq);\n", ""),
        ("  perform falconeri._free_claim(p_claim.worker_no, p_claim.slot);\n", ""),
        ("p_claim.attempt + 1, v_tries", "p_claim.attempt, v_tries"),
        ("v_tries, v_losses, v_rung", "0, v_losses, v_rung"),
        ("v_tries, v_losses, v_rung", "v_tries, 0, v_rung"),
        ("v_tries, v_losses, v_rung", "v_tries, v_losses, p_claim.rung"),
        ("      perform falconeri._open_rung(p_claim.job_no, v_rung);\n", ""),
        ("if v_rises then", "if false then"),
        ("v_waits := false;", "v_waits := true;"),
        ("v_tries + v_losses, p_report", "v_tries, p_report"),
        ("if v_shard.watched and not v_waits then", "if not v_waits then"),
        ("if v_shard.watched and not v_waits then", "if v_shard.watched then"),
        ("_wake_waiters(p_claim.job_no, p_claim.shard)", "_notify_job(p_claim.job_no)"),
        (
            "      perform falconeri._wake_waiters(p_claim.job_no, p_claim.shard);\n",
            "      null;\n",
        ),
        ("elsif v_shard.open = 0 then", "elsif true then"),
        ("elsif v_shard.open = 0 then", "elsif false then"),
    ),
    *of(
        "private/_free_claim",
        "repeats complete failures neighbours",
        ("datum_id = null, seq = null", "seq = null"),
        ("seq = null, ", ""),
        ("where c.worker_no = p_worker_no and c.slot", "where c.slot"),
        (" and c.slot = p_slot", ""),
    ),
    *of(
        "private/_repeat_completion",
        "repeats neighbours",
        ("a.job_no = v_key.job_no and a.seq", "a.seq"),
        ("and a.seq = v_key.seq\n", "\n"),
        ("\n    and (p_attempt is null or a.attempt = p_attempt)", ""),
        ("p_attempt is null or a.attempt", "a.attempt"),
        ("order by a.attempt desc", "order by a.attempt"),
        ("v_last.pod_name <> p_pod_name or ", ""),
        ("\n    or v_last.failure_class is distinct from p_report.failure_class", ""),
        ("if not p_claim_next then", "if false then"),
        ("if not p_claim_next then", "if true then"),
        ("v_last.leased, v_last.slot", "true, v_last.slot"),
        ("v_last.leased, v_last.slot", "v_last.leased, 0::smallint"),
    ),
    *of(
        "private/_require_failure",
        "complete",
        ("not in ('error', 'recovered')", "= 'done'"),
        ("p_report.failure_class is null or ", ""),
        (" or p_report.error_message is null", ""),
    ),
    *of(
        "private/_refuse_claim",
        "complete outputs",
        ("  perform falconeri._require_datum(p_datum_id);\n", ""),
        ("'ZF003'", "'ZF002'"),
    ),
)
