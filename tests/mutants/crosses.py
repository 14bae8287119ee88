"""Mutants of how crosses are multiplied or checked, and of lists of datums and rivals."""

# ruff: noqa: E501 - SQL as it stands

from __future__ import annotations

from tests.mutants.mutant import Mutant, of

CROSSES: tuple[Mutant, ...] = (
    *of(
        "job/expand_cross",
        "expand_cross check_cross",
        ("if 0 <> all (v_sizes) then", "if 0 <> any (v_sizes) then"),
        ("    perform falconeri._refuse_shared_paths(p_job_no, p_factors);\n", ""),
        ("cardinality(v_factors) > 2", "cardinality(v_factors) > 3"),
        ("v_factors[v_at], v_factors[v_at + 1]", "v_factors[v_at + 1], v_factors[v_at]"),
        ("v_factors[1], v_factors[2]", "v_factors[2], v_factors[1]"),
        ("or f.factor < 0", ""),
        ("f.factor = any (p_factors) or ", ""),
    ),
    *of(
        "job/check_cross",
        "check_cross",
        ("if 0 <> all (v_sizes) then", "if true then"),
        ("    perform falconeri._refuse_shared_paths(p_job_no, p_factors);\n", ""),
        ("v_before + 1 + ", "1 + "),
        ("p_into) - v_before", "p_into)"),
        (
            "  delete from falconeri.factors f where f.job_no = p_job_no and f.factor = any (p_factors);\n",
            "",
        ),
    ),
    *of(
        "private/_expand_pair",
        "expand_cross",
        (
            "when p_into is null then falconeri._last_datum(p_job_no) else falconeri._factor_size(p_job_no, p_into)",
            "when p_into is null then 0 else falconeri._factor_size(p_job_no, p_into)",
        ),
        (
            "when p_into is null then falconeri._last_datum(p_job_no) else falconeri._factor_size(p_job_no, p_into)",
            "when p_into is null then falconeri._last_datum(p_job_no) else 0",
        ),
        ("p_left) * v_width", "p_left)"),
    ),
    *of(
        "private/_factor_size",
        "expand_cross check_cross chunks",
        ("jsonb_array_length(f.inputs) - 1", "jsonb_array_length(f.inputs)"),
        # Not the job: factors live within a transaction, so nobody ever sees those of others.
        (" and f.factor = p_factor", ""),
        ("f.first_seq desc", "f.first_seq"),
    ),
    *of(
        "private/_last_datum",
        "expand_cross chunks create_job",
        ("jsonb_array_length(d.inputs) - 1", "jsonb_array_length(d.inputs)"),
        ("d.first_seq desc", "d.first_seq"),
        ("where d.job_no = p_job_no order", "order"),
    ),
    *of(
        "private/_joined",
        "expand_cross chunks",
        ("p_inputs || d.inputs", "d.inputs || p_inputs"),
        ("order by d.place", "order by d.place desc"),
    ),
    *of(
        "private/_refuse_shared_paths",
        "expand_cross check_cross",
        ("if v_repos is null then", "if true then"),
        ("having min(f.factor) < max(f.factor) and bool_or", "having bool_or"),
        (" and bool_or(depth = cardinality(p.parts))", ""),
        ("rtrim(i.local_path, '/')", "i.local_path"),
        ("p.parts[:depth], '/'", "p.parts[:depth], ''"),
    ),
    *of(
        "datum/list_datums",
        "look chunks neighbours",
        ("c.job_no = v_job.job_no and c.seq > v_after", "c.seq > v_after"),
        (
            "c.job_no = v_job.job_no and c.seq > v_after",
            "c.job_no = v_job.job_no and c.seq >= v_after",
        ),
        ("a.job_no = v_job.job_no and a.outcome", "a.outcome"),
        (" and a.final and", " and"),
        ("a.final and a.seq > v_after", "a.final and a.seq >= v_after"),
        ("s.job_no = v_job.job_no and s.first_seq = falconeri", "s.first_seq = falconeri"),
        (" and s.seq = d.seq\n", "\n"),
        ("where s.status = p_status\n    order", "order"),
        ("where s.job_no = v_job.job_no and s.seq > v_after", "where s.seq > v_after"),
        (
            "where s.job_no = v_job.job_no and s.seq > v_after",
            "where s.job_no = v_job.job_no and s.seq >= v_after",
        ),
        ("(p_status is null or s.status = p_status)", "true"),
        ("order by s.first_seq, s.seq limit p_limit", "order by s.first_seq, s.seq"),
    ),
    *of(
        "job/list_rivals",
        "list_rivals",
        ("order by j.job_no", "order by j.job_no desc"),
        (" limit p_limit", ""),
    ),
)
