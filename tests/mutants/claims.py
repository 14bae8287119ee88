"""Mutants of how a datum is handed out."""

# ruff: noqa: E501 - SQL as it stands

from __future__ import annotations

from tests.mutants.mutant import Mutant, of

CLAIMS: tuple[Mutant, ...] = (
    *of(
        "private/_take_datum",
        "claim_datum ahead claim_datums failures pause create_job neighbours",
        # The look at the claim's own shard, the one for an idle one, and the one at all of them, which
        # finds whatever the second one misses.
        ("\n  for no key update skip locked", ""),
        ("\n  for no key update skip locked", "\n  for no key update"),
        ("by s.shard limit 1 for no key update skip locked", "by s.shard limit 1"),
        (
            "by s.shard limit 1 for no key update skip locked",
            "by s.shard limit 1 for no key update",
        ),
        (
            "by s.running, s.shard limit 1 for no key update skip locked",
            "by s.running, s.shard limit 1",
        ),
        (
            "by s.running, s.shard limit 1 for no key update skip locked",
            "by s.running, s.shard limit 1 for no key update",
        ),
        (
            "where s.job_no = p_claim.job_no and s.shard = p_claim.shard\n",
            "where s.shard = p_claim.shard\n",
        ),
        (
            "where s.job_no = p_claim.job_no and s.shard = p_claim.shard\n",
            "where s.job_no = p_claim.job_no\n",
        ),
        ("where s.job_no = p_claim.job_no\n      and not", "where not"),
        ("\n    and not s.halted and (", "\n    and ("),
        ("s.running = 0\n      and not s.halted and (", "s.running = 0\n      and ("),
        (
            "s.job_no = p_claim.job_no\n      and not s.halted and (",
            "s.job_no = p_claim.job_no\n      and (",
        ),
        ("      or (s.requeued > 0 and not p_ahead)\n    )\n  for", "    )\n  for"),
        (
            "        or (s.requeued > 0 and not p_ahead)\n      )\n    order by s.running",
            "      )\n    order by s.running",
        ),
        ("s.requeued > 0 and not p_ahead)\n    )\n  for", "s.requeued > 0)\n    )\n  for"),
        (
            "s.requeued > 0 and not p_ahead)\n      )\n    order by s.running",
            "s.requeued > 0)\n      )\n    order by s.running",
        ),
        ("where s.job_no = p_claim.job_no and s.shard > ", "where s.shard > "),
        ("s.shard > coalesce(p_claim.shard, -1)", "s.shard > coalesce(p_claim.shard, 0)"),
        ("s.shard > coalesce(p_claim.shard, -1) and", "true and"),
        (" and s.running = 0\n", "\n"),
        (
            "else s.last_seq end\n      or (s.requeued > 0 and not p_ahead)\n    )\n  for",
            "else s.last_seq + 1 end\n      or (s.requeued > 0 and not p_ahead)\n    )\n  for",
        ),
        (
            "else s.last_seq end\n        or (s.requeued > 0 and not p_ahead)\n      )\n    order by s.shard",
            "else s.last_seq + 1 end\n        or (s.requeued > 0 and not p_ahead)\n      )\n    order by s.shard",
        ),
        (
            "else s.last_seq end\n        or (s.requeued > 0 and not p_ahead)\n      )\n    order by s.running",
            "else s.last_seq + 1 end\n        or (s.requeued > 0 and not p_ahead)\n      )\n    order by s.running",
        ),
        (
            "else s.last_seq end\n      or (s.requeued > 0 and not p_ahead)\n    )\n  for",
            "else s.last_seq - 1 end\n      or (s.requeued > 0 and not p_ahead)\n    )\n  for",
        ),
        (
            "case when p_ahead then s.ahead_seq else s.last_seq end\n      or (s.requeued > 0 and not p_ahead)\n    )\n  for",
            "s.last_seq\n      or (s.requeued > 0 and not p_ahead)\n    )\n  for",
        ),
        (
            "else s.last_seq end\n        or (s.requeued > 0 and not p_ahead)\n      )\n    order by s.running",
            "else s.last_seq - 1 end\n        or (s.requeued > 0 and not p_ahead)\n      )\n    order by s.running",
        ),
        (
            "case when p_ahead then s.ahead_seq else s.last_seq end\n        or (s.requeued > 0 and not p_ahead)\n      )\n    order by s.running",
            "s.last_seq\n        or (s.requeued > 0 and not p_ahead)\n      )\n    order by s.running",
        ),
        ("order by s.running, s.shard", "order by s.shard"),
        ("order by s.running, s.shard", "order by s.running desc, s.shard"),
        ("order by s.running, s.shard", "order by s.running, s.shard desc"),
        # One that is to be tried again, or a fresh one?
        ("if v_shard.requeued > 0 and not (", "if not ("),
        ("(p_fresh_first or p_ahead) and v_shard", "false and v_shard"),
        ("(p_fresh_first or p_ahead) and v_shard", "v_shard"),
        ("(p_fresh_first or p_ahead) and v_shard", "p_fresh_first and v_shard"),
        ("p_ahead) and v_shard.next_seq <= v_shard.last_seq\n", "p_ahead)\n"),
        (" and q.ready_at is null", ""),
        ("where q.job_no = v_shard.job_no and q.shard", "where q.shard"),
        ("and q.shard = v_shard.shard and", "and"),
        ("order by q.seq limit 1", "order by q.seq desc limit 1"),
        (
            "where r.job_no = v_shard.job_no and r.shard = v_shard.shard and",
            "where r.shard = v_shard.shard and",
        ),
        ("requeued = s.requeued - 1, running", "running"),
        ("requeued = s.requeued - 1, running = s.running + 1", "requeued = s.requeued - 1"),
        (
            "running = s.running + 1\n    where s.job_no = v_shard.job_no and s.shard = v_shard.shard;\n  else",
            "running = s.running + 1\n    where s.job_no = v_shard.job_no;\n  else",
        ),
        (
            "running = s.running + 1\n    where s.job_no = v_shard.job_no and s.shard = v_shard.shard;\n  else",
            "running = s.running + 1\n    where s.shard = v_shard.shard;\n  else",
        ),
        ("v_shard.next_seq, 1, 0, 0, null", "v_shard.next_seq + 1, 1, 0, 0, null"),
        ("v_shard.next_seq, 1, 0, 0, null", "v_shard.next_seq, 2, 0, 0, null"),
        ("next_seq = s.next_seq + 1, running", "next_seq = s.next_seq, running"),
        ("next_seq = s.next_seq + 1, running", "next_seq = s.next_seq + 2, running"),
        ("next_seq = s.next_seq + 1, running = s.running + 1", "next_seq = s.next_seq + 1"),
        (
            "running = s.running + 1\n    where s.job_no = v_shard.job_no and s.shard = v_shard.shard;\n  end",
            "running = s.running + 1\n    where s.job_no = v_shard.job_no;\n  end",
        ),
        (
            "running = s.running + 1\n    where s.job_no = v_shard.job_no and s.shard = v_shard.shard;\n  end",
            "running = s.running + 1\n    where s.shard = v_shard.shard;\n  end",
        ),
        ("    shard = v_again.shard, datum_id", "    datum_id"),
        ("attempt = v_again.attempt, tries_used", "tries_used"),
        (" tries_used = v_again.tries_used,", ""),
        ("losses_used = v_again.losses_used, ", ""),
        ("claimed_at = falconeri._now()", "claimed_at = c.claimed_at"),
        ("where c.worker_no = p_claim.worker_no and c.slot", "where c.slot"),
        (" and c.slot = p_claim.slot", ""),
    ),
    *of(
        "private/_no_work",
        "claim_datum ahead pause",
        ("when j.status <> 'running' then 'ended'", "when false then 'ended'"),
        ("where s.job_no = p_job_no and not", "where not"),
        (" and not s.halted\n", "\n"),
        ("            or (s.requeued > 0 and not p_ahead)\n", ""),
        ("s.requeued > 0 and not p_ahead", "s.requeued > 0"),
        ("else s.last_seq end", "else s.last_seq - 1 end"),
        ("else s.last_seq end", "else s.last_seq + 1 end"),
        ("case when p_ahead then s.ahead_seq else s.last_seq end", "s.last_seq"),
        ("then 'busy'", "then 'empty'"),
        ("where j.job_no = p_job_no;", "order by j.job_no desc limit 1;"),
    ),
    *of(
        "datum/claim_datum",
        "claim_datum ahead leases",
        ("if v_job.status <> 'running' then", "if false then"),
        ("if v_claim.seq is not null then", "if false then"),
        ("p_leased, p_slot)", "p_leased, 0::smallint)"),
        ("p_leased, p_slot)", "true, p_slot)"),
        ("v_claim, false", "v_claim, true"),
        ("false, p_ahead)", "false, false)"),
    ),
    *of(
        "datum/claim_datums",
        "claim_datums neighbours",
        ("a.node_name, true, a.slot", "a.node_name, false, a.slot"),
        ("a.node_name, true, a.slot", "a.pod_name, true, a.slot"),
        ("if v_job.status <> 'running' then", "if false then"),
        ("order by u.pod_name, u.slot\n", ""),
        ("order by u.pod_name, u.slot", "order by u.pod_name desc, u.slot"),
        ("order by u.place", "order by u.place desc"),
        ("where w.job_no = v_job.job_no and w.pod_name", "where w.pod_name"),
        ("c.slot = v_asked.slot and ", ""),
        ("when v_claim.seq is null then", "when true then"),
        ("v_claim, false", "v_claim, true"),
        ("    exit when v_work.verdict <> 'claimed';\n", ""),
    ),
    *of(
        "private/_lock_slot",
        "claim_datum complete neighbours",
        # Each of the two looks, which differ in their indentation.
        (
            "\n  where c.worker_no = v_worker_no and c.slot = p_slot for update",
            "\n  where c.worker_no = v_worker_no and c.slot = p_slot",
        ),
        (
            "\n  where c.worker_no = v_worker_no and c.slot = p_slot for",
            "\n  where c.worker_no = v_worker_no for",
        ),
        (
            "\n  where c.worker_no = v_worker_no and c.slot = p_slot for",
            "\n  where c.slot = p_slot for",
        ),
        (
            "\n    where c.worker_no = v_worker_no and c.slot = p_slot for update",
            "\n    where c.worker_no = v_worker_no and c.slot = p_slot",
        ),
        ("    on conflict (worker_no, slot) do nothing;\n", "    ;\n"),
    ),
    *of(
        "private/_held_work",
        "claim_datum neighbours",
        ("p_attempt,\n", "1,\n"),
    ),
    *of(
        "private/_inputs",
        "chunks neighbours",
        ("(p_seq - d.first_seq)", "(p_seq - d.first_seq + 1)"),
        ("(p_seq - d.first_seq)", "0"),
        ("where d.job_no = p_job_no and d", "where d"),
        (" and d.first_seq <= p_seq", ""),
        ("d.first_seq <= p_seq", "d.first_seq < p_seq"),
        ("d.first_seq desc", "d.first_seq"),
    ),
    *of(
        "private/_chunk_of",
        "chunks neighbours",
        ("where d.job_no = p_job_no and d", "where d"),
        (" and d.first_seq <= p_seq", ""),
        ("d.first_seq <= p_seq", "d.first_seq < p_seq"),
        ("d.first_seq desc", "d.first_seq"),
    ),
    *of(
        "private/_lock_claim",
        "outputs",
        ("  for update;", "  ;"),
        ("c.pod_name = p_pod_name and ", ""),
        ("and c.datum_id = p_datum_id\n", "\n"),
        ("\n    and (p_attempt is null or c.attempt = p_attempt)", ""),
        ("p_attempt is null or ", ""),
        ("if not found then", "if false then"),
    ),
)
